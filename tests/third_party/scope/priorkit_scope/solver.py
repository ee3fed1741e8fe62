"""argmin: DiffPIR as it was published, with the noise schedule of DDPM."""

from dataclasses import dataclass
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
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

STEPS = 1000  # T of DDPM
FIRST, LAST = 1e-4, 0.02  # its β₁ and β_T


@dataclass(kw_only=True)
class Chain(State):
    v: Tensor  # x_t/√ᾱ_t, (b, *shape): clean + N(0, σ̄_t²)
    levels: Tensor = shared()  # σ̄ from large to small, in units of x
    number: int = shared(default=0)


class PublishedDiffPIR(Solver[Chain]):
    """Algorithm 1 of Zhu et al., with v = x_t/√ᾱ_t and σ̄_t² = (1 − ᾱ_t)/ᾱ_t:

        x₀ = D(v; σ̄_t),
        x̂  = argmin over x of ‖A x − y‖² + λ σₙ²/σ̄_t²·‖x − x₀‖²,
        v  ← x̂ + σ̄_s·(√(1 − ζ)·(v − x̂)/σ̄_t + √ζ·ε),     s the next step, ε ~ N(0, 1).

    The last x̂ is the answer. Networks of DDPM know pictures in [−1, 1]: in [0, 1] σ̄ is half. The
    chain begins where the denoiser holds. σₙ is that of the squares which ‖A x − y‖² stands for.

    Parameters
    ----------
    lam : λ, the weight of the prior
    zeta : ζ, the part of the noise that is new in each step
    spacing : of the steps that are taken out of the 1,000: even, or closer where t is small
    t_start : the first step

    Reference: Zhu, Zhang, Liang, Cao, Wen, Timofte & Van Gool, "Denoising diffusion models for
    plug-and-play image restoration", CVPR Workshops 2023, algorithm 1 and section 3.3.
    """

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(LinearOperator,), noise=(WeightedNoise,)
    )
    unit = "calls of the denoiser"
    budget = 100
    descends = False
    penalised = False

    def __init__(
        self,
        *,
        lam: Annotated[float, Field(gt=0)] = 7.0,
        zeta: Annotated[float, Field(ge=0, le=1)] = 0.3,
        spacing: Literal["uniform", "quadratic"] = "quadratic",
        t_start: Annotated[int, Field(ge=1, le=STEPS)] = STEPS,
    ) -> None:
        self.lam, self.zeta, self.spacing, self.t_start = lam, zeta, spacing, t_start

    def check(self, problem: Problem) -> None:
        if not problem.noise.known:
            raise BadInputError(
                "published-diffpir weighs the data by their noise.", try_="sigma=0.01"
            )

    def init(self, problem: Problem, u0: Tensor, budget: int) -> Chain:
        levels = self._levels(budget, cast(Denoiser, problem.prior).levels[1]).to(u0.device)
        x = problem.image(u0)
        return Chain.begin(u0, v=x + levels[0].to(x) * _noise(problem, 0, x), levels=levels)

    def step(self, problem: Problem, state: Chain) -> Chain:
        last = state.number == len(state.levels) - 1
        sigma = float(state.levels[state.number])
        clean = problem.denoise(state.v, sigma)
        variance = problem.noise.energy / problem.noise.entries
        rho = self.lam * variance / sigma**2
        x = problem.prox_data(clean, rho, start=clean)
        state.number += 1
        if not last:
            old = (1 - self.zeta) ** 0.5 * (state.v - x) / sigma
            new = self.zeta**0.5 * _noise(problem, state.number, x)
            state.v = x + float(state.levels[state.number]) * (old + new)
        state.u = x.flatten(1)
        state.misfit = problem.noise.misfit(problem.operator.A(x), problem.y)[0]
        state.value = state.misfit
        state.evaluations = state.evaluations + 1
        finite = torch.isfinite(state.u).all(1)
        state.end(~finite, "diverged", "the picture is not finite")
        if last:
            state.end(finite, "converged", "the chain is at its end")
        return state

    def _levels(self, count: int, most: float) -> Tensor:
        """σ̄ of at most ``count`` of the steps from ``t_start`` to 1, falling from ``most``."""
        beta = torch.linspace(FIRST, LAST, STEPS, dtype=torch.float64)
        kept = (1 - beta).cumprod(0)
        levels = ((1 - kept) / kept).sqrt() / 2
        first = min(self.t_start, max(1, int((levels <= most).sum())))
        part = torch.linspace(0, 1, count, dtype=torch.float64)
        place = part**2 if self.spacing == "quadratic" else part
        return levels[((first - 1) * place).round().long().unique().flip(0)]


def _noise(problem: Problem, number: int, like: Tensor) -> Tensor:
    draws = problem.streams("published-diffpir", step=number).normal(problem.size)
    return draws.to(like).view_as(like)
