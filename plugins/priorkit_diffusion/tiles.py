"""Pictures of any size in bounded memory: denoised in overlapping tiles, with the same result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit_diffusion.network import DenoiserConfig

__all__ = ["MOST", "Tiles", "numbers"]

MOST = 1 << 30  # bytes of the hidden pictures of one call; a picture that takes more is tiled


def numbers(config: DenoiserConfig) -> int:
    """How many float32 per pixel a call holds at once: its widest pictures, at full resolution."""
    return 5 * config.channels[0] + 3


@dataclass(frozen=True)
class Tiles:
    """How a large picture is cut into tiles.

    Attributes
    ----------
    side : most pixels of a tile's side, with its margins
    margin : how many pixels around a tile are denoised with it, and cut off
    multiple : of which ``side``, ``margin`` and the sides of pictures are multiples
    """

    side: int
    margin: int
    multiple: int

    @classmethod
    def of(cls, configs: Sequence[DenoiserConfig]) -> Tiles | None:
        """Tiles of at most :data:`MOST` bytes with margins that cover the networks' receptive
        fields; None where a network has attention, whose field is the whole picture."""
        if any(config.attention for config in configs):
            return None
        multiple = max(config.multiple for config in configs)
        margin = _up(max(_reach(config) for config in configs), multiple)
        pixels = MOST // (4 * max(map(numbers, configs)))
        side = math.isqrt(pixels) // multiple * multiple
        return cls(max(side, 4 * margin), margin, multiple)  # or most of a tile is margin

    def apply(self, f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """f(x) of pictures (B, C, H, W), tile after tile.

        The result and its gradient are those of f on the whole picture, up to rounding, where the
        receptive field of f is within the margin and f commutes with shifts by ``multiple``.
        There is no margin beyond the picture's edges.
        """
        if not self.needed(*x.shape[-2:]):
            return f(x)
        rows = []
        for tall, top in self._cuts(x.shape[-2]):
            strip = x[..., tall, :]
            parts = [
                f(strip[..., wide].contiguous())[..., top, left]
                for wide, left in self._cuts(x.shape[-1])
            ]
            rows.append(torch.cat(parts, -1))
        return torch.cat(rows, -2)

    def needed(self, height: int, width: int) -> bool:
        """Whether a picture has more pixels than a tile."""
        return height * width > self.side**2

    def pixels(self, height: int, width: int) -> int:
        """Pixels of a picture's largest tile, or of the picture where it isn't tiled."""
        if not self.needed(height, width):
            return height * width
        tall, wide = (
            max(seen.stop - seen.start for seen, _ in self._cuts(_up(length, self.multiple)))
            for length in (height, width)
        )
        return tall * wide

    def _cuts(self, length: int) -> Iterator[tuple[slice, slice]]:
        """Along one side: the pixels that each tile takes with its margins, and which of them are
        kept. All tiles keep equally many pixels, but the last may keep fewer."""
        inner = self.side - 2 * self.margin
        count = 1 if length <= self.side else math.ceil(length / inner)
        own = _up(math.ceil(length / count), self.multiple)
        for start in range(0, length, own):
            end = min(start + own, length)
            first, last = max(0, start - self.margin), min(length, end + self.margin)
            yield slice(first, last), slice(start - first, end - first)


def _reach(config: DenoiserConfig) -> int:
    """How far a network's receptive field reaches, in pixels: 2^l for a 3×3 convolution at level l,
    of which a block has two, and up to ``multiple − 1`` to the edge of a coarsest pixel."""
    far = 2 + config.multiple - 1
    for level, count in enumerate(config.blocks):
        blocks = count if level == len(config.blocks) - 1 else 2 * count  # down, and up again
        far += 2 * blocks << level
    return far


def _up(number: int, multiple: int) -> int:
    """Rounded up to a multiple."""
    return math.ceil(number / multiple) * multiple
