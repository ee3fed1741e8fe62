"""A start from the Lasso: what sparsity alone makes of the measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.components import resolve
from priorkit.interfaces import Encoder, LinearOperator, Requires, Start
from priorkit.problem import Problem
from priorkit_sparsity.bases import DCT, Basis, Wavelet
from priorkit_sparsity.fista import FISTA

__all__ = ["Lasso"]


class Lasso(Start):
    """u₀ = the latent (or in pixel space the picture) of the Lasso's solution, by FISTA.

    Parameters
    ----------
    basis : "dct" or "wavelet" (Haar)
    weight : γ of ‖AΦz − y‖² + γ‖z‖₁
    steps : of FISTA at most

    Reference: Asim et al. 2020, supplement.
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,))

    def __init__(
        self,
        *,
        basis: Literal["dct", "wavelet"] = "dct",
        weight: Annotated[float, Field(gt=0)] = 0.01,
        steps: Annotated[int, Field(ge=1)] = 300,
    ) -> None:
        self.basis, self.weight, self.steps = basis, weight, steps

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        basis: Basis = (DCT() if self.basis == "dct" else Wavelet()).bind(problem.shape)
        l1 = resolve("penalty", "l1").build(seed)
        lasso = replace(problem, prior=basis, penalty=l1, gamma=self.weight, space="latent")
        zero = torch.zeros(images, basis.latent_size).to(problem.y.real)
        x = basis.decode(FISTA().solve(lasso, zero, budget=self.steps).u)
        if problem.space == "latent":
            return cast(Encoder, problem.prior).encode(x).detach()
        return x.flatten(1)
