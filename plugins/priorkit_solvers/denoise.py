"""The solver of a denoising problem that has a denoiser: call it."""

from __future__ import annotations

from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Denoiser,
    GaussianNoise,
    IdentityOperator,
    Problem,
    Requires,
    Solver,
    State,
)

__all__ = ["Denoise"]


class Denoise(Solver[State]):
    """x̂ = denoise(y, σ), for A x = x and a known noise level."""

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(IdentityOperator,), noise=(GaussianNoise,)
    )
    unit = "calls of the denoiser"
    budget = 1
    descends = False

    def check(self, problem: Problem) -> None:
        if not problem.noise.known:
            raise BadInputError(
                "A denoiser must be told the noise level of a real measurement.", try_="sigma=0.1"
            )

    def init(self, problem: Problem, u0: Tensor, budget: int) -> State:
        return State.begin(u0)

    def step(self, problem: Problem, state: State) -> State:
        x = problem.denoise(problem.y, problem.noise.std)
        state.u = x.flatten(1)
        state.misfit = problem.noise.misfit(x, problem.y)[0]
        state.value = state.misfit
        state.evaluations = state.evaluations + 1
        finite = x.flatten(1).isfinite().all(1)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        state.end(finite, "converged", "denoised")
        return state
