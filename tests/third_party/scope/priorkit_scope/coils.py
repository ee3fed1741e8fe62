"""A: spectra of a complex picture, seen by coils whose sensitivities are complex."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Level, LinearOperator


class CoilArray(LinearOperator):
    """y_k = M F (S_k·x): x = a + ib are two channels, S_k a coil's sensitivities, M keeps rows.

    Parameters
    ----------
    coils : how many, along a circle around the picture
    every : one of so many rows of the spectrum is measured, and the ``middle`` rows
    middle : the slowest rows, all of which are measured
    """

    default_noise = Level(sigma=0.01)

    def __init__(
        self,
        *,
        coils: Annotated[int, Field(ge=1)] = 4,
        every: Annotated[int, Field(ge=1)] = 2,
        middle: Annotated[int, Field(ge=0)] = 4,
    ) -> None:
        self.coils, self.every, self.middle = coils, every, middle

    def prepare(self) -> None:
        channels, height, width = self.shape
        if channels != 2:
            raise BadInputError(
                "coil-array measures complex pictures, of two channels.",
                got=self.shape,
                try_="kind='complex'",
            )
        self.y_shape = (self.coils, height, width)
        self.sensitivities = sensitivities(self.coils, height, width)
        self.kept = torch.zeros(height)
        self.kept[:: self.every] = 1
        near = torch.fft.fftfreq(height).abs().argsort(stable=True)[: self.middle]
        self.kept[near] = 1

    def A(self, x: Tensor) -> Tensor:
        S = self.sensitivities.to(torch.complex(x[:, 0], x[:, 1]))
        seen = S * torch.complex(x[:, :1], x[:, 1:])
        return self._rows(x) * torch.fft.fft2(seen, norm="ortho")

    def A_adjoint(self, y: Tensor) -> Tensor:
        S = self.sensitivities.to(y)
        x = (S.conj() * torch.fft.ifft2(self._rows(y.real) * y, norm="ortho")).sum(1)
        return torch.stack([x.real, x.imag], 1)

    @property
    def mask(self) -> Tensor:
        return self.kept[:, None].expand(self.y_shape)

    def _rows(self, like: Tensor) -> Tensor:
        return self.kept.to(like)[:, None]


def sensitivities(coils: int, height: int, width: int) -> Tensor:
    """Complex maps (coils, height, width): bells along a circle, each with a phase of its own."""
    rows = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    columns = torch.linspace(-1, 1, width, dtype=torch.float64)
    angle = 2 * torch.pi * torch.arange(coils, dtype=torch.float64)[:, None, None] / coils
    off = (rows - angle.sin()).square() + (columns - angle.cos()).square()
    return torch.polar((-off / 2).exp(), angle + rows * columns)
