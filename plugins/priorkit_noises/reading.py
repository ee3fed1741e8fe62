"""What counts cost that were read with an error, and on average."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from priorkit_noises.counts import OverCounts

__all__ = ["divergence", "of_reading"]

READINGS = [step / 8 for step in range(-48, 49)]  # n ~ N(0, 1), over which is summed


def divergence(a: Tensor, y: Tensor, gain: float) -> tuple[Tensor, Tensor]:
    """2(a − y + y·ln(y/a)) of every entry and its derivative in a, for y >= 0, in float64: below a
    tenth of y, and of a count, a parabola, less the least that it comes to."""
    floor = y.clamp_min(gain) / 10
    above = torch.maximum(a, floor)
    below = (a - floor).clamp_max(0.0)
    apart = above - y  # which may be a small part of both, where reading is most of the noise
    slope = 2 * apart / above
    curvature = 2 * (y / floor**2 + 1 / floor)
    value = 2 * (apart - y * torch.log1p(apart / y.clamp_min(1e-300)))
    value = value + below * slope + 0.5 * curvature * below.square()
    # The least value over a, which isn't 0 where y is below the floor.
    lowest = 2 * (floor - y + torch.xlogy(y, y / floor))
    lowest = lowest - (2 * (1 - y / floor)).square() / (2 * curvature)
    return value - torch.where(y < floor, lowest, 0.0), slope + curvature * below


@lru_cache(maxsize=8)
def of_reading(read: float) -> OverCounts:
    """E ℓ of an entry in units of σ² by its mean count, where ``read`` is r/g."""
    if not read:
        return OverCounts(lambda mean, k: divergence(mean, k, 1.0)[0])
    more, chances = read**2, [math.exp(-(node**2) / 2) for node in READINGS]

    def cost(mean: Tensor, k: Tensor) -> Tensor:
        found = torch.zeros_like(mean * k)
        for node, chance in zip(READINGS, chances, strict=True):
            told = (k + more + read * node).clamp_min(0.0)
            found += chance / sum(chances) * divergence(mean + more, told, 1.0)[0]
        return found

    return OverCounts(cost, nodes=256)
