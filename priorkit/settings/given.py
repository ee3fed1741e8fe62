"""The user's own start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Encoder, Problem, Range, Shape, Start, kind_of
from priorkit.io.arrays import SUFFIXES, require_finite
from priorkit.io.brightness import Scaling
from priorkit.io.pictures import is_image, raw
from priorkit.io.places import place
from priorkit.io.values import arranged
from priorkit.settings.config import numbers_from

__all__ = ["GivenStart", "given_start"]


@dataclass(frozen=True)
class GivenStart(Start):
    """A start u₀ given as latents (B, k), as images (B, C, H, W), or as one of them for all,
    of which a gray one may be (H, W).

    Images are encoded where the solver moves a latent, latents decoded where it moves pixels.
    Whole numbers of 8 and 16 bits are brightness where they are images, but where a ``range`` says
    what values mean. ``first`` is the number of the image that the first one is of, or those of
    all, ``of`` the name of their file, for warnings.
    """

    value: Tensor
    range: Range | None = None
    first: int | Sequence[int] = 0
    of: str = ""

    def check(self, problem: Problem) -> None:
        """Raise BadInputError for a wrong shape or values, MismatchError without an encoder."""
        shape, size = problem.shape, problem.latent_decoder.latent_size
        require_finite(self.value, "The start")
        if self._images(shape, self.of) is not None:
            if not isinstance(problem.decoder, Encoder):
                raise MismatchError(
                    "A start given as images needs a prior that encodes.", try_="a latent (B, k)"
                )
        elif self.value.ndim not in (1, 2) or self.value.shape[-1] != size or not len(self.value):
            raise BadInputError(
                f"The start must be (B, {size}), or images of shape {shape}.",
                got=tuple(self.value.shape),
            )

    def make(self, problem: Problem) -> Tensor:
        images = self._images(problem.shape)
        value = self.value.view(-1, self.value.shape[-1]) if images is None else images
        value = value.to(problem.y.device, problem.y.real.dtype)
        if len(value) > 1:
            numbers = numbers_from(self.first, len(value))
            value = value[[numbers.index(number) for number in problem.images]]
        u = problem.to_u(latent=value) if images is None else problem.to_u(image=value)
        return u.detach().expand(len(problem.images), -1).clone()

    def require(self, images: int, shape: Shape) -> None:
        """Raise BadInputError unless there is one start for all images, or one for each."""
        given = self._images(shape)
        count = len(given) if given is not None else len(self.value) if self.value.ndim > 1 else 1
        if count not in (1, images):
            raise BadInputError(f"There must be 1 start or {images}.", got=count)

    def _images(self, shape: Shape, of: str | None = None) -> Tensor | None:
        """The start as images (B, *shape); None where it is of latents. Nothing is warned of where
        ``of`` is None."""
        value, axes = self.value, len(shape)
        if axes > 2 and tuple(shape) == (1, *value.shape):  # one gray picture (H, W)
            value = value[None]
        if value.ndim not in (axes, axes + 1) or value.ndim < 2 or not value.numel():
            return None
        if self.range is not None:
            value = self.range.inside(value.double())
        if kind_of(shape).has_pixels:
            value = arranged(value, kind_of(shape), shape, Scaling(of=of))
        return value.view(-1, *shape) if tuple(value.shape[-axes:]) == tuple(shape) else None


def given_start(value: Any) -> GivenStart | None:
    """A start from an array, a tensor, lists, a .npy file or a picture; None for other things.

    Raises BadInputError for what holds no real numbers.
    """
    name = ""
    if isinstance(value, (str, os.PathLike)):
        path = place(value)[0]
        if path.suffix.lower() not in SUFFIXES and not is_image(path):
            return None
        name = path.name
    elif not isinstance(value, (np.ndarray, Tensor, Image.Image, list, tuple)):
        return None
    start = raw(value, "A start")
    if start.is_complex():
        raise BadInputError("A start holds real numbers.", got="complex ones")
    return GivenStart(start, of=name)
