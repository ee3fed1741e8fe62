"""A with complex measurements, and one that isn't linear."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Level, LinearOperator, Operator


class Spectrum(LinearOperator):
    """A x = the slowest Fourier coefficients of x, ``size`` × ``size`` complex numbers."""

    default_noise = Level(sigma=0.01)

    def __init__(self, *, size: Annotated[int, Field(ge=1)] = 16) -> None:
        self.size = size

    def A(self, x: Tensor) -> Tensor:
        return self._corner(torch.fft.fft2(x, norm="ortho"))

    def A_adjoint(self, y: Tensor) -> Tensor:
        whole = y.new_zeros(len(y), *self.shape)
        whole[..., : y.shape[-2], : y.shape[-1]] = y
        return torch.fft.ifft2(whole, norm="ortho").real

    def _corner(self, spectrum: Tensor) -> Tensor:
        return spectrum[..., : self.size, : self.size]


class Intensity(Operator):
    """A(x) = |F x|², how bright each wave is: phase retrieval. Its gradient comes from autograd."""

    default_noise = Level(sigma=0.01)

    def A(self, x: Tensor) -> Tensor:
        y = torch.fft.fft2(x, norm="ortho")
        return y.real**2 + y.imag**2
