"""FISTA: accelerated proximal gradients for convex problems, with nothing stored."""

from __future__ import annotations

from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import (
    Callback,
    LinearDecoder,
    LinearOperator,
    NormPenalty,
    ProximalPenalty,
    Requires,
    Snapshot,
    Solution,
    Solver,
    Status,
)
from priorkit.problem import Problem

__all__ = ["FISTA"]


class FISTA(Solver):
    """Accelerated proximal gradient descent on ‖AΦu − y‖² + γR(u), one run per image.

    v = prox_{γ/L R}(w − ∇f(w)/L) with momentum w = v + β(v − v₋), restarted in an image
    whenever its momentum points uphill. L, the curvature 2‖AΦ‖², is found by power iteration
    on one image, which the count of evaluations leaves out.
    For a norm R with dual R* an image has converged when the duality gap

        γR(u) + ‖r‖² + s²‖r‖² + 2s⟨r, y⟩,   r = AΦu − y,  s = min(1, γ/R*(2(AΦ)ᵀr)),

    where y is less A(D(0)), is below ``tolerance``·‖y‖²; for other penalties, when a step is
    below ``tolerance`` of ‖u‖.

    Parameters
    ----------
    tolerance : relative duality gap

    References: Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm", SIAM J.
    Imaging Sci. 2009; O'Donoghue & Candès, "Adaptive restart for accelerated gradient
    schemes", Found. Comput. Math. 2015.
    """

    requires = Requires(
        latent=(LinearDecoder,), operator=(LinearOperator,), penalty=(ProximalPenalty,)
    )

    def __init__(self, *, tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-4) -> None:
        self.tolerance = tolerance

    def solve(
        self,
        problem: Problem,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        penalty, gamma = cast(ProximalPenalty, problem.penalty), problem.gamma
        b, device = len(u0), u0.device
        curvature = _curvature(problem, u0)
        energy = (problem.y - problem.offset()).abs().flatten(1).double().square().sum(1)
        u, value = u0.clone(), torch.full((b,), torch.inf, dtype=torch.float64, device=device)
        misfit = value.clone()
        status: list[Status] = ["stopped"] * b
        count = torch.zeros(b, dtype=torch.long, device=device)
        index = torch.arange(b, device=device)  # the images still running
        v = u0.clone()
        w, theta = u0.clone(), torch.ones(b, dtype=u0.dtype, device=device)
        for _ in range(budget):
            now = problem.smooth(w, index)
            count[index] += 1
            # The objective and the gap at w cost nothing more; the best w is what is kept.
            size = penalty.value_grad(w)[0].double()
            total = now.misfit + gamma * size
            better = total < value[index]
            rows = index[better]
            u[rows], value[rows], misfit[rows] = w[better], total[better], now.misfit[better]
            step = penalty.prox(w - now.grad / curvature, gamma / curvature)
            done = self._done(penalty, gamma, w, step, now.misfit, now.grad, size, energy[index])
            lost = ~torch.isfinite(total) | ~torch.isfinite(step).all(1)
            for rows_now, name in ((done & ~lost, "converged"), (lost, "diverged")):
                for i in index[rows_now].tolist():
                    status[i] = cast(Status, name)
            uphill = ((w - step) * (step - v)).sum(1) > 0
            theta = torch.where(uphill, 1.0, theta)
            after = (1 + (1 + 4 * theta.square()).sqrt()) / 2
            momentum = torch.where(uphill, 0.0, (theta - 1) / after)
            w = step + momentum[:, None] * (step - v)
            v, theta = step, after
            keep = ~(done | lost)
            index, v, w, theta = index[keep], v[keep], w[keep], theta[keep]
            if callback is not None:
                callback(Snapshot(count.clone(), value.clone(), misfit.clone(), u.clone()))
            if not len(index):
                break
        return Solution(u, value, misfit, status, count.tolist())

    def _done(
        self,
        penalty: ProximalPenalty,
        gamma: float,
        w: Tensor,
        step: Tensor,
        misfit: Tensor,
        grad: Tensor,
        size: Tensor,
        energy: Tensor,
    ) -> Tensor:
        if not (isinstance(penalty, NormPenalty) and gamma):
            moved = (step - w).norm(dim=1)
            return moved <= self.tolerance * step.norm(dim=1)
        s = (gamma / penalty.dual_norm(grad).double().clamp_min(1e-300)).clamp_max(1)
        along = (grad.double() * w.double()).sum(1)  # 2⟨r, AΦu⟩ = 2‖r‖² + 2⟨r, y⟩
        gap = gamma * size + misfit + s.square() * misfit + s * (along - 2 * misfit)
        return gap <= self.tolerance * energy


def _curvature(problem: Problem, like: Tensor, steps: int = 20) -> float:
    """An upper estimate of the largest eigenvalue of 2(AΦ)ᵀAΦ.

    Power iteration approaches from below, hence the margin.
    """
    index = torch.zeros(1, dtype=torch.long, device=like.device)
    fixed = torch.Generator().manual_seed(0)
    u = torch.randn(1, like.shape[1], generator=fixed).to(like)
    at_zero = problem.smooth(torch.zeros_like(u), index).grad
    value = 0.0
    for _ in range(steps):
        u = u / u.norm()
        u = problem.smooth(u, index).grad - at_zero
        value = float(u.norm())
    return 1.05 * value
