"""The user's own start."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Encoder, Start

__all__ = ["GivenStart"]


class GivenStart(Start):
    """A start u₀ given as latents (B, k), as images (B, C, H, W), or as one of them for all.

    Images given for a latent are encoded. Raises BadInputError for another shape or values
    that aren't finite, MismatchError where the prior doesn't encode.
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def make(self, problem: Any, images: int, seed: int) -> Tensor:
        value = self.value.to(problem.y.device, problem.y.real.dtype)
        if value.ndim in (1, len(problem.shape)):
            value = value[None]
        if tuple(value.shape[1:]) == tuple(problem.shape) and problem.space == "latent":
            if not isinstance(problem.prior, Encoder):
                raise MismatchError(
                    "A start given as images needs a prior that encodes.", try_="a latent (B, k)"
                )
            value = problem.prior.encode(value)
        value = value.flatten(1) if value.ndim > 1 else value[None]
        if value.shape[1] != problem.size or len(value) not in (1, images):
            raise BadInputError(
                f"The start must be {images} × {problem.size} or images of shape {problem.shape}.",
                got=tuple(self.value.shape),
            )
        if not bool(torch.isfinite(value).all()):
            raise BadInputError("The start has values that are NaN or infinite.")
        return value.expand(images, -1).clone()
