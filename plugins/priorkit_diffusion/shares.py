"""How two networks share the noise levels: one for much noise, and a finer one for little.

Pictures are in [-1, 1] here, and so are their levels ℓ = 2σ; ``between`` are the two σ, in units
of [0, 1], between which both are used, None where there is one network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from priorkit.linear import column
from priorkit_diffusion.network import DenoisingNetwork

__all__ = ["Between", "Used", "at_once", "by_level", "used"]

Between = tuple[float, float] | None
Used = tuple[bool, bool]  # whether the coarse network is, and the fine one


def used(between: Between, sigma: float | Tensor) -> Used:
    """Which networks any picture is for; what σ are, is asked of their device in one go."""
    if between is None:
        return True, False
    if isinstance(sigma, Tensor):
        least, most = torch.stack(sigma.aminmax()).tolist()
    else:
        least = most = sigma
    low, high = between
    return most > low, not least >= high  # the fine one where σ isn't a number


def by_level(
    networks: Sequence[DenoisingNetwork], between: Between, v: Tensor, level: Tensor
) -> Tensor:
    """Each picture by the networks for its σ, and by no other."""
    if between is None:
        found: Tensor = networks[0](v, level)
        return found
    share = _share(between, level)
    total = torch.zeros_like(v)
    for network, weight in zip(networks, (share, 1 - share), strict=True):
        rows = (weight > 0).nonzero()[:, 0]
        if len(rows) == len(v):
            total = total + column(weight, v) * network(v, level)
        elif len(rows):
            # A batch of one is rounded differently from larger ones.
            pair = rows.repeat(2) if len(rows) == 1 else rows
            found = column(weight[pair], v) * network(v[pair], level[pair])
            total = total.index_add(0, rows, found[: len(rows)])
    return total


def at_once(
    networks: Sequence[DenoisingNetwork], between: Between, v: Tensor, level: Tensor, used: Used
) -> Tensor:
    """The same without a decision by what σ is: every picture by all networks that any is for, at
    the nearest σ at which it would be for them, times a weight that may be 0."""
    if between is None or used != (True, True):
        found: Tensor = networks[0 if used[0] else 1](v, level)
        return found
    low, high = (2 * sigma for sigma in between)
    share = column(_share(between, level), v)
    coarse, fine = networks[0](v, level.clamp_min(low)), networks[1](v, level.clamp_max(high))
    return share * coarse + (1 - share) * fine


def _share(between: tuple[float, float], level: Tensor) -> Tensor:
    """Of the coarse network, (B,): 0 at the lower σ, 1 at the upper, linear in ln σ."""
    low, high = (2 * sigma for sigma in between)
    return ((level / low).log() / math.log(high / low)).clamp(0, 1)
