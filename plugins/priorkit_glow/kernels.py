"""x = G(z) and its pullback in kernels of our own, ``csrc/``, whoever executes them.

The residual stream is float32, pixels one after the other with their channels; the couplings'
hidden layers are float32 or bfloat16, each way. What the pullback needs of the steps lies in
one block of memory: per step a, σ, and a bit per hidden value that was positive.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from priorkit.cuda import Argument, Launch
from priorkit_glow.couplings import NAMES, Pixels, Way
from priorkit_glow.folded import FoldedGlow, FoldedStep
from priorkit_glow.levels import Level, levels_of

__all__ = ["SOURCES", "KernelGlow"]

_FOLDER = Path(__file__).parent / "csrc"
_CONVOLUTIONS = ("into", "through", "out_of", "back_into", "back_through", "back_out_of")
SOURCES = {
    _FOLDER / "convolution.cu": tuple(f"{c}_{t}" for t in NAMES.values() for c in _CONVOLUTIONS),
    _FOLDER / "coupling.cu": tuple(
        f"{way}on_chip_{t}" for t in NAMES.values() for way in ("", "back_")
    ),
    _FOLDER / "tiles.cu": (
        *(f"{way}tiles_{count}_bfloat16" for way in ("", "back_") for count in (1, 2, 4)),
        "sum_tiles",
    ),
    _FOLDER / "step.cu": ("couple", "uncouple", "bring_latents"),
}
WIDEST = 512  # channels of the stream that ``step.cu`` has room for
_PLAIN, _WIDE, _PICTURE = range(3)  # Place, in step.cu
_PIXELS, _THREADS = 8, 128


class _Step:
    """One step's numbers as the kernels want them."""

    def __init__(self, step: FoldedStep, device: torch.device, forward: torch.dtype) -> None:
        weights, biases = [step.w1, step.w2, step.w3], [step.b1, step.b2, step.shifted_b3]
        self.forward = Way.of(weights, biases, device, forward)
        self._exact = step
        self._back: dict[torch.dtype, Way] = {}
        self.inverse = step.inverse.to(device, torch.float32).contiguous()
        self.inverse_t = step.inverse.T.to(device, torch.float32).contiguous()
        self.offset = step.inverse_offset.to(device, torch.float32)

    def back(self, dtype: torch.dtype) -> Way:
        """The transposed convolutions, made when they are first asked for."""
        if dtype not in self._back:
            self._back[dtype] = Way.of(self._exact.turned, None, self.offset.device, dtype)
        return self._back[dtype]


class KernelGlow:
    """x = G(z) and its pullback on one device.

    Parameters
    ----------
    network : the folded network, exact
    device : that the tensors lie on, and ``launch`` works on
    launch : executes a kernel of :data:`SOURCES`
    forward : dtype of the hidden layers, torch.float32 or torch.bfloat16
    on_chip : whether couplings whose hidden layers fit on the chip are one kernel

    Raises ValueError for a network that the kernels have no room for.
    """

    def __init__(
        self,
        network: FoldedGlow,
        device: torch.device,
        launch: Launch,
        *,
        forward: torch.dtype = torch.float32,
        on_chip: bool = True,
    ) -> None:
        self.on_chip = on_chip
        self.config, self.device, self._launch = network.config, device, launch
        self.affine, self.levels = network.config.coupling == "affine", levels_of(network.config)
        if self.levels[-1].channels > WIDEST:
            raise ValueError(f"{self.levels[-1].channels} channels, and at most {WIDEST} fit")
        self._steps = [[_Step(step, device, forward) for step in steps] for steps in network.steps]

    def kept_words(self, batch: int) -> int:
        """Size of the block that :meth:`decode` fills for :meth:`pull`, in int32."""
        pairs = zip(self.levels, self._steps, strict=True)
        return batch * sum(len(steps) * sum(level.kept(self.affine)) for level, steps in pairs)

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
            self._latents(z, h, level, back=False)
            raw, half = self._stream(batch, number), level.channels // 2
            each = level.channels if self.affine else half
            for k in reversed(range(len(steps))):
                a, sigma, *bits = parts.get((number, k), [None] * 4)  # none is written
                second, way = Pixels(h[..., half:], half, level.channels), steps[k].forward
                self._network(way, second, Pixels(raw, each, each), bits, level, batch)
                place, out = _PLAIN, h
                if k == 0:
                    place = _WIDE if number else _PICTURE
                    out = self._stream(batch, number - 1) if number else x
                self._pixelwise(
                    "couple",
                    [h, raw, steps[k].inverse_t, steps[k].offset, a, sigma, out, place],
                    level,
                    batch,
                )
                h = out
        return x, kept

    def pull(self, kept: Tensor, r: Tensor, back: torch.dtype = torch.float32) -> Tensor:
        """J(z)ᵀ r, (B, n), from what :meth:`decode` kept and r (B, C, H, W) float32.

        The couplings' J is multiplied in dtype ``back``.
        """
        g, batch = r.contiguous(), len(r)
        gz = g.new_empty(batch, self.config.n)
        parts = self._parts(kept, batch)
        for number, (level, steps) in enumerate(zip(self.levels, self._steps, strict=True)):
            result, outer = self._stream(batch, number), self._stream(batch, number)
            half = level.channels // 2
            each = level.channels if self.affine else half
            second = Pixels(result[..., half:], half, level.channels)
            for k, step in enumerate(steps):
                a, sigma, bits1, bits2 = parts[number, k]
                place = _PLAIN if k else _WIDE if number else _PICTURE
                self._pixelwise(
                    "uncouple", [g, step.inverse, a, sigma, result, outer, place], level, batch
                )
                way, bits = step.back(back), [bits2, bits1]
                self._network(way, Pixels(outer, each, each), second, bits, level, batch)
                g = result
            self._latents(gz, g, level, back=True)
        return gz

    def _stream(self, batch: int, number: int) -> Tensor:
        level = self.levels[number]
        shape = (batch, level.height, level.width, level.channels)
        return torch.empty(shape, dtype=torch.float32, device=self.device)

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

    def _network(
        self, way: Way, x: Pixels, y: Pixels, bits: list[Tensor | None], level: Level, batch: int
    ) -> None:
        way.run(self._launch, x, y, bits, level, batch, on_chip=self.on_chip)

    def _pixelwise(self, name: str, first: list[Argument], level: Level, batch: int) -> None:
        grid = (-(-batch * level.pixels // _PIXELS), 1)
        last: list[Argument] = [int(self.affine), float(level.scale_offset), batch]
        last += [level.height, level.width, level.channels]
        self._launch(name, grid, _THREADS, first + last)

    def _latents(self, z: Tensor, h: Tensor, level: Level, *, back: bool) -> None:
        grid = (-(-len(z) * level.pixels * level.latents // _THREADS), 1)
        arguments: list[Argument] = [
            z,
            h,
            int(back),
            self.config.n,
            level.begin,
            level.latents,
            len(z),
        ]
        arguments += [level.height, level.width, level.channels]
        self._launch("bring_latents", grid, _THREADS, arguments)
