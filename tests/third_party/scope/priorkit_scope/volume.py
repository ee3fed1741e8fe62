"""A: a stack of slices, each blurred by those above and below it."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Level, LinearOperator


class Widefield(LinearOperator):
    """A x = h * x, a Gaussian h over depth, rows and columns, periodic at the border.

    Parameters
    ----------
    axial : its standard deviation across slices, in slices
    lateral : its standard deviation within a slice, in pixels
    """

    default_noise = Level(sigma=0.01)

    def __init__(
        self,
        *,
        axial: Annotated[float, Field(ge=0)] = 1.5,
        lateral: Annotated[float, Field(ge=0)] = 0.7,
    ) -> None:
        self.axial, self.lateral = axial, lateral

    def prepare(self) -> None:
        if len(self.shape) != 4:
            raise BadInputError(
                "widefield is for volumes (C, D, H, W).", got=self.shape, try_="kind='volume'"
            )
        self.y_shape = self.shape
        gain = torch.ones((), dtype=torch.float64)
        for side, width in zip(self.shape[1:], (self.axial, *[self.lateral] * 2), strict=True):
            wave = torch.fft.fftfreq(side, dtype=torch.float64)
            gain = gain[..., None] * (-2 * (math.pi * width * wave) ** 2).exp()
        self.transfer = gain

    def A(self, x: Tensor) -> Tensor:
        axes = (-3, -2, -1)
        return torch.fft.ifftn(self.transfer.to(x) * torch.fft.fftn(x, dim=axes), dim=axes).real

    A_adjoint = A  # h is even

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return y_shape if len(y_shape) == 4 else None
