"""p(x | v) and p(x | v, y) of an image x with noise, v = x + σn, by the Jacobian of a denoiser."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from priorkit.interfaces import LinearOperator, Problem
from priorkit.linear import column, dots, energy

__all__ = ["STEPS", "conditioned", "jacobian", "unconditioned"]

STEPS = 3  # of conjugate gradients, a call of the denoiser each
NUDGE = 0.1  # of σ: root mean square of the step by which a product with the Jacobian is found
MOST = 3.0  # times σ: no draw is further from the mean


def jacobian(problem: Problem, v: Tensor, clean: Tensor, sigma: Tensor, u: Tensor) -> Tensor:
    """J u, J the Jacobian of D at v and ``clean`` = D(v): (D(v + hu) − D(v))/h, one call."""
    length = (energy(u) / problem.size).sqrt().clamp_min(1e-30)
    h = column(NUDGE * sigma / length, v)
    return (problem.denoise(v + h * u, sigma) - clean) / h


def unconditioned(
    problem: Problem, v: Tensor, clean: Tensor, sigma: Tensor, noise: Tensor
) -> Tensor:
    """An image of p(x | v), for ``noise`` ε ~ N(0, 1), by one call of the denoiser.

    The mean is D(v) = ``clean``, the covariance σ²J. That of σJε is σ²J², which is as much where J
    keeps what it doesn't remove; a makes up for the rest, a² = εᵀJε/‖Jε‖²:

        x = D(v) + aσJε.

    Reference: Efron, "Tweedie's formula and selection bias", J. Am. Stat. Assoc. 2011 (mean and
    covariance).
    """
    back = jacobian(problem, v, clean, sigma, noise)
    a = (dots(noise, back).clamp_min(0) / energy(back).clamp_min(1e-300)).sqrt().clamp(max=MOST)
    return clean + column(a * sigma, v) * back


def conditioned(
    problem: Problem,
    v: Tensor,
    clean: Tensor,
    drawn: Tensor,
    sigma: Tensor,
    *,
    s: float,
    number: int,
) -> Tensor:
    """An image of p(x | v, y) from ``drawn``, one of p(x | v), v = x + σn.

    With p(x | v) = N(D(v), σ²J), D(v) = ``clean``, and y = A x + s·n′ that is

        x + σ²J Aᴴ w,   (s² + σ²A J Aᴴ) w = y + s·n − A x,

    w by ``STEPS`` steps of conjugate gradients, or fewer where J isn't positive along one, with a
    call of the denoiser each. ``number`` is the address of n.

    References: Boys et al., "Tweedie moment projected diffusions for inverse problems", TMLR 2024,
    and Rozet et al., "Learning diffusion priors from observations by expectation maximization",
    NeurIPS 2024 (mean and covariance); Journel & Huijbregts, "Mining Geostatistics", 1978, section
    VII.A (a draw conditioned by the residual that it leaves).
    """
    operator = cast(LinearOperator, problem.operator)
    variance, mask = sigma.square(), operator.mask
    moved = problem.noise.sample(problem.y, problem.streams("ancestral y", number))
    r = moved - operator.A(drawn)
    r = r if mask is None else r * mask.to(r)
    p, size, found = r, energy(r), drawn
    for _ in range(STEPS):
        back = operator.A_adjoint(p)
        pulled = column(variance, v) * jacobian(problem, v, clean, sigma, back)
        q = s**2 * p + operator.A(pulled)
        curvature = dots(_real(p), _real(q))
        step = torch.where(curvature > 0, size / curvature.clamp_min(1e-300), 0.0)
        found = found + column(step, v) * pulled
        r = r - column(step, r) * q
        after = energy(r)
        p = r + column(after / size.clamp_min(1e-300), p) * p
        size = after
    return found


def _real(y: Tensor) -> Tensor:
    """Complex numbers as pairs, whose product is the real one."""
    return torch.view_as_real(y) if y.is_complex() else y
