"""The solver of a denoising problem that has a denoiser: call it."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Callback,
    Denoiser,
    IdentityOperator,
    Noise,
    Requires,
    Snapshot,
    Solution,
    Solver,
)
from priorkit.problem import Problem, Setup

__all__ = ["Denoise"]


class Denoise(Solver):
    """x̂ = denoise(y, σ), for A x = x and a known noise level."""

    requires = Requires(latent=None, prior=(Denoiser,), operator=(IdentityOperator,))

    def check(self, setup: Setup) -> None:
        if setup.noise == Noise():
            raise BadInputError(
                "A denoiser must be told the noise level of a real measurement.", try_="sigma=0.1"
            )

    def solve(
        self,
        problem: Problem,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        sigma = problem.noise.std(math.prod(problem.shape))
        u = cast(Denoiser, problem.prior).denoise(problem.y, sigma).flatten(1)
        misfit = (u - problem.y.flatten(1)).double().square().sum(1)
        count = torch.ones(len(u), dtype=torch.long)
        if callback is not None:
            callback(Snapshot(count, misfit, misfit, u))
        return Solution(u, misfit, misfit.clone(), ["converged"] * len(u), count.tolist())
