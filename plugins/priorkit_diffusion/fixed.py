"""Zeros of a function, for each image by itself: fixed-point iteration, accelerated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["zero"]

MEMORY = 4  # earlier points that a step makes use of
LIMIT = 100  # evaluations
PATIENCE = 8  # evaluations in which the residual must be halved
# A residual of this size, in parts of the largest entry of x, is one of rounding.
ENOUGH = {torch.float32: 1e-6, torch.float64: 1e-13}
RIDGE = 1e-10  # of normal equations with a diagonal of 1


def zero(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """x with f(x) = 0 per image, where x ↦ x + f(x) is a contraction or nearly one.

    Each step takes the combination of the last points whose residuals f come nearest to zero
    if f is linear,

        x ← x + f − (ΔX + ΔF) γ,   γ = argmin ‖f − ΔF γ‖²,

    where the columns of ΔX and ΔF are the differences of the last point from earlier ones, and of
    their residuals. An image is done when its residual is one of rounding, or is no longer halved.
    It doesn't depend on the other images of the batch.

    Parameters
    ----------
    x : the first point, (B, …)

    Returns the best point met, and the largest entry of its residual in parts of that of x, (B,).

    Reference: Walker & Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numer.
    Anal. 2011.
    """
    best = x
    least = x.new_full((len(x),), torch.inf)
    mark, waited = least.clone(), torch.zeros(len(x), dtype=torch.long, device=x.device)
    done = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    points: list[Tensor] = []
    residuals: list[Tensor] = []
    for _ in range(LIMIT):
        r = f(x)
        gap = _largest(r) / _largest(x).clamp_min(torch.finfo(x.dtype).tiny)
        better = (gap < least) & ~done
        best = torch.where(better.view(-1, *[1] * (x.ndim - 1)), x, best)
        least = torch.where(better, gap, least)
        halved = gap < mark / 2
        mark = torch.where(halved, gap, mark)
        waited = torch.where(halved, 0, waited + 1)
        done = done | (least <= ENOUGH[x.dtype]) | (waited >= PATIENCE) | ~gap.isfinite()
        if bool(done.all()):
            break
        points, residuals = [*points[-MEMORY:], x], [*residuals[-MEMORY:], r]
        x = x + r
        if len(points) > 1:
            x = x - _beyond(points, residuals)
    return best, least


def _largest(x: Tensor) -> Tensor:
    return x.flatten(1).abs().amax(1)


def _beyond(points: list[Tensor], residuals: list[Tensor]) -> Tensor:
    """(ΔX + ΔF) γ of the last point."""
    last = residuals[-1].flatten(1)[:, None]
    dF = _differences(residuals)
    normal, right = dF.double() @ dF.double().mT, dF.double() @ last.double().mT
    size = normal.diagonal(dim1=1, dim2=2).sqrt().clamp_min(1e-300)[..., None]
    ridge = RIDGE * torch.eye(len(points) - 1, dtype=size.dtype, device=size.device)
    gamma = torch.linalg.solve_ex(normal / size / size.mT + ridge, right / size)[0] / size
    return (gamma.mT.to(last) @ (_differences(points) + dF)).view_as(residuals[-1])


def _differences(tensors: list[Tensor]) -> Tensor:
    """The last less each earlier one, (B, count, n)."""
    return torch.stack([(tensors[-1] - earlier).flatten(1) for earlier in tensors[:-1]], 1)
