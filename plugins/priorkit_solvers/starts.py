"""Starts that need nothing but the size of u."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Decoder, Start
from priorkit.problem import Problem
from priorkit.streams import normal

__all__ = ["Normal", "Zero"]


class Zero(Start):
    """u₀ = 0 in latent space; in pixel space the image of the zero latent, or 0."""

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        y = problem.y
        u = torch.zeros(images, problem.size, dtype=y.real.dtype, device=y.device)
        if problem.space == "pixel" and isinstance(problem.prior, Decoder):
            z = u.new_zeros(1, problem.prior.latent_size)
            u += problem.prior.decode(z).flatten(1).detach()
        return u


class Normal(Start):
    """u₀ ~ N(0, std²·I), independent per image; row i depends on the seed and i alone.

    Parameters
    ----------
    std : standard deviation of each entry
    """

    def __init__(self, *, std: Annotated[float, Field(ge=0)] = 1.0) -> None:
        self.std = std

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        draws = normal(seed, "start", range(images), problem.size)
        return self.std * draws.to(problem.y.device, problem.y.real.dtype)
