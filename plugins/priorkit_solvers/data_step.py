"""The data step of plug-and-play solvers: what fits y, near what a denoiser says."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import GaussianNoise, LinearOperator, Problem
from priorkit.linear import column, energy

__all__ = ["data_step", "noise_floor"]

EXACT = 1e-4  # how exactly data without noise are met, in parts of what A makes of a pixel


def noise_floor(problem: Problem) -> float:
    """The standard deviation of the noise in y, or without any one that stands for none."""
    operator = problem.operator
    gain = operator.gain if isinstance(operator, LinearOperator) else 1.0
    return max(problem.noise.std if problem.noise.known else 0.0, EXACT * gain)


def data_step(
    problem: Problem, centre: Tensor, rho: Tensor, *, start: Tensor, steps: int
) -> Tensor:
    """argmin over x of ℓ(A x, y) + ρ‖x − centre‖², ρ (B,), or what ``steps`` make of ``start``.

    By conjugate gradients for a linear A and Gaussian noise; else by descent with the step sizes
    of Barzilai & Borwein ("Two-point step size gradient methods", IMA J. Numer. Anal. 1988),
    halved where the objective rises, which never ends above its start.
    """
    if isinstance(problem.operator, LinearOperator) and isinstance(problem.noise, GaussianNoise):
        return problem.prox_data(centre, rho, start=start, steps=steps)
    x = centre  # where the penalty has no slope: the first step is along that of the data
    value, slope = _evaluated(problem, x, centre, rho)
    best, least = x, value
    size = 0.1 * centre.flatten(1).norm(dim=1).clamp_min(1e-6).double() / _norm(slope)
    for _ in range(steps):
        ahead = x - column(size, x) * slope
        after, steeper = _evaluated(problem, ahead, centre, rho)
        better = after.isfinite() & (after <= least)
        best = torch.where(_each(better, x), ahead, best)
        least = torch.where(better, after, least)
        change, bend = ahead - x, steeper - slope
        length = energy(change) / (change * bend).flatten(1).double().sum(1).clamp_min(1e-300)
        keep = _each(~better, x)
        x, slope = torch.where(keep, x, ahead), torch.where(keep, slope, steeper)
        size = torch.where(better, torch.minimum(length, 10 * size), size / 2)
    return best


def _evaluated(problem: Problem, x: Tensor, centre: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    """ℓ(A x, y) + ρ‖x − centre‖² and its gradient."""
    misfit, residual = problem.noise.misfit(problem.operator.A(x), problem.y)
    slope = problem.operator.vjp(x, residual) + 2 * column(rho, x) * (x - centre)
    return misfit + rho * energy(x - centre), slope


def _each(which: Tensor, like: Tensor) -> Tensor:
    """Truth per image (B,), shaped to choose among a batch (B, …)."""
    return which.view(-1, *[1] * (like.ndim - 1))


def _norm(x: Tensor) -> Tensor:
    return energy(x).sqrt().clamp_min(1e-30)
