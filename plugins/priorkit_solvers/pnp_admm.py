"""Plug-and-play ADMM: a denoiser in the place of a proximal map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import (
    Denoiser,
    LinearOperator,
    Problem,
    Requires,
    Solver,
    State,
    WeightedNoise,
    shared,
)
from priorkit.linear import column, energy
from priorkit_solvers.data_step import noise_floor, noise_levels, require_falling
from priorkit_solvers.renoising import normals

__all__ = ["PnPADMM", "passed"]


LEAST, MOST = 0.01, 0.05  # bounds of the default of sigma_end
EXACT = 1e-3  # least noise level assumed of y, in parts of what A makes of an even image


@dataclass(kw_only=True)
class _Split(State):
    """``v`` is the denoiser's estimate, ``w`` the running dual, both (b, *shape)."""

    v: Tensor
    w: Tensor
    s: Tensor  # (b,) standard deviation of the noise in y
    levels: Tensor = shared()  # σ₀ > σ₁ > …
    gain: float = shared()  # of A
    taken: int = shared(default=0)  # steps, of all images alike


class PnPADMM(Solver[_Split]):
    """Alternates a data step and a denoiser in pixel space, while the noise level falls:

        x = argmin ‖A x − y‖² + ρₖ‖x − (v − w)‖²,   v = D(x + w + κτₖε; σₖ),   ρₖ = λs²/σₖ²,

    s² the variance of the noise in y, or what even least squares leave unexplained where that is
    more; of noise that isn't Gaussian, in squares that are near its misfit. ε ~ N(0, 1) is new
    noise: x has less than σₖ, and a network that is told of more noise than there is can fail
    beyond all measure. What x has is taken for s·a/(a² + ρₖ), a the gain of A, as if A were a
    multiple of the identity, and τₖ² is the rest of σₖ². σₖ falls from ``sigma_start`` to
    ``sigma_end`` in equal ratios over the budget, so that coarse structure comes first. With w = 0
    this is half-quadratic splitting; with ``dual``, w ← (w + x − v)·ρₖ/ρₖ₊₁ is the dual of the
    constraint x = v, and this is ADMM. The data step is solved by conjugate gradients. An
    evaluation is one call of the denoiser; an image has converged when x moves by less than
    ``tolerance`` of its norm once σₖ has reached ``sigma_end``. There is no objective: the answer
    is the last x. Of m random sums of n pixels a data step can take away no more than m/n of the
    error: a budget of ten times n/m comes near to what ``amp`` finds, which is better by far.

    Parameters
    ----------
    trust : λ, the weight of the denoiser's estimate
    sigma_start, sigma_end : first and last noise level given to the denoiser, in pixel values; the
        default end is twice the noise level of y, in parts of what A makes of an even image, within
        0.01 and 0.05, and at most the start
    renoise : κ, part of the missing noise that is added; 0 for a denoiser that is stable
    dual : whether w is kept: better where y is exact and pixels are missing at random
    cg_steps : at most so many steps of conjugate gradients per data step
    tolerance : relative change of x

    References: Zhang, Li, Zuo, Zhang, Van Gool & Timofte, "Plug-and-play image restoration with
    deep denoiser prior", TPAMI 2021, eqs. 6 and 11; Chan, Wang & Elgendy, "Plug-and-play ADMM for
    image restoration: fixed-point convergence and applications", IEEE Trans. Comput. Imaging 2017;
    Renaud, Prost, Leclaire & Papadakis, "Plug-and-play image restoration with stochastic denoising
    regularization", ICML 2024, for the new noise.
    """

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(LinearOperator,), noise=(WeightedNoise,)
    )
    unit = "calls of the denoiser"
    budget = 30
    descends = False
    penalised = False

    def __init__(
        self,
        *,
        trust: Annotated[float, Field(gt=0)] = 0.23,
        sigma_start: Annotated[float, Field(gt=0)] = 0.3,
        sigma_end: Annotated[float, Field(gt=0)] | None = None,
        renoise: Annotated[float, Field(ge=0, le=1)] = 0.7,
        dual: bool = False,
        cg_steps: Annotated[int, Field(ge=1)] = 20,
        tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-4,
    ) -> None:
        require_falling(sigma_start, sigma_start if sigma_end is None else sigma_end)
        self.trust, self.renoise, self.dual = trust, renoise, dual
        self.sigma_start, self.sigma_end = sigma_start, sigma_end
        self.cg_steps, self.tolerance = cg_steps, tolerance

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Split:
        x = problem.image(u0).clone()
        operator = cast(LinearOperator, problem.operator)
        gain = max(operator.gain, 1e-12)
        scale = math.sqrt(passed(operator, gain))
        told = noise_floor(problem, EXACT * scale)
        s = noise_levels(problem, x, told)
        usual = min(max(2 * told / scale, LEAST), MOST, self.sigma_start)
        end = usual if self.sigma_end is None else self.sigma_end
        part = torch.linspace(0, 1, max(budget, 2), dtype=torch.float64, device=u0.device)
        levels = self.sigma_start ** (1 - part) * end**part
        return _Split.begin(u0, v=x, w=torch.zeros_like(x), s=s, levels=levels, gain=gain)

    def step(self, problem: Problem, state: _Split) -> _Split:
        old = problem.image(state.u)
        place = state.evaluations.clamp_max(len(state.levels) - 1)
        sigma = state.levels[place]
        rho = self.trust * state.s**2 / sigma**2
        x = problem.prox_data(state.v - state.w, rho, start=old, steps=self.cg_steps, near=state.v)
        noisy = x + state.w
        if self.renoise:
            there = state.s * state.gain / (state.gain**2 + rho)
            lacking = self.renoise * (sigma**2 - there**2).clamp_min(0).sqrt()
            noisy = noisy + column(lacking, x) * normals(problem, "renoise", state.taken, x)
        v = problem.denoise(noisy, sigma)
        state.taken += 1
        state.evaluations = state.evaluations + 1
        finite = x.flatten(1).isfinite().all(1) & v.flatten(1).isfinite().all(1)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        still = energy(x - old) <= self.tolerance**2 * energy(x)
        settled = (sigma - state.levels[-1]).abs() <= 1e-9 * sigma
        state.end(finite & still & settled, "converged", "x no longer moves")
        if self.dual:
            after = state.levels[(place + 1).clamp_max(len(state.levels) - 1)]
            state.w = column((after / sigma) ** 2, x) * (state.w + x - v)
        state.u, state.v = x.flatten(1), v
        state.misfit = problem.noise.misfit(problem.operator.A(x), problem.y)[0]
        state.value = state.misfit
        return state


def passed(operator: LinearOperator, gain: float) -> float:
    """‖A 1‖²/n, the part of an even image's energy that passes A, and at least gain².

    Most of a picture's energy is in its smooth part. A blur passes that part, which its gain, a
    mean over all frequencies, doesn't show.
    """
    one = torch.ones(1, *operator.shape)
    return max(float(energy(operator.A(one))) / one.numel(), gain**2)
