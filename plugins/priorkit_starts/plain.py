"""Starts that need nothing but the size of u."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Decoder, Start
from priorkit.problem import Problem
from priorkit.streams import normal

__all__ = ["FixedNorm", "Normal", "Zero"]


class Zero(Start):
    """u₀ = 0 in latent space; in pixel space the image of the zero latent, or 0."""

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        y = problem.y
        one = _to_u(problem, torch.zeros(1, _size(problem), dtype=y.real.dtype, device=y.device))
        return one.expand(images, -1).clone()


class Normal(Start):
    """u₀ ~ N(0, std²·I), independent per image; row i depends on the seed and i alone.

    In pixel space, where the prior decodes, the picture of such a latent.

    Parameters
    ----------
    std : standard deviation of each entry
    """

    def __init__(self, *, std: Annotated[float, Field(ge=0)] = 1.0) -> None:
        self.std = std

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        draws = normal(seed, "start", range(images), _size(problem))
        return _to_u(problem, self.std * draws.to(problem.y.device, problem.y.real.dtype))


class FixedNorm(Start):
    """u₀ uniform on the sphere ‖u₀‖ = norm, independent per image.

    In pixel space, where the prior decodes, the picture of such a latent.

    Parameters
    ----------
    norm : ‖u₀‖

    Reference: Asim et al. 2020, the study of the start's norm in the supplement.
    """

    def __init__(self, *, norm: Annotated[float, Field(ge=0)]) -> None:
        self.norm = norm

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        draws = normal(seed, "start", range(images), _size(problem))
        draws = draws.to(problem.y.device, problem.y.real.dtype)
        return _to_u(problem, self.norm * draws / draws.norm(dim=1, keepdim=True))


def _size(problem: Problem) -> int:
    """Length of a latent where the prior has one, else of u."""
    return problem.prior.latent_size if isinstance(problem.prior, Decoder) else problem.size


def _to_u(problem: Problem, z: Tensor) -> Tensor:
    if problem.space == "pixel" and isinstance(problem.prior, Decoder):
        return problem.prior.decode(z).detach().flatten(1)
    return z
