"""What noises of counts share: what a misfit is on average, at any mean count, and the settings
without them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from priorkit.interfaces import Copies
from priorkit.linear import sums

__all__ = ["OverCounts", "otherwise", "over_seen"]

MOST = 100.0  # mean count, from which on a series stands for the sum
COUNTS = 256  # summed over: of a mean of 100, a larger one has the chance 1e-37


class OverCounts:
    """E c(λ, k) of counts k ~ Poisson(λ), for a cost c that is twice the Kullback-Leibler
    divergence 2(λ − k + k·ln(k/λ)) but for the smallest counts.

    Up to λ = 100 it is the sum over counts, by linear interpolation in λ^¼ between nodes of a
    table, to 1e-5 where it has 2,048 of them; from there 1 + 1/6λ + 1/6λ².

    >>> of_noise = OverCounts(lambda mean, k: 2 * (mean - k + torch.xlogy(k, k / mean)))
    >>> of_noise(torch.tensor([0.1, 2.0, 1e4]))
    tensor([0.4741, 1.1394, 1.0000], dtype=torch.float64)
    """

    def __init__(self, cost: Callable[[Tensor, Tensor], Tensor], *, nodes: int = 2048) -> None:
        self._last = nodes - 1
        root = torch.linspace(0, MOST**0.25, nodes, dtype=torch.float64)
        mean, k = root[:, None] ** 4, torch.arange(COUNTS, dtype=torch.float64)
        chance = (torch.xlogy(k, mean) - mean - torch.lgamma(k + 1)).exp()
        # A cost that is infinite at λ = 0 has no chance there.
        self._table = Copies(torch.where(chance > 0, chance * cost(mean, k), 0.0).sum(1).to)

    def __call__(self, mean: Tensor) -> Tensor:
        """Of every mean count, 0 for what isn't one; in float64."""
        mean = mean.double().nan_to_num(0.0).clamp_min(0.0)
        place = mean.clamp_max(MOST).sqrt().sqrt() * (self._last / MOST**0.25)
        low = place.long().clamp_max(self._last - 1)
        part, table = place - low, self._table.like(mean)
        within = (1 - part) * table[low] + part * table[low + 1]
        less = 1 / mean.clamp_min(MOST)
        return torch.where(mean < MOST, within, 1 + less * (1 + less) / 6)


def over_seen(each: Callable[[Tensor], Tensor], Ax: Tensor, entries: int) -> Tensor:
    """Σ each(A x) over the ``entries`` that are seen, (B,) in float64: of the others A x = 0."""
    whole, unseen = sums(each(Ax.double())), Ax[0].numel() - entries
    if not unseen:
        return whole
    return whole - unseen * each(torch.zeros_like(Ax[:1], dtype=torch.float64)).mean()


def otherwise(**said: bool) -> str:
    """Settings without counts, to try instead: what is said of them belongs to such a noise alone.

    >>> otherwise(gain=True)
    "noise='gaussian' and no gain"
    """
    return "noise='gaussian'" + "".join(f" and no {name}" for name, own in said.items() if own)
