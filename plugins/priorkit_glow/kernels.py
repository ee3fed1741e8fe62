"""x = G(z) and its pullback in kernels of our own, ``csrc/``, whoever executes them.

The residual stream is float32, pixels one after the other with their channels; the couplings'
hidden layers are float32 or bfloat16, each way. What the pullback needs of the steps lies in
one block of memory: per step a, σ, and a bit per hidden value that was positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from priorkit.cuda import Argument, Launch
from priorkit_glow.folded import FoldedGlow, FoldedStep
from priorkit_glow.network import GlowConfig

__all__ = ["SOURCES", "KernelGlow"]

_FOLDER = Path(__file__).parent / "csrc"
_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_CONVOLUTIONS = ("into", "through", "out_of", "back_into", "back_through", "back_out_of")
SOURCES = {
    _FOLDER / "convolution.cu": tuple(f"{c}_{t}" for t in _NAMES.values() for c in _CONVOLUTIONS),
    _FOLDER / "coupling.cu": tuple(
        f"{way}on_chip_{t}" for t in _NAMES.values() for way in ("", "back_")
    ),
    _FOLDER / "tiles.cu": (
        *(f"{way}tiles_{count}_bfloat16" for way in ("", "back_") for count in (1, 2, 4)),
        "sum_tiles",
    ),
    _FOLDER / "step.cu": ("couple", "uncouple", "bring_latents"),
}
ON_CHIP = {"float32": 96, "bfloat16": 256}  # hidden channels that ``coupling.cu`` holds
WIDEST_TILES, OUT_OF_TILES = 512, 28  # hidden and output channels of ``tiles.cu``
WIDEST = 512  # channels of the stream that ``step.cu`` has room for
_PLAIN, _WIDE, _PICTURE = range(3)  # Place, in step.cu
_ROWS, _BROAD, _NARROW, _PIXELS, _THREADS = 64, 64, 16, 8, 128
_SIDE, _TILE_PITCH = 8, 40


@dataclass
class _Way:
    """The three convolutions of a coupling in one direction: weights (out, taps·in), biases."""

    weights: list[Tensor]
    biases: list[Tensor | None]

    @property
    def name(self) -> str:
        """Of its dtype, in the names of kernels."""
        return _NAMES[self.weights[0].dtype]

    @property
    def prefix(self) -> str:
        """Of its direction."""
        return "" if self.biases[0] is not None else "back_"

    @classmethod
    def of(
        cls,
        weights: list[Tensor],
        biases: list[Tensor] | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> _Way:
        rows = [w.permute(0, 2, 3, 1).flatten(1).to(device, dtype).contiguous() for w in weights]
        moved = [b.to(device, torch.float32) for b in biases] if biases else [None] * 3
        return cls(rows, list(moved))


class _Step:
    """One step's numbers as the kernels want them."""

    def __init__(self, step: FoldedStep, device: torch.device, forward: torch.dtype) -> None:
        weights, biases = [step.w1, step.w2, step.w3], [step.b1, step.b2, step.shifted_b3]
        self.forward = _Way.of(weights, biases, device, forward)
        self._exact = step
        self._back: dict[torch.dtype, _Way] = {}
        self.inverse = step.inverse.to(device, torch.float32).contiguous()
        self.inverse_t = step.inverse.T.to(device, torch.float32).contiguous()
        self.offset = step.inverse_offset.to(device, torch.float32)

    def back(self, dtype: torch.dtype) -> _Way:
        """The transposed convolutions, made when they are first asked for."""
        if dtype not in self._back:
            self._back[dtype] = _Way.of(self._exact.turned, None, self.offset.device, dtype)
        return self._back[dtype]


@dataclass(frozen=True)
class _Level:
    """The sizes of a level: channels, height, width, hidden width."""

    channels: int
    height: int
    width: int
    hidden: int
    scale_offset: float
    begin: int  # of its latents in z
    latents: int  # channels that are latents

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def kept(self, affine: bool) -> list[int]:
        """4-byte words per image of a, of σ, and of the bits of both hidden layers."""
        half, words = self.pixels * self.channels // 2, self.pixels * ((self.hidden + 31) // 32)
        return [half, half if affine else 0, words, words]


def levels_of(config: GlowConfig) -> list[_Level]:
    """The levels from the finest."""
    found, begin = [], 0
    channels, (_, height, width) = config.shape[0], config.shape
    for level, shape in enumerate(config.latent_shapes):
        channels, height, width = 4 * channels, height // 2, width // 2
        sizes = (config.width[level], config.scale_offset[level])
        found.append(_Level(channels, height, width, *sizes, begin, shape[0]))
        begin += math.prod(shape)
        channels //= 2
    return found


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
            sizes = (half, level.channels, each, each)
            for k in reversed(range(len(steps))):
                a, sigma, *bits = parts.get((number, k), [None] * 4)  # none is written
                self._network(steps[k].forward, h[..., half:], raw, bits, sizes, level, batch)
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
            each, inner = level.channels if self.affine else half, result[..., half:]
            sizes = (each, each, half, level.channels)
            for k, step in enumerate(steps):
                a, sigma, bits1, bits2 = parts[number, k]
                place = _PLAIN if k else _WIDE if number else _PICTURE
                self._pixelwise(
                    "uncouple", [g, step.inverse, a, sigma, result, outer, place], level, batch
                )
                self._network(step.back(back), outer, inner, [bits2, bits1], sizes, level, batch)
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
        self,
        way: _Way,
        x: Tensor,
        y: Tensor,
        bits: list[Tensor | None],
        sizes: tuple[int, int, int, int],
        level: _Level,
        batch: int,
    ) -> None:
        """The coupling's three convolutions one way, from x into y.

        ``bits`` are those of the hidden layers in the order of this way; ``sizes`` the channels
        and stride of x's pixels, and of y's.
        """
        channels, stride, out, pitch = sizes
        hidden, name = level.hidden, way.name
        if self.on_chip and level.pixels <= _ROWS and hidden <= ON_CHIP[name]:
            grid = (-(-batch // (_ROWS // level.pixels)), -(-out // _NARROW))
            layers = [part for pair in zip(way.weights, way.biases, strict=True) for part in pair]
            whole: list[Argument] = [x, stride, *layers, *bits, y, pitch, batch]
            whole += [level.height, level.width, channels, hidden, out]
            self._launch(f"{way.prefix}on_chip_{name}", grid, _THREADS, whole)
            return
        if self.on_chip and name == "bfloat16" and hidden <= WIDEST_TILES and out <= OUT_OF_TILES:
            self._in_tiles(way, x, y, bits, sizes, level, batch)
            return
        h1, h2 = (way.weights[0].new_empty(batch * level.pixels * hidden) for _ in range(2))

        def convolve(
            what: str,
            columns: int,
            layer: int,
            source: tuple[Tensor, int, int],
            bits: Tensor | None,
            result: tuple[Tensor, int, int],
        ) -> None:
            (image, inner, apart), (to, outer, along) = source, result
            grid = (-(-batch * level.pixels // _ROWS), -(-outer // columns))
            arguments: list[Argument] = [
                image,
                apart,
                way.weights[layer],
                way.biases[layer],
                bits,
                to,
                along,
            ]
            arguments += [batch, level.height, level.width, inner, outer]
            self._launch(f"{way.prefix}{what}_{name}", grid, _THREADS, arguments)

        first, second = (h1, hidden, hidden), (h2, hidden, hidden)
        convolve("into", _BROAD, 0, (x, channels, stride), bits[0], first)
        convolve("through", _BROAD, 1, first, bits[1], second)
        convolve("out_of", _NARROW, 2, second, None, (y, out, pitch))

    def _in_tiles(
        self,
        way: _Way,
        x: Tensor,
        y: Tensor,
        bits: list[Tensor | None],
        sizes: tuple[int, int, int, int],
        level: _Level,
        batch: int,
    ) -> None:
        """The same three, by tiles of 8×8 pixels and the parts that they give."""
        channels, stride, out, pitch = sizes
        (w1, w2, w3), (b1, b2, b3) = way.weights, way.biases
        tiles = batch * -(-level.height // _SIDE) * -(-level.width // _SIDE)
        parts = torch.empty(tiles * (_SIDE + 2) ** 2 * out, device=self.device)
        apart = -(-level.hidden // _BROAD) * _BROAD + 8  # of pixels of the first hidden layer
        held = 2 * (_ROWS * (apart + _BROAD + 8) + (_ROWS + _BROAD) * _TILE_PITCH)
        count = next(count for count in (1, 2, 4) if 9 * out <= _BROAD * count)
        arguments: list[Argument] = [x, stride, w1, b1, w2, b2, w3, *bits, parts]
        arguments += [level.height, level.width, channels, level.hidden, out]
        name, shared = f"{way.prefix}tiles_{count}_bfloat16", max(held, 4 * _ROWS * 9 * out)
        self._launch(name, (tiles, 1), _THREADS, arguments, shared)
        grid = (-(-batch * level.pixels * out // _THREADS), 1)
        last: list[Argument] = [parts, b3, y, pitch, batch, level.height, level.width, out]
        self._launch("sum_tiles", grid, _THREADS, last)

    def _pixelwise(self, name: str, first: list[Argument], level: _Level, batch: int) -> None:
        grid = (-(-batch * level.pixels // _PIXELS), 1)
        last: list[Argument] = [int(self.affine), float(level.scale_offset), batch]
        last += [level.height, level.width, level.channels]
        self._launch(name, grid, _THREADS, first + last)

    def _latents(self, z: Tensor, h: Tensor, level: _Level, *, back: bool) -> None:
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
