"""Components for pictures, used on other kinds of image."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from priorkit.errors import PriorkitError
from priorkit.interfaces.component import Shape, Space
from priorkit.interfaces.kinds import COMPLEX, VOLUME, Kind, kind_of
from priorkit.interfaces.noise import Level, Noise
from priorkit.interfaces.operator import LinearOperator, Operator
from priorkit.interfaces.prior import Choices, Denoiser, Prior

__all__ = ["ComplexDenoiser", "ComplexLinear", "Slices", "bound_operator", "bound_prior"]

WIDTH = 3.0  # pixels over which a phase is taken for constant


class _Parts(Denoiser, ABC):
    """A denoiser of pictures for images that consist of such."""

    def __init__(self, prior: Denoiser, shape: Shape) -> None:
        self.prior, self.shape = prior, shape
        self.levels = prior.levels

    @property
    def provenance(self) -> Mapping[str, str]:  # type: ignore[override]
        return self.prior.provenance

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """Those of the denoiser."""
        choices = self.prior.defaults(operator, noise)
        own = choices.prior
        return replace(choices, prior=self._of(own) if isinstance(own, Denoiser) else None)

    def mixed(self, space: Space) -> Denoiser | None:
        """The same of the denoiser in mixed precision."""
        rough = self.prior.mixed(space)
        return self._of(rough) if isinstance(rough, Denoiser) else None

    @abstractmethod
    def _of(self, prior: Denoiser) -> Denoiser:
        """The same of another denoiser of pictures."""


class Slices(_Parts):
    """A denoiser of pictures for volumes: every slice (C, H, W) is denoised by itself.

    Parameters
    ----------
    prior : the denoiser, bound to the shape of a slice
    depth : how many slices a volume has
    """

    def __init__(self, prior: Denoiser, depth: int) -> None:
        assert prior.shape is not None
        super().__init__(prior, (prior.shape[0], depth, *prior.shape[1:]))
        self.depth = depth

    def _of(self, prior: Denoiser) -> Slices:
        return Slices(prior, self.depth)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        slices = VOLUME.slices(x)
        if isinstance(sigma, Tensor) and sigma.ndim:
            sigma = sigma.repeat_interleave(self.depth)
        clean = self.prior.denoise(slices.flatten(0, 1), sigma)
        return clean.view(slices.shape).transpose(1, 2).contiguous()

    @property
    def denoising_memory(self) -> int:
        return self.depth * self.prior.denoising_memory


class ComplexDenoiser(_Parts):
    """A denoiser of gray pictures for complex ones, whose sizes are brightness:

        D(v; σ) = (D(Re w; σ) + i·(D(½ + Im w; σ) − ½))·φ,     w = v·φ̄,

    φ = G*v/|G*v| the phase of v, smoothed by a Gaussian G of ``WIDTH`` pixels, which leaves next to
    nothing in Im w where the phase is smooth. Turning doesn't change the noise.

    Parameters
    ----------
    prior : the denoiser, bound to the shape (1, H, W)
    shape : (2, H, W)
    """

    def _of(self, prior: Denoiser) -> ComplexDenoiser:
        assert self.shape is not None
        return ComplexDenoiser(prior, self.shape)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        v = torch.complex(x[:, :1], x[:, 1:])
        phase = torch.sgn(_smoothed(v))
        w = v * phase.conj()
        if isinstance(sigma, Tensor) and sigma.ndim:
            sigma = sigma.repeat(2)
        clean = self.prior.denoise(torch.cat([w.real, w.imag + 0.5]), sigma)
        real, imaginary = clean.chunk(2)
        found = torch.complex(real, imaginary - 0.5) * phase
        return torch.cat([found.real, found.imag], 1)

    @property
    def denoising_memory(self) -> int:
        return 2 * self.prior.denoising_memory


def _smoothed(v: Tensor) -> Tensor:
    """Complex pictures convolved with a Gaussian of ``WIDTH`` pixels, periodic at the border."""
    rows, columns = (torch.fft.fftfreq(side, device=v.device).to(v.real) for side in v.shape[-2:])
    passed = (-2 * (math.pi * WIDTH) ** 2 * (rows[:, None] ** 2 + columns**2)).exp()
    smooth: Tensor = torch.fft.ifft2(torch.fft.fft2(v) * passed)
    return smooth


def bound_prior(prior: Prior, shape: Shape, kind: Kind | None = None) -> Prior:
    """The prior for images of a shape, and of a kind where that doesn't tell it: of volumes and
    complex pictures a denoiser of pictures for their slices or parts.

    Raises what the prior raises where it can't do with images, nor with such parts, of that shape.
    """
    kind = kind or kind_of(shape)
    try:
        return prior.bind(shape)
    except PriorkitError:
        if not (kind in (VOLUME, COMPLEX) and isinstance(prior, Denoiser)):
            raise
    channels, *sides = shape
    own = prior.bind((1, *sides) if kind is COMPLEX else (channels, *sides[1:]))
    assert isinstance(own, Denoiser)
    return ComplexDenoiser(own, shape) if kind is COMPLEX else Slices(own, sides[0])


class ComplexLinear(LinearOperator):
    """A(a + ib) = A(a) + i A(b) for complex pictures, a and b their two channels, of a linear A of
    gray pictures whose y is complex."""

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator
        self.provenance = operator.provenance

    def prepare(self) -> None:
        self.operator = self.operator.bind((1, *self.shape[1:]))
        self.y_shape = self.operator.y_shape

    @property
    def default_noise(self) -> Level:  # type: ignore[override]
        return self.operator.default_noise

    def A(self, x: Tensor) -> Tensor:
        return self.operator.A(x[:, :1]) + 1j * self.operator.A(x[:, 1:])

    def A_adjoint(self, y: Tensor) -> Tensor:
        return torch.cat([self.operator.A_adjoint(y), self.operator.A_adjoint(-1j * y)], 1)

    @property
    def mask(self) -> Tensor | None:
        return self.operator.mask

    def image(self, y: Tensor) -> Tensor | None:
        real, imaginary = self.operator.image(y), self.operator.image(-1j * y)
        return None if real is None or imaginary is None else torch.cat([real, imaginary], 1)

    @property
    def memory(self) -> int:
        return self.operator.memory


def bound_operator(operator: Operator, shape: Shape, kind: Kind) -> Operator:
    """The operator for images of a shape and kind; its y is complex-linear in complex pictures."""
    own = operator.for_complex() if isinstance(operator, LinearOperator) else None
    if kind is COMPLEX and own is not None:
        return own.bind(shape)
    bound = operator.bind(shape)
    if kind is not COMPLEX or not isinstance(operator, LinearOperator):
        return bound
    complex_y = bound.A(torch.zeros(1, *shape)).is_complex()
    return ComplexLinear(operator).bind(shape) if complex_y else bound
