"""What a measurement adds to an image that a denoiser has drawn of a noisy one."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from priorkit.interfaces import LinearOperator, Problem
from priorkit.linear import column, dots, energy

__all__ = ["STEPS", "conditioned"]

STEPS = 3  # of conjugate gradients, a call of the denoiser each
NUDGE = 0.1  # of σ: root mean square of the step by which a product with the Jacobian is found


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

    With D(v) = ``clean``, p(x | v) is taken for N(D(v), σ²J), J the Jacobian of D at v, which is
    its mean and its covariance, and y = A x + s·n′:

        x + σ²J Aᴴ w,   (s² + σ²A J Aᴴ) w = y + s·n − A x.

    J u is (D(v + εu) − D(v))/ε, one call of the denoiser, and w comes by ``STEPS`` steps of
    conjugate gradients, or fewer where J isn't positive along one. ``number`` is the address of n.

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
        length = (energy(back) / problem.size).sqrt().clamp_min(1e-30)
        nudge = column(NUDGE * sigma / length, v)
        change = problem.denoise(v + nudge * back, sigma) - clean
        pulled = column(variance, v) / nudge * change
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
