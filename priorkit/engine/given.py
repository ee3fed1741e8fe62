"""The user's own start."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Decoder, Encoder, Problem, Shape, Start
from priorkit.io.arrays import read_array
from priorkit.io.pictures import SUFFIXES, load

__all__ = ["GivenStart", "given_start"]


class GivenStart(Start):
    """A start u₀ given as latents (B, k), as images (B, C, H, W), or as one of them for all.

    Images are encoded where the solver moves a latent, latents decoded where it moves pixels.
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def check(self, problem: Problem) -> None:
        """Raise BadInputError for a wrong shape or values, MismatchError without an encoder."""
        prior, shape = problem.prior, problem.shape
        size = prior.latent_size if isinstance(prior, Decoder) else math.prod(shape)
        if not bool(torch.isfinite(self.value).all()):
            raise BadInputError("The start has values that are NaN or infinite.")
        if self._is_image(shape):
            if problem.space == "latent" and not isinstance(prior, Encoder):
                raise MismatchError(
                    "A start given as images needs a prior that encodes.", try_="a latent (B, k)"
                )
        elif self.value.ndim not in (1, 2) or self.value.shape[-1] != size:
            raise BadInputError(
                f"The start must be (B, {size}), or images of shape {shape}.",
                got=tuple(self.value.shape),
            )

    def make(self, problem: Problem) -> Tensor:
        value = self.value.to(problem.y.device, problem.y.real.dtype)
        image = self._is_image(problem.shape)
        value = value.view(-1, *(problem.shape if image else value.shape[-1:]))
        if len(value) > 1:
            value = value[list(problem.images)]
        u = problem.to_u(image=value) if image else problem.to_u(latent=value)
        return u.detach().expand(len(problem.images), -1).clone()

    def require(self, images: int, shape: Shape) -> None:
        """Raise BadInputError unless there is one start for all images, or one for each."""
        one = 1 if self.value.ndim == (len(shape) if self._is_image(shape) else 1) else None
        count = one or len(self.value)
        if count not in (1, images):
            raise BadInputError(f"There must be 1 start or {images}.", got=count)

    def _is_image(self, shape: Shape) -> bool:
        return self.value.ndim > 1 and tuple(self.value.shape[-len(shape) :]) == tuple(shape)


def given_start(value: Any) -> GivenStart | None:
    """A start from an array, a tensor, a .npy file or a picture file; None for other things."""
    if isinstance(value, (str, os.PathLike)):
        path = Path(value)
        if path.suffix == ".npy":
            value = read_array(path)
        elif path.suffix.lower() in SUFFIXES:
            value = load(path).x
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiu":
            raise BadInputError("A start holds real numbers.", got=value.dtype)
        value = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), copy=True))
    return GivenStart(value.detach()) if isinstance(value, Tensor) else None
