"""G as recordings: one call to the device for a batch instead of a thousand launches."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from priorkit.interfaces import Pullback
from priorkit.recordings import Recordings, recorded_size
from priorkit_glow.device.glow import KernelGlow

__all__ = ["LARGEST", "DeviceGlow"]

LARGEST = 512  # images; beyond, the device is busy for longer than the launches take


class DeviceGlow:
    """x = G(z) and its pullback by our own kernels, as :class:`~priorkit_glow.fused.FusedGlow`
    gives them, recorded by size of batch, which is that of z or a little more.

    What a pullback needs is given to its recording anew, so that it may be of any earlier z.
    """

    def __init__(self, network: KernelGlow, recordings: Recordings | None = None) -> None:
        self._network = network
        self.recordings = Recordings() if recordings is None else recordings

    def decode(self, z: Tensor) -> Tensor:
        """x = G(z): (B, n) → (B, C, H, W)."""
        return self._decode(z, keep=False)[0][: len(z)]

    def decode_vjp(self, z: Tensor, back: torch.dtype) -> tuple[Tensor, Pullback]:
        """x = G(z), and r ↦ J(z)ᵀ r with the couplings' J in dtype ``back``."""
        x, kept = self._decode(z, keep=True)
        return x[: len(z)], lambda r: self._pull(kept, r, back)[: len(r)]

    def _decode(self, z: Tensor, *, keep: bool) -> tuple[Tensor, ...]:
        decode = partial(self._network.decode, keep=keep)
        size = recorded_size(len(z))
        if not self._fits(size):
            return decode(z)
        keeps = self._bytes(size, keep)
        return self.recordings(("decode", keep), decode, _filled(z, size), keeps=keeps)

    def _pull(self, kept: Tensor, r: Tensor, back: torch.dtype) -> Tensor:
        pull = partial(self._network.pull, back=back)
        size = recorded_size(len(r))
        if not self._fits(size):
            return pull(kept, r)
        given, keeps = (kept, _filled(r, size)), self._bytes(size, True)
        return self.recordings(("pull", back), lambda *of: (pull(*of),), *given, keeps=keeps)[0]

    def _fits(self, batch: int) -> bool:
        """Whether both ways have room beside each other: else each would take the other's place."""
        return 0 < batch <= LARGEST and 2 * self._bytes(batch, True) <= self.recordings.room

    def _bytes(self, batch: int, keep: bool) -> int:
        """What a recording of either way keeps: its input, its result, and the block."""
        return 4 * (2 * batch * self._network.config.n + keep * self._network.kept_words(batch))


def _filled(images: Tensor, size: int) -> Tensor:
    """So many of them, the last ones zero."""
    lacking = size - len(images)
    return torch.cat([images, images.new_zeros(lacking, *images.shape[1:])]) if lacking else images
