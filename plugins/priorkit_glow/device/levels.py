"""The sizes of a network's levels, as kernels are given them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from priorkit_glow.network import GlowConfig

__all__ = ["Level", "levels_of"]


@dataclass(frozen=True)
class Level:
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


def levels_of(config: GlowConfig) -> list[Level]:
    """The levels from the finest."""
    found, begin = [], 0
    channels, (_, height, width) = config.shape[0], config.shape
    for level, shape in enumerate(config.latent_shapes):
        channels, height, width = 4 * channels, height // 2, width // 2
        sizes = (config.width[level], config.scale_offset[level])
        found.append(Level(channels, height, width, *sizes, begin, shape[0]))
        begin += math.prod(shape)
        channels //= 2
    return found
