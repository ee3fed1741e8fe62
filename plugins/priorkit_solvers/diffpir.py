"""Plug-and-play restoration along a diffusion: denoise, meet the data, add noise again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
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
from priorkit.linear import column

__all__ = ["DiffPIR"]

EXACT = 1e-4  # the standard deviation that data without noise are met with, in parts of gain


@dataclass(kw_only=True)
class _Walking(State):
    """``v`` is the noisy picture of the present level, (b, *shape)."""

    v: Tensor
    moved: Tensor  # by the last data step: the next one begins there
    count: Tensor  # (b,) steps so far, of all draws
    levels: Tensor = shared()  # σ₀ > σ₁ > … of one draw
    s: float = shared()  # the standard deviation of the data


class DiffPIR(Solver[_Walking]):
    """Draws of a picture that fits its measurement, down a ladder of noise levels σ₀ > … > σ_K:

        x₀ = D(v; σₖ),
        x  = argmin ‖A x − y‖² + s²/rₖ²·‖x − x₀‖²,     rₖ² = λ·σₖ²·c²/(σₖ² + c²),
        v  ← x + σₖ₊₁·(√(1 − ζ)·(v − x)/σₖ + √ζ·ε),     ε ~ N(0, 1).

    s² is the variance of the noise, rₖ² how far from the truth x₀ is, for pictures of standard
    deviation c. ζ = 1 forgets v: full renoising. The last step gives the draw, and the
    answer is the mean of all ``draws``, the estimate of the least squared error, beside their
    spread. Nothing is differentiated: a linear A takes conjugate gradients.

    Parameters
    ----------
    draws : how many; the budget is shared out among them
    sigma_start, sigma_end : the first and the last noise level, in pixel values
    zeta : ζ, how much of the noise is new in each step
    trust : λ, by which the denoiser's error is larger than it would be for normal pictures
    cg_steps : of conjugate gradients at most, per data step

    References: Zhu et al., "Denoising diffusion models for plug-and-play image restoration",
    CVPR Workshops 2023, algorithm 1; Pourya, El Rawas & Unser, "FLOWER: a flow-matching solver
    for inverse problems", 2025, for rₖ.
    """

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(LinearOperator,), noise=(GaussianNoise,)
    )
    unit = "calls of the denoiser"
    budget = 120
    descends = False

    def __init__(
        self,
        *,
        draws: Annotated[int, Field(ge=1)] = 4,
        sigma_start: Annotated[float, Field(gt=0)] = 0.5,
        sigma_end: Annotated[float, Field(gt=0)] = 0.005,
        zeta: Annotated[float, Field(ge=0, le=1)] = 1.0,
        trust: Annotated[float, Field(gt=0)] = 1.0,
        spread: Annotated[float, Field(gt=0)] = 0.25,
        ladder: Annotated[float, Field(gt=0)] = 1.0,
        cg_steps: Annotated[int, Field(ge=1)] = 20,
    ) -> None:
        self.draws, self.zeta, self.trust, self.cg_steps = draws, zeta, trust, cg_steps
        self.sigma_start, self.sigma_end = sigma_start, sigma_end
        self.spread, self.ladder = spread, ladder

    def check(self, problem: Problem) -> None:
        """Raise BadInputError where the noise of a real measurement isn't known."""
        if not problem.noise.known and not problem.simulated:
            raise BadInputError(
                "diffpir weighs the data by their noise: say how much there is.",
                try_="sigma=0.01",
            )

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Walking:
        each = max(1, budget // self.draws)
        operator = cast(LinearOperator, problem.operator)
        s = max(problem.noise.std, EXACT * operator.gain)
        part = torch.linspace(0, 1, each, dtype=torch.float64) ** self.ladder
        levels = (self.sigma_start ** (1 - part)) * self.sigma_end**part
        count = torch.zeros(len(u0), dtype=torch.long, device=u0.device)
        x = problem.image(u0)
        state = _Walking.begin(u0, v=x, moved=torch.zeros_like(x), count=count, levels=levels, s=s)
        state.v = x + self.sigma_start * _noise(problem, count, x)
        return state

    def step(self, problem: Problem, state: _Walking) -> _Walking:
        steps = len(state.levels)
        place = state.count % steps
        device = state.count.device
        sigma = state.levels.to(device)[place]
        clean = problem.denoise(state.v, sigma)
        r2 = self.trust * sigma**2 * self.spread**2 / (sigma**2 + self.spread**2)
        rho = state.s**2 / r2
        x = problem.prox_data(clean, rho, start=clean + state.moved, steps=self.cg_steps)
        state.moved = x - clean
        state.count = state.count + 1
        last = place == steps - 1
        begun = torch.where(last, 0, place + 1)
        after = state.levels.to(device)[begun]
        fresh = _noise(problem, state.count, x)
        old = (state.v - x) / column(sigma, x)
        zeta = torch.where(last, 1.0, self.zeta)
        mixed = column((1 - zeta).sqrt(), x) * old + column(zeta.sqrt(), x) * fresh
        state.v = x + column(after, x) * mixed
        state.u = x.flatten(1)
        state.evaluations = state.evaluations + 1
        finite = x.flatten(1).isfinite().all(1)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        state.misfit = problem.noise.misfit(problem.operator.A(x), problem.y)[0]
        state.value = state.misfit
        state.drawn = last & finite
        state.end(finite & (state.count >= steps * self.draws), "converged", f"{self.draws} draws")
        return state


def _noise(problem: Problem, count: Tensor, like: Tensor) -> Tensor:
    """Standard normals like a batch, of an address that holds how far each image is."""
    found = torch.empty(len(count), problem.size)
    for step in count.unique().tolist():
        rows = (count == step).nonzero()[:, 0]
        found[rows.cpu()] = problem.rows(rows).streams("renoise", step).normal(problem.size)
    return found.to(like).view_as(like)
