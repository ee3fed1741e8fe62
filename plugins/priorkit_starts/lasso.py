"""A start from the Lasso: a reconstruction by sparsity alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Encoder, GaussianNoise, LinearOperator, Problem, Requires, Start
from priorkit.loop import solve
from priorkit.settings.select import resolve

__all__ = ["Lasso"]


class Lasso(Start):
    """u₀ = the latent (or in pixel space the image) of the Lasso's solution, by FISTA.

    Parameters
    ----------
    basis : "dct" or "wavelet" (Haar)
    weight : γ of ‖AΦz − y‖² + γ‖z‖₁
    steps : of FISTA at most

    Reference: Asim et al. 2020, supplement.
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,), noise=(GaussianNoise,))

    def __init__(
        self,
        *,
        basis: Literal["dct", "wavelet"] = "dct",
        weight: Annotated[float, Field(gt=0)] = 0.01,
        steps: Annotated[int, Field(ge=1)] = 300,
    ) -> None:
        self.basis, self.weight, self.steps = basis, weight, steps

    def make(self, problem: Problem) -> Tensor:
        prior, l1, fista = (
            resolve(kind, name).build(problem.seed)
            for kind, name in (("prior", self.basis), ("penalty", "l1"), ("solver", "fista"))
        )
        basis = prior.bind(problem.shape)
        lasso = replace(problem, prior=basis, penalty=l1, gamma=self.weight, space="latent")
        zero = torch.zeros(len(problem.y), basis.latent_size).to(problem.y.real)
        found, cut = solve(fista, lasso, zero, self.steps)
        if cut is not None:
            raise cut
        return problem.to_u(image=lasso.image(found.u))
