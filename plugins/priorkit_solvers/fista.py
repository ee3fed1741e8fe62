"""FISTA: accelerated proximal gradients for convex problems, with nothing stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import (
    GaussianNoise,
    LinearDecoder,
    LinearOperator,
    NormPenalty,
    Problem,
    ProximalPenalty,
    Requires,
    Solver,
    State,
)
from priorkit.linear import dots, energy, norms

__all__ = ["FISTA"]

MARGIN = 1.05  # L in units of the largest curvature that was found
APART = 1e-3  # of ‖w‖; gradients of two points nearer than this differ too little to compare


@dataclass(kw_only=True)
class _Momentum(State):
    w: Tensor  # where the next gradient is taken
    v: Tensor  # the last proximal point
    theta: Tensor  # (b,) of Nesterov's sequence
    energy: Tensor  # (b,) ‖y − A D(0)‖²
    L: Tensor  # (b,) a bound of the curvature
    before: Tensor  # the last w
    slope: Tensor  # the gradient at the last w


class FISTA(Solver[_Momentum]):
    """Accelerated proximal gradient descent on ‖AΦu − y‖² + γR(u), one run per image.

    v = prox_{γ/L R}(w − ∇f(w)/L) with momentum w = v + β(v − v₋), restarted in an image
    whenever its momentum points uphill. L, the curvature 2‖AΦ‖², is found by power iteration,
    which doesn't depend on y and isn't counted as evaluations. Power iteration approaches it from
    below, so L is raised in an image where two gradients differ by more than L allows.
    For a norm R with dual R* an image has converged when the duality gap

        γR(u) + ‖r‖² + s²‖r‖² + 2s⟨r, y⟩,   r = AΦu − y,  s = min(1, γ/R*(2(AΦ)ᵀr)),

    with A(D(0)) subtracted from y, is below ``tolerance``·‖y‖²; for other penalties, when a step
    is below ``tolerance`` of ‖u‖.

    Parameters
    ----------
    tolerance : relative duality gap

    References: Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm", SIAM J.
    Imaging Sci. 2009; O'Donoghue & Candès, "Adaptive restart for accelerated gradient
    schemes", Found. Comput. Math. 2015.
    """

    requires = Requires(
        latent=(LinearDecoder,),
        operator=(LinearOperator,),
        noise=(GaussianNoise,),
        penalty=(ProximalPenalty,),
    )
    budget = 3000

    def __init__(self, *, tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-4) -> None:
        self.tolerance = tolerance

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Momentum:
        offset = problem.offset()
        return _Momentum.begin(
            u0,
            w=u0.clone(),
            v=u0.clone(),
            theta=torch.ones(len(u0), dtype=u0.dtype, device=u0.device),
            energy=problem.noise.misfit(problem.y, offset)[0],
            L=_curvature(problem, offset).to(u0.dtype).expand(len(u0)),
            before=u0.clone(),
            slope=torch.zeros_like(u0),
        )

    def step(self, problem: Problem, state: _Momentum) -> _Momentum:
        penalty, gamma, w = cast(ProximalPenalty, problem.penalty), problem.gamma, state.w
        _, grad, state.misfit = problem.smooth(w)
        state.evaluations = state.evaluations + 1
        # At w the objective and the gap need no further evaluation, so u is w and not v.
        size = penalty.value_grad(w)[0].double()
        state.u, state.value = w, state.misfit + gamma * size
        state.L = _raised(state, w, grad)
        state.before, state.slope = w, grad
        after = penalty.prox(w - grad / state.L[:, None], gamma / state.L)
        lost = ~torch.isfinite(state.value) | ~torch.isfinite(after).all(1)
        state.diverge(lost, problem, w)
        if isinstance(penalty, NormPenalty) and gamma:
            gap = _gap(penalty, gamma, w, grad, size, state.misfit)
            state.end(gap <= self.tolerance * state.energy, "converged", "duality gap")
        else:
            still = energy(after - w) <= self.tolerance**2 * energy(after)
            state.end(still, "converged", "u no longer moves")
        uphill = dots(w - after, after - state.v) > 0
        theta = torch.where(uphill, 1.0, state.theta)
        state.theta = (1 + (1 + 4 * theta.square()).sqrt()) / 2
        momentum = torch.where(uphill, 0.0, (theta - 1) / state.theta)
        state.w = after + momentum[:, None] * (after - state.v)
        state.v = after
        return state


def _gap(
    penalty: NormPenalty, gamma: float, w: Tensor, grad: Tensor, size: Tensor, misfit: Tensor
) -> Tensor:
    s = (gamma / penalty.dual_norm(grad).double().clamp_min(1e-300)).clamp_max(1)
    along = dots(grad, w)  # 2⟨r, AΦu⟩ = 2‖r‖² + 2⟨r, y⟩
    return gamma * size + misfit + s.square() * misfit + s * (along - 2 * misfit)


def _raised(state: _Momentum, w: Tensor, grad: Tensor) -> Tensor:
    """L, raised where the gradients at the last two w differ by more than L‖Δw‖.

    Where L is too small, w grows along the eigenvector of the largest curvature, which then shows.
    """
    moved, met = norms(w - state.before), norms(grad - state.slope)
    apart = moved > APART * norms(w)
    known = apart & (state.evaluations > 1) & (met > moved * state.L)
    return torch.where(known, (MARGIN * met / moved).to(state.L), state.L)


def _curvature(problem: Problem, offset: Tensor, steps: int = 20) -> Tensor:
    """The largest eigenvalue of 2(AΦ)ᵀAΦ by power iteration from below, and a margin.

    With y = A(D(0)) the gradient of the misfit at u is 2(AΦ)ᵀAΦu exactly, whatever the
    measurements are.
    """
    homogeneous = problem.at(offset)
    fixed = torch.Generator().manual_seed(0)
    u = torch.randn(1, problem.size, generator=fixed).to(offset.device, offset.real.dtype)
    tiny = torch.finfo(u.dtype).tiny
    for _ in range(steps):
        u = homogeneous.smooth(u / u.norm().clamp_min(tiny)).grad
    return MARGIN * u.norm().double().clamp_min(tiny)
