"""Denoising by one call of a denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Denoiser,
    GaussianNoise,
    IdentityOperator,
    Problem,
    Requires,
    Solver,
    StabilizedNoise,
    State,
    shared,
)
from priorkit_solvers.divergence import divergence, probe

__all__ = ["Denoise"]

CLIPPED = 0.002  # of the pixels at the one least or greatest value: then more were beyond it


@dataclass(kw_only=True)
class _Once(State):
    probed: bool = shared()  # whether the error is estimated


class Denoise(Solver[_Once]):
    """x̂ = D(y; σ), for A x = x and a known noise level; of counts x̂ = h(D(f(y); s)).

    f brings the noise to one standard deviation s everywhere, and h gives what is counted in the
    mean where f is D(…) in the mean.

    The error of x̂ of Gaussian noise is estimated without the truth, by Stein's unbiased estimate

        (1/n)‖x̂ − x‖² ≈ (1/n)‖D(y; σ) − y‖² − σ² + 2σ² div D(y; σ)/n,

    whose divergence takes one more call of the denoiser. The estimate has a standard deviation of
    about σ²√(2/n); one that isn't above 0 is left out. It is a small difference of large numbers:
    where σ is 1% too large, it is about 2% of σ² too small, and the whole error of a good denoiser
    is 5 to 20% of σ². So it needs a σ that is known, and noise that nothing has clipped: of the
    file of a noisy picture, whose values end at black and white, the error is not estimated.

    Parameters
    ----------
    estimate : whether to estimate the error; by default where y was measured, σ was given rather
        than estimated from y, and the budget allows a second call

    References: Stein, "Estimation of the mean of a multivariate normal distribution", Ann.
    Statist. 1981; Ramani, Blu & Unser, "Monte-Carlo SURE", IEEE Trans. Image Process. 2008;
    Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 1948.
    """

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(IdentityOperator,), noise=(StabilizedNoise,)
    )
    unit = "calls of the denoiser"
    budget = 2
    descends = False
    penalised = False

    def __init__(self, *, estimate: bool | None = None) -> None:
        self.estimate = estimate

    def least(self, problem: Problem) -> int:
        return 2 if self.estimate else 1

    def check(self, problem: Problem) -> None:
        if not problem.noise.known:
            raise BadInputError(
                "A denoiser needs to know the noise level of a real measurement.",
                ways=[{"sigma": 0.1}],
                try_="sigma='auto'",
            )
        if self.estimate and not isinstance(problem.noise, GaussianNoise):
            raise BadInputError(
                "The error can be estimated where the noise is Gaussian.",
                got="estimate=True",
                try_="no estimate",
            )

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Once:
        wanted = self.estimate
        if wanted is None:
            level = problem.noise.level
            known = isinstance(problem.noise, GaussianNoise) and not level.estimated
            wanted = known and not (problem.simulated or _clipped(problem.y))
        return _Once.begin(u0, probed=wanted and budget > 1)

    def step(self, problem: Problem, state: _Once) -> _Once:
        noise, y = problem.noise, problem.y
        assert isinstance(noise, StabilizedNoise)
        v, sigma = noise.stabilize(y), noise.stabilized_std
        x = noise.restore(problem.denoise(v, sigma))
        state.u = x.flatten(1)
        state.misfit = noise.misfit(x, y)[0]
        state.value = state.misfit
        if state.probed:
            step = probe(problem, y, torch.full_like(state.misfit, sigma), 0)
            slope = divergence(x, problem.denoise(y + step, sigma), step)
            expected = (state.misfit + 2 * sigma**2 * slope) / problem.size - sigma**2
            state.expected = torch.where(expected > 0, expected, torch.nan)
        state.evaluations = state.evaluations + (2 if state.probed else 1)
        finite = x.flatten(1).isfinite().all(1)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        state.end(finite, "converged", "denoised")
        return state


def _clipped(y: Tensor) -> bool:
    """Whether values of y were clipped: many of its pixels are at an end of what it has, beside the
    one that is always."""
    low, high = y.min(), y.max()
    ends = torch.stack([y == low, y == high]).flatten(2).sum(2) - 1
    return bool(low < high) and bool((ends > CLIPPED * y[0].numel()).any())
