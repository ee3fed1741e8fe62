"""Pictures of any size in bounded memory: denoised in overlapping tiles, which meet exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit_diffusion.network import DenoiserConfig

__all__ = ["MOST", "Tiles", "numbers"]

MOST = 1 << 30  # bytes of the hidden pictures of one call; of a picture with more it is tiled


def numbers(config: DenoiserConfig) -> int:
    """How many float32 per pixel a call holds at once: its widest pictures, at full resolution."""
    return 5 * config.channels[0] + 3


@dataclass(frozen=True)
class Tiles:
    """How networks see a large picture.

    Attributes
    ----------
    side : the pixels of a tile's side at most, its surroundings counted
    margin : how many pixels of the surroundings a tile is given
    multiple : of which both are multiples, as the sides of a picture are
    """

    side: int
    margin: int
    multiple: int

    @classmethod
    def of(cls, configs: Sequence[DenoiserConfig]) -> Tiles | None:
        """Tiles that take at most :data:`MOST` bytes and are given all that the networks look at;
        None where one looks everywhere."""
        if any(config.attention for config in configs):
            return None
        multiple = max(config.multiple for config in configs)
        margin = _up(max(_reach(config) for config in configs), multiple)
        pixels = MOST // (4 * max(map(numbers, configs)))
        side = math.isqrt(pixels) // multiple * multiple
        return cls(max(side, 4 * margin), margin, multiple)  # or most of a tile is surroundings

    def apply(self, f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """f(x) of pictures (B, C, H, W), tile after tile.

        It is the whole f(x), up to rounding, and so is its gradient, where f looks no further
        than the margin and commutes with shifts by ``multiple``. The picture's edges stay edges.
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
        """Of what is seen at once of a picture."""
        if not self.needed(height, width):
            return height * width
        tall, wide = (
            max(seen.stop - seen.start for seen, _ in self._cuts(_up(length, self.multiple)))
            for length in (height, width)
        )
        return tall * wide

    def _cuts(self, length: int) -> Iterator[tuple[slice, slice]]:
        """What each tile of a line sees, and where in it is what the tile is for: as many pixels
        as others are for, the last for no more."""
        inner = self.side - 2 * self.margin
        count = 1 if length <= self.side else math.ceil(length / inner)
        own = _up(math.ceil(length / count), self.multiple)
        for start in range(0, length, own):
            end = min(start + own, length)
            first, last = max(0, start - self.margin), min(length, end + self.margin)
            yield slice(first, last), slice(start - first, end - first)


def _reach(config: DenoiserConfig) -> int:
    """How far a network looks, in pixels: 2^l by a convolution of 3×3 at level l, of which a block
    has two, and to where the coarsest pixel begins that holds what it sees."""
    far = 2 + config.multiple - 1
    for level, count in enumerate(config.blocks):
        blocks = count if level == len(config.blocks) - 1 else 2 * count  # down, and up again
        far += 2 * blocks << level
    return far


def _up(number: int, multiple: int) -> int:
    """To the next multiple."""
    return math.ceil(number / multiple) * multiple
