"""Plug-and-play ADMM: a denoiser in the place of a proximal map."""

from __future__ import annotations

from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import (
    Callback,
    Denoiser,
    LinearOperator,
    Requires,
    Snapshot,
    Solution,
    Solver,
    Status,
)
from priorkit.problem import Problem

__all__ = ["PnPADMM"]


class PnPADMM(Solver):
    """Alternates the data and the denoiser, with a running dual w, in pixel space:

        x = argmin ‖A x − y‖² + ρ‖x − (v − w)‖²,   v = denoise(x + w, σₖ),   w = w + x − v.

    The data step is solved by conjugate gradients. σₖ falls from ``sigma_start`` to
    ``sigma_end`` in equal ratios over the budget, so that coarse structure comes first. An
    evaluation is one call of the denoiser; an image has converged when x moves by less than
    ``tolerance`` of its norm once σₖ is at its end.

    Parameters
    ----------
    rho : weight of the denoiser's estimate in the data step
    sigma_start, sigma_end : noise levels that the denoiser is told, in pixel values
    cg_steps : of conjugate gradients at most, per data step
    tolerance : relative change of x

    References: Venkatakrishnan, Bouman & Wohlberg, "Plug-and-play priors for model based
    reconstruction", GlobalSIP 2013; Chan, Wang & Elgendy, "Plug-and-play ADMM for image
    restoration: fixed-point convergence and applications", IEEE Trans. Comput. Imaging 2017.
    """

    requires = Requires(latent=None, prior=(Denoiser,), operator=(LinearOperator,))

    def __init__(
        self,
        *,
        rho: Annotated[float, Field(gt=0)] = 0.1,
        sigma_start: Annotated[float, Field(gt=0)] = 0.3,
        sigma_end: Annotated[float, Field(gt=0)] = 0.02,
        cg_steps: Annotated[int, Field(ge=1)] = 20,
        tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-4,
    ) -> None:
        self.rho, self.sigma_start, self.sigma_end = rho, sigma_start, sigma_end
        self.cg_steps, self.tolerance = cg_steps, tolerance

    def solve(
        self,
        problem: Problem,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        b = len(u0)
        operator, denoiser = cast(LinearOperator, problem.operator), cast(Denoiser, problem.prior)
        x = u0.view(b, *problem.shape).clone()
        w = torch.zeros_like(x)
        v = x.clone()
        pulled = operator.A_adjoint(problem.y)
        index = torch.arange(b, device=x.device)  # the images still running
        status: list[Status] = ["stopped"] * b
        count = torch.zeros(b, dtype=torch.long, device=x.device)
        misfit = torch.full((b,), torch.inf, dtype=torch.float64, device=x.device)
        falling = max(1, budget - 1)
        for k in range(budget):
            part = min(1.0, k / falling)
            sigma = self.sigma_start ** (1 - part) * self.sigma_end**part
            goal = pulled[index] + self.rho * (v[index] - w[index])
            new = self._data_step(operator, goal, x[index])
            clean = denoiser.denoise(new + w[index], sigma)
            count[index] += 1
            moved = (new - x[index]).flatten(1).norm(dim=1) / new.flatten(1).norm(dim=1)
            finite = torch.isfinite(new).flatten(1).all(1) & torch.isfinite(clean).flatten(1).all(1)
            good = index[finite]
            x[good], v[good] = new[finite], clean[finite]
            w[good] = w[good] + x[good] - v[good]
            residual = (operator.A(x[good]) - problem.y[good]).abs()
            misfit[good] = residual.flatten(1).double().square().sum(1)
            still = (moved <= self.tolerance) & (part >= 1 or self.sigma_start == self.sigma_end)
            for i in index[~finite].tolist():
                status[i] = "diverged"
            for i in index[finite & still].tolist():
                status[i] = "converged"
            index = index[finite & ~still]
            if callback is not None:
                u = x.flatten(1).clone()
                callback(Snapshot(count.clone(), misfit.clone(), misfit.clone(), u))
            if not len(index):
                break
        return Solution(x.flatten(1), misfit, misfit.clone(), status, count.tolist())

    def _data_step(self, operator: LinearOperator, goal: Tensor, x: Tensor) -> Tensor:
        """(AᵀA + ρ)⁻¹ goal by conjugate gradients from x, each image with its own steps."""

        def product(d: Tensor) -> Tensor:
            return operator.A_adjoint(operator.A(d)) + self.rho * d

        def dot(a: Tensor, c: Tensor) -> Tensor:
            return (a * c).flatten(1).double().sum(1)

        def column(values: Tensor) -> Tensor:
            return values.to(x.dtype).view(-1, *[1] * (x.ndim - 1))

        r = goal - product(x)
        d, size = r.clone(), dot(r, r)
        enough = (10 * torch.finfo(x.dtype).eps) ** 2 * dot(goal, goal)
        for _ in range(self.cg_steps):
            running = size > enough
            if not bool(running.any()):
                break
            Md = product(d)
            step = torch.where(running, size / dot(d, Md).clamp_min(1e-300), 0.0)
            x, r = x + column(step) * d, r - column(step) * Md
            after = dot(r, r)
            d = r + column(torch.where(running, after / size.clamp_min(1e-300), 0.0)) * d
            size = torch.where(running, after, size)
        return x
