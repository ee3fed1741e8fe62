"""A coupling's three convolutions, one way or back, in the kernels that suit its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from priorkit.cuda import Argument, Launch
from priorkit_glow.levels import Level

__all__ = ["NAMES", "Pixels", "Way", "suits_tiles", "tiles_of_sums"]

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
ON_CHIP = {"float32": 96, "bfloat16": 256}  # hidden channels that ``coupling.cu`` holds
WIDEST_TILES, OUT_OF_TILES = 512, 28  # hidden and output channels of ``tiles.cu``
_ROWS, _BROAD, _NARROW, _THREADS, _SIDE, _TILE_PITCH = 64, 64, 16, 128, 8, 40  # as in ``csrc/``


class Pixels(NamedTuple):
    """Pixels of so many channels, one after the other, ``pitch`` apart."""

    values: Tensor
    channels: int
    pitch: int


def suits_tiles(hidden: int, out: int) -> bool:
    """Whether ``tiles.cu`` has room for a coupling of so many hidden and output channels."""
    return hidden <= WIDEST_TILES and out <= OUT_OF_TILES


def tiles_of_sums(out: int) -> int:
    """How many times 64 columns ``tiles.cu`` adds up for so many output channels."""
    return next(count for count in (1, 2, 4) if 9 * out <= _BROAD * count)


@dataclass
class Way:
    """The three convolutions in one direction: weights (out, taps·in); biases, none on the way
    back, where the weights are transposed."""

    weights: list[Tensor]
    biases: list[Tensor | None]

    @classmethod
    def of(
        cls,
        weights: list[Tensor],
        biases: list[Tensor] | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Way:
        """The same on a device, the weights in that dtype."""
        rows = [w.permute(0, 2, 3, 1).flatten(1).to(device, dtype).contiguous() for w in weights]
        moved = [b.to(device, torch.float32) for b in biases] if biases else [None] * 3
        return cls(rows, list(moved))

    @property
    def dtype(self) -> str:
        """The name of the hidden layers' dtype."""
        return NAMES[self.weights[0].dtype]

    def run(
        self,
        launch: Launch,
        x: Pixels,
        y: Pixels,
        bits: list[Tensor | None],
        level: Level,
        batch: int,
        *,
        on_chip: bool,
    ) -> None:
        """y = network(x), or on the way back y += network(x).

        Parameters
        ----------
        bits : those of the hidden layers in the order of this way, written on the way forward
        on_chip : whether hidden layers that have room on the chip stay there
        """
        hidden = level.hidden
        if on_chip and level.pixels <= _ROWS and hidden <= ON_CHIP[self.dtype]:
            run = self._whole
        elif on_chip and self.dtype == "bfloat16" and suits_tiles(hidden, y.channels):
            run = self._in_tiles
        else:
            run = self._by_layers
        run(launch, x, y, bits, level, batch)

    def _named(self, name: str) -> str:
        """A kernel's name for this direction and dtype."""
        return f"{'' if self.biases[0] is not None else 'back_'}{name}_{self.dtype}"

    def _whole(
        self, launch: Launch, x: Pixels, y: Pixels, bits: list[Tensor | None], level: Level, n: int
    ) -> None:
        """All three in one kernel, pictures whole."""
        grid = (-(-n // (_ROWS // level.pixels)), -(-y.channels // _NARROW))
        layers = [part for pair in zip(self.weights, self.biases, strict=True) for part in pair]
        arguments: list[Argument] = [x.values, x.pitch, *layers, *bits, y.values, y.pitch, n]
        arguments += [level.height, level.width, x.channels, level.hidden, y.channels]
        launch(self._named("on_chip"), grid, _THREADS, arguments)

    def _in_tiles(
        self, launch: Launch, x: Pixels, y: Pixels, bits: list[Tensor | None], level: Level, n: int
    ) -> None:
        """All three in one kernel, by tiles of 8×8 pixels, and the sum of the parts they give."""
        (w1, w2, w3), (b1, b2, b3), out = self.weights, self.biases, y.channels
        tiles = n * -(-level.height // _SIDE) * -(-level.width // _SIDE)
        parts = x.values.new_empty(tiles * (_SIDE + 2) ** 2 * out)
        apart = -(-level.hidden // _BROAD) * _BROAD + 8  # of pixels of the first hidden layer
        held = 2 * (_ROWS * (apart + _BROAD + 8) + (_ROWS + _BROAD) * _TILE_PITCH)
        count = tiles_of_sums(out)
        arguments: list[Argument] = [x.values, x.pitch, w1, b1, w2, b2, w3, *bits, parts]
        arguments += [level.height, level.width, x.channels, level.hidden, out]
        shared = max(held, 4 * _ROWS * 9 * out)
        launch(self._named(f"tiles_{count}"), (tiles, 1), _THREADS, arguments, shared)
        last: list[Argument] = [parts, b3, y.values, y.pitch, n, level.height, level.width, out]
        launch("sum_tiles", (-(-n * level.pixels * out // _THREADS), 1), _THREADS, last)

    def _by_layers(
        self, launch: Launch, x: Pixels, y: Pixels, bits: list[Tensor | None], level: Level, n: int
    ) -> None:
        """One by one, for hidden layers that have no room on the chip."""
        h1, h2 = (
            Pixels(self.weights[0].new_empty(n * level.pixels * level.hidden), *[level.hidden] * 2)
            for _ in range(2)
        )
        layers = (
            ("into", _BROAD, x, bits[0], h1),
            ("through", _BROAD, h1, bits[1], h2),
            ("out_of", _NARROW, h2, None, y),
        )
        for (name, columns, source, own, to), w, b in zip(
            layers, self.weights, self.biases, strict=True
        ):
            grid = (-(-n * level.pixels // _ROWS), -(-to.channels // columns))
            arguments: list[Argument] = [source.values, source.pitch, w, b, own, to.values]
            arguments += [to.pitch, n, level.height, level.width, source.channels, to.channels]
            launch(self._named(name), grid, _THREADS, arguments)
