"""G as recordings: one call to the device for a batch instead of a thousand launches."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from priorkit.recordings import Recordings
from priorkit_glow.device.glow import KernelGlow
from priorkit_glow.network import GlowConfig

__all__ = ["LARGEST", "RecordedGlow"]

LARGEST = 512  # images; beyond, the device is busy for longer than the launches take


class RecordedGlow:
    """x = G(z) and its pullback as :class:`KernelGlow` gives them, recorded by size of batch.

    What a pullback needs is given to it anew each time, so that it can be of any earlier z.
    """

    def __init__(self, network: KernelGlow, recordings: Recordings | None = None) -> None:
        self._network = network
        self.recordings = Recordings() if recordings is None else recordings

    @property
    def config(self) -> GlowConfig:
        return self._network.config

    def kept_words(self, batch: int) -> int:
        """As :meth:`KernelGlow.kept_words`."""
        return self._network.kept_words(batch)

    def decode(self, z: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
        """As :meth:`KernelGlow.decode`."""
        decode = partial(self._network.decode, keep=keep)
        if not self._fits(len(z)):
            return decode(z)
        keeps = self._bytes(len(z), keep)
        x, kept = self.recordings(("decode", keep), decode, z, keeps=keeps)
        return x, kept

    def pull(self, kept: Tensor, r: Tensor, back: torch.dtype = torch.float32) -> Tensor:
        """As :meth:`KernelGlow.pull`."""
        pull = partial(self._network.pull, back=back)
        if not self._fits(len(r)):
            return pull(kept, r)
        keeps = self._bytes(len(r), True)
        return self.recordings(("pull", back), lambda *of: (pull(*of),), kept, r, keeps=keeps)[0]

    def _fits(self, batch: int) -> bool:
        """Whether both ways have room beside each other: else each would take the other's place."""
        return 0 < batch <= LARGEST and 2 * self._bytes(batch, True) <= self.recordings.room

    def _bytes(self, batch: int, keep: bool) -> int:
        """What a recording of either way keeps: its input, its result, and the block."""
        return 4 * (2 * batch * self.config.n + keep * self.kept_words(batch))
