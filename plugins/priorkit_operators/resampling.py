"""Images with fewer pixels."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Level, LinearOperator, Shape
from priorkit.linear import pixelwise
from priorkit_operators.checks import sides_of

__all__ = ["Downsample"]

ROWS = 64  # rows of R that are computed at once
FEWEST = 4  # pixels along a side that a smaller image is advised to have


class Downsample(LinearOperator):
    """A x = R x Rᵀ per channel: bicubic, antialiased, to sides that are ``factor`` times smaller.

    That is of pictures; of images with other axes R acts along every one of them. It averages
    with Keys' cubic kernel, a = −½, stretched by the factor, its weights summing to 1 also at the
    edges. Simulated noise has σ = 0.01 unless said otherwise.

    Parameters
    ----------
    factor : by which the sides shrink; all must be multiples of it

    Reference: Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP
    1981, eq. 15.
    """

    default_noise = Level(sigma=0.01)

    def __init__(self, *, factor: Annotated[int, Field(ge=1)] = 4) -> None:
        self.factor = factor

    def prepare(self) -> None:
        sides = sides_of(self.shape)
        channels = self.shape[: -len(sides)]
        if any(side % self.factor for side in sides):
            fits = (*channels, *(side - side % self.factor for side in sides))
            factors = _factors(sides, self.factor)[-1:]
            most = self.factor * (FEWEST if factors else 1)
            near = f"shape={fits}" if min(sides) >= most else None
            raise BadInputError(
                f"The sides of an image must be multiples of factor = {self.factor}.",
                got="×".join(map(str, sides)),
                ways=[{"factor": factor} for factor in factors],
                try_=near if near or factors else "a smaller factor",
            )
        self.y_shape = (*channels, *(side // self.factor for side in sides))
        self._weights = {
            axis - len(sides): Copies(partial(_weights, side, self.factor))
            for axis, side in enumerate(sides)
        }

    @property
    def memory(self) -> int:
        return 4 * sum(side * side // self.factor for side in sides_of(self.shape))

    def A(self, x: Tensor) -> Tensor:
        for axis, weights in self._weights.items():
            x = _along(weights.like(x), x, axis)
        return x

    def A_adjoint(self, y: Tensor) -> Tensor:
        for axis, weights in self._weights.items():
            y = _along(weights.like(y).T, y, axis)
        return y

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: Shape) -> Shape | None:
        sides = sides_of(y_shape)
        return (*y_shape[: -len(sides)], *(side * self.factor for side in sides))


def _along(matrix: Tensor, x: Tensor, axis: int) -> Tensor:
    """x multiplied by a matrix along an axis, which is counted from the end."""
    if axis == -1:
        lines = x.reshape(len(x), -1, x.shape[-1])
        return pixelwise(lines, matrix.T).view(*x.shape[:-1], -1)
    return (matrix @ x.flatten(axis + 1)).unflatten(-1, x.shape[axis + 1 :])


def _weights(side: int, factor: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """R, (side / factor, side), worked out in float64, a few rows at a time."""
    whole = torch.empty(side // factor, side, dtype=dtype, device=device)
    centres = (torch.arange(side // factor).double() + 0.5) * factor - 0.5
    for rows, own in zip(whole.split(ROWS), centres.split(ROWS), strict=True):
        weights = _keys((torch.arange(side) - own[:, None]) / factor)
        rows[:] = weights / weights.sum(1, keepdim=True)
    return whole


def _keys(t: Tensor) -> Tensor:
    """Keys' cubic kernel at distances t, with a = −½."""
    t = t.abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t < 1, near, torch.where(t < 2, far, 0.0))


def _factors(sides: Shape, most: int) -> list[int]:
    """Factors up to the ``most`` that divide all sides and leave something to see."""
    most = min(most, min(sides) // FEWEST)
    return [factor for factor in range(2, most + 1) if not any(side % factor for side in sides)]
