"""Starts that need nothing but the size of u."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import MismatchError
from priorkit.interfaces import Pixels, Problem, Start

__all__ = ["FixedNorm", "Normal", "Zero"]


class Zero(Start):
    """u₀ = 0 in latent space; in pixel space the image of the zero latent, or 0.

    Refused where A(−x) = A(x) and u₀ would be x = 0: the gradient of the misfit is 0 there.
    """

    def check(self, problem: Problem) -> None:
        black = isinstance(problem.latent_decoder, Pixels)
        if black and problem.operator.signless:
            raise MismatchError(
                "The search can't begin at x = 0: this operator measures x and −x alike, and its "
                "gradient is 0 there.",
                ways=[{"start": "normal"}],
            )

    def make(self, problem: Problem) -> Tensor:
        y = problem.y
        size = problem.latent_decoder.latent_size
        zero = torch.zeros(1, size, dtype=y.real.dtype, device=y.device)
        return problem.to_u(latent=zero).expand(len(y), -1).clone()


class Normal(Start):
    """u₀ ~ N(mean, std²·I), independent per image and restart.

    In pixel space, where the prior decodes, the image of such a latent.

    Parameters
    ----------
    std : standard deviation of each entry
    mean : of each entry
    """

    def __init__(
        self,
        *,
        std: Annotated[float, Field(ge=0)] = 1.0,
        mean: Annotated[float, Field(allow_inf_nan=False)] = 0.0,
    ) -> None:
        self.std, self.mean = std, mean

    def make(self, problem: Problem) -> Tensor:
        return problem.to_u(latent=self.mean + self.std * _draws(problem))


class FixedNorm(Start):
    """u₀ uniform on the sphere ‖u₀‖ = norm, independent per image and restart.

    In pixel space, where the prior decodes, the image of such a latent.

    Parameters
    ----------
    norm : ‖u₀‖

    Reference: Asim et al. 2020, the study of the start's norm in the supplement.
    """

    def __init__(self, *, norm: Annotated[float, Field(ge=0)]) -> None:
        self.norm = norm

    def make(self, problem: Problem) -> Tensor:
        draws = _draws(problem)
        return problem.to_u(latent=self.norm * draws / draws.norm(dim=1, keepdim=True))


def _draws(problem: Problem) -> Tensor:
    y, size = problem.y, problem.latent_decoder.latent_size
    return problem.streams("start").normal(size).to(y.device, y.real.dtype)
