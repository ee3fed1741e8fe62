"""x = G(z) and its pullback on a device: a library's products, our own kernels between them.

The residual stream is float32, pixels one after the other with their channels; the couplings'
networks are float32 or bfloat16, each way, as convolutions of PyTorch (cuDNN). All that lies
between two of those is one kernel of ``csrc/``: bias and ReLU with its bits, and the rest of a
step, which writes what the next convolution reads. What the pullback needs of the steps lies in
one block of memory: per step a, σ, and a bit per hidden value that was positive.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from priorkit.cuda import Argument, Launch
from priorkit_glow.device.couplings import NAMES, Way
from priorkit_glow.device.levels import Level, levels_of
from priorkit_glow.folded import FoldedGlow, FoldedStep
from priorkit_glow.network import GlowConfig

__all__ = ["SOURCES", "KernelGlow", "fits"]

_FOLDER = Path(__file__).parent / "csrc"
_OF = {"hidden": ("rectify", "mask"), "step": ("couple", "uncouple", "latents_in", "latents_out")}
SOURCES = {
    _FOLDER / f"{file}.cu": tuple(f"{name}_{dtype}" for dtype in NAMES.values() for name in names)
    for file, names in _OF.items()
}
WIDEST = 512  # channels of the stream that ``step.cu`` has room for
_PLAIN, _WIDE, _PICTURE = range(3)  # Place, in step.cu
_PIXELS, _THREADS = 8, 128


def fits(config: GlowConfig) -> bool:
    """Whether the kernels have room for a network."""
    return levels_of(config)[-1].channels <= WIDEST


class _Step:
    """One step's numbers as the kernels want them."""

    def __init__(
        self, step: FoldedStep, device: torch.device, launch: Launch, forward: torch.dtype
    ) -> None:
        weights, biases = [step.w1, step.w2, step.w3], [step.b1, step.b2]
        self.forward = Way(launch, weights, biases, device, forward)
        self.bias = step.shifted_b3.to(device, torch.float32)
        self._exact, self._launch = step, launch
        self._back: dict[torch.dtype, Way] = {}
        self.inverse = step.inverse.to(device, torch.float32).contiguous()
        self.inverse_t = step.inverse.T.to(device, torch.float32).contiguous()
        self.offset = step.inverse_offset.to(device, torch.float32)

    def back(self, dtype: torch.dtype) -> Way:
        """The transposed convolutions, made when they are first asked for."""
        if dtype not in self._back:
            turned, device = self._exact.turned, self.offset.device
            self._back[dtype] = Way(self._launch, turned, None, device, dtype)
        return self._back[dtype]


class KernelGlow:
    """x = G(z) and its pullback on one device.

    Parameters
    ----------
    network : the folded network, exact
    device : that the tensors lie on, and ``launch`` works on
    launch : executes a kernel of :data:`SOURCES`
    forward : dtype of the couplings' networks towards x, torch.float32 or torch.bfloat16

    Raises ValueError for a network that the kernels have no room for.
    """

    def __init__(
        self,
        network: FoldedGlow,
        device: torch.device,
        launch: Launch,
        *,
        forward: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.device, self._launch = network.config, device, launch
        self.affine, self.levels = network.config.coupling == "affine", levels_of(network.config)
        if not fits(network.config):
            raise ValueError(f"{self.levels[-1].channels} channels, and at most {WIDEST} fit")
        self._forward = forward
        self._steps = [
            [_Step(step, device, launch, forward) for step in steps] for steps in network.steps
        ]

    def kept_words(self, batch: int) -> int:
        """Size of the block that :meth:`decode` fills for :meth:`pull`, in int32."""
        pairs = zip(self.levels, self._steps, strict=True)
        return batch * sum(len(steps) * sum(level.kept(self.affine)) for level, steps in pairs)

    @torch.no_grad()
    def decode(self, z: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
        """x = G(z) (B, C, H, W) from z (B, n) float32, and what was kept, an int32 vector."""
        z, batch = z.contiguous(), len(z)
        x = z.new_empty(batch, *self.config.shape)
        kept = torch.empty(
            self.kept_words(batch) if keep else 0, dtype=torch.int32, device=z.device
        )
        parts = self._parts(kept, batch) if keep else {}
        h = self._stream(batch, len(self.levels) - 1)
        for number in reversed(range(len(self.levels))):
            level, steps = self.levels[number], self._steps[number]
            second = self._pixels(batch, level, level.channels // 2, self._forward)
            self._latents("in", z, h, second, level, self._forward)
            for k in reversed(range(len(steps))):
                step, (a, sigma, *bits) = steps[k], parts.get((number, k), [None] * 4)
                raw = step.forward(second, bits)
                place, out, last = _PLAIN, h, k == 0
                if last:
                    place = _WIDE if number else _PICTURE
                    out = self._stream(batch, number - 1) if number else x
                arguments: list[Argument] = [h, raw, step.bias, step.inverse_t, step.offset]
                arguments += [a, sigma, out, None if last else second, place]
                self._pixelwise("couple", arguments, level, batch, self._forward)
                h = out
        return x, kept

    @torch.no_grad()
    def pull(self, kept: Tensor, r: Tensor, back: torch.dtype = torch.float32) -> Tensor:
        """J(z)ᵀ r, (B, n), from what :meth:`decode` kept and r (B, C, H, W) float32.

        The couplings' J is multiplied in dtype ``back``.
        """
        g, batch = r.contiguous(), len(r)
        gz = g.new_empty(batch, self.config.n)
        parts = self._parts(kept, batch)
        for number, (level, steps) in enumerate(zip(self.levels, self._steps, strict=True)):
            each = level.channels if self.affine else level.channels // 2
            result = self._stream(batch, number)
            outer, added = self._pixels(batch, level, each, back), None
            for k, step in enumerate(steps):
                a, sigma, bits1, bits2 = parts[number, k]
                place = _PLAIN if k else _WIDE if number else _PICTURE
                arguments: list[Argument] = [g, added, step.inverse, a, sigma, result, outer, place]
                self._pixelwise("uncouple", arguments, level, batch, back)
                added = step.back(back)(outer, [bits2, bits1])
                g = result
            self._latents("out", gz, g, added, level, back)
        return gz

    def _stream(self, batch: int, number: int) -> Tensor:
        level = self.levels[number]
        return self._pixels(batch, level, level.channels, torch.float32)

    def _pixels(self, batch: int, level: Level, channels: int, dtype: torch.dtype) -> Tensor:
        shape = (batch, level.height, level.width, channels)
        return torch.empty(shape, dtype=dtype, device=self.device)

    def _parts(self, kept: Tensor, batch: int) -> dict[tuple[int, int], list[Tensor | None]]:
        """The block by level and step: a, σ, and the bits of the hidden layers."""
        parts, at = {}, 0
        for number, (level, steps) in enumerate(zip(self.levels, self._steps, strict=True)):
            for k in range(len(steps)):
                sizes = [batch * size for size in level.kept(self.affine)]
                own = kept[at : at + sum(sizes)].split(sizes)
                parts[number, k] = [part if len(part) else None for part in own]
                at += sum(sizes)
        return parts

    def _pixelwise(
        self, name: str, first: list[Argument], level: Level, batch: int, dtype: torch.dtype
    ) -> None:
        grid = (-(-batch * level.pixels // _PIXELS), 1)
        last: list[Argument] = [int(self.affine), float(level.scale_offset), batch]
        last += [level.height, level.width, level.channels]
        self._launch(f"{name}_{NAMES[dtype]}", grid, _THREADS, first + last)

    def _latents(
        self,
        way: str,
        z: Tensor,
        h: Tensor,
        beside: Tensor | None,
        level: Level,
        dtype: torch.dtype,
    ) -> None:
        grid = (-(-len(z) * level.pixels * level.latents // _THREADS), 1)
        sizes = [self.config.n, level.begin, level.latents, len(z)]
        sizes += [level.height, level.width, level.channels]
        self._launch(f"latents_{way}_{NAMES[dtype]}", grid, _THREADS, [z, h, beside, *sizes])
