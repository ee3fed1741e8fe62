"""Plug-and-play ADMM: a denoiser in the place of a proximal map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import (
    Denoiser,
    GaussianNoise,
    LinearOperator,
    Problem,
    Requires,
    Solver,
    State,
    shared,
)
from priorkit.linear import energy

__all__ = ["PnPADMM", "passed"]


@dataclass(kw_only=True)
class _Split(State):
    """``v`` is the denoiser's estimate, ``w`` the running dual, both (b, *shape)."""

    v: Tensor
    w: Tensor
    rho: float = shared()  # in the scale of A
    budget: int = shared()


class PnPADMM(Solver[_Split]):
    """Alternates the data and the denoiser, with a running dual w, in pixel space:

        x = argmin ‖A x − y‖² + ρa‖x − (v − w)‖²,   v = denoise(x + w, σₖ),   w = w + x − v,

    where a, how much A makes of an even image, lets ρ mean the same in any units of y. The data
    step is solved by conjugate gradients. σₖ falls from ``sigma_start`` to ``sigma_end`` in equal
    ratios over the budget, so that coarse structure comes first. An evaluation is one call of the
    denoiser; an image has converged when x moves by less than ``tolerance`` of its norm once σₖ
    is at its end. There is no objective: the last x counts.

    Parameters
    ----------
    rho : ρ, the weight of the denoiser's estimate in the data step
    sigma_start, sigma_end : noise levels that the denoiser is told, in pixel values
    cg_steps : of conjugate gradients at most, per data step
    tolerance : relative change of x

    References: Venkatakrishnan, Bouman & Wohlberg, "Plug-and-play priors for model based
    reconstruction", GlobalSIP 2013; Chan, Wang & Elgendy, "Plug-and-play ADMM for image
    restoration: fixed-point convergence and applications", IEEE Trans. Comput. Imaging 2017.
    """

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(LinearOperator,), noise=(GaussianNoise,)
    )
    unit = "calls of the denoiser"
    budget = 30
    descends = False

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

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Split:
        x = problem.image(u0).clone()
        rho = self.rho * passed(cast(LinearOperator, problem.operator))
        return _Split.begin(u0, v=x, w=torch.zeros_like(x), rho=rho, budget=budget)

    def step(self, problem: Problem, state: _Split) -> _Split:
        old = problem.image(state.u)
        part = min(1.0, int(state.evaluations[0]) / max(1, state.budget - 1))
        sigma = self.sigma_start ** (1 - part) * self.sigma_end**part
        x = problem.prox_data(state.v - state.w, state.rho, start=old, steps=self.cg_steps)
        v = problem.denoise(x + state.w, sigma)
        state.evaluations = state.evaluations + 1
        finite = x.flatten(1).isfinite().all(1) & v.flatten(1).isfinite().all(1)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        moved = (x - old).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
        settled = part >= 1 or self.sigma_start == self.sigma_end
        state.end(finite & (moved <= self.tolerance) & settled, "converged", "x no longer moves")
        state.u, state.v, state.w = x.flatten(1), v, state.w + x - v
        state.misfit = problem.noise.misfit(problem.operator.A(x), problem.y)[0]
        state.value = state.misfit
        return state


def passed(operator: LinearOperator) -> float:
    """‖A 1‖²/n, what passes of an even image; of random ones, gain², where that is more.

    Most of a picture's energy is in what is smooth, which a blur passes and its gain, the mean
    over all waves, says nothing of.
    """
    one = torch.ones(1, *operator.shape)
    return max(float(energy(operator.A(one))) / one.numel(), operator.gain**2)
