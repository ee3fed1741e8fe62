"""Components for pictures, used on other kinds of image."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Self, final

import torch
from torch import Tensor

from priorkit.errors import MismatchError, PriorkitError
from priorkit.interfaces.answers import bound
from priorkit.interfaces.component import Shape, Space
from priorkit.interfaces.kinds import COMPLEX, PICTURE, VOLUME, Kind, kind_of
from priorkit.interfaces.level import Level
from priorkit.interfaces.noise import Noise
from priorkit.interfaces.operator import LinearOperator, Operator
from priorkit.interfaces.prior import Choices, Denoiser, Prior

__all__ = [
    "Bands",
    "ComplexDenoiser",
    "ComplexLinear",
    "Parts",
    "Slices",
    "bound_operator",
    "bound_prior",
]

WIDTH = 3.0  # pixels over which a phase is taken for constant
MOST = 1 << 30  # bytes that the denoiser takes at once for the parts of an image


class Parts(Denoiser, ABC):
    """A denoiser of pictures for images that consist of such.

    Parameters
    ----------
    prior : the denoiser, bound to the shape of a part
    shape : of the images
    """

    over: ClassVar[str]  # what the denoiser goes over, in words

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

    def _of(self, prior: Denoiser) -> Self:
        """The same of another denoiser of pictures."""
        return type(self)(prior, self._known)

    @property
    def _known(self) -> Shape:
        assert self.shape is not None
        return self.shape


class _Series(Parts):
    """A denoiser of pictures for images that are many of them. It takes the images one by one, and
    of each as many pictures at a time as ``MOST`` bytes allow, so that rounding doesn't depend on
    the batch."""

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        levels = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        return torch.stack([self._one(*each) for each in zip(x, levels, strict=True)])

    @abstractmethod
    def _one(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean estimate of one image (*shape)."""

    def _clean(self, pictures: Tensor, sigma: Tensor) -> Tensor:
        """Those of pictures (P, C, H, W) with noise of ``sigma`` (P,)."""
        each = (pictures.split(self._together), sigma.split(self._together))
        return torch.cat([self.prior.denoise(*some) for some in zip(*each, strict=True)])

    @property
    def _together(self) -> int:
        """How many pictures are denoised at a time."""
        return max(1, MOST // max(self.prior.denoising_memory, 1))

    @property
    @abstractmethod
    def count(self) -> int:
        """How many pictures an image is."""

    @property
    def denoising_memory(self) -> int:
        return min(self.count, self._together) * self.prior.denoising_memory


@final
class Slices(_Series):
    """A denoiser of pictures for volumes: every slice (C, H, W) is denoised by itself."""

    over = "slices"

    @property
    def count(self) -> int:
        return self._known[1]

    def _one(self, x: Tensor, sigma: Tensor) -> Tensor:
        slices = x.transpose(0, 1)
        return self._clean(slices, sigma.expand(len(slices))).transpose(0, 1)


@final
class Bands(_Series):
    """A denoiser of gray pictures for spectra, whose bands show much the same: not the bands are
    denoised but their principal components, w = Uᵀ(x − m), with m the means of the C bands and U
    the eigenvectors of their covariance:

        D(x) = m + U D(w).

    Turning doesn't change the noise. It is all that there is in components of a variance below
    σ²(1 + √(C/n))², n pixels; they are 0 in D(w), but for the first. The others are denoised as
    pictures from 0 to 1, for which they are stretched, and σ with them.

    References: Zhuang & Bioucas-Dias, "Fast hyperspectral image denoising and inpainting based on
    low-rank and sparse representations", IEEE J. Sel. Top. Appl. Earth Obs. Remote Sens. 2018; the
    bound: Marchenko & Pastur, "Distribution of eigenvalues for some sets of random matrices", 1967.
    """

    over = "bands"

    @property
    def count(self) -> int:
        return self._known[0]

    def _one(self, x: Tensor, sigma: Tensor) -> Tensor:
        bands = x.flatten(1).double()
        mean = bands.mean(1, keepdim=True)
        n = bands.shape[1]
        variances, U = torch.linalg.eigh((bands - mean) @ (bands - mean).mT / n)  # ascending
        U = U * torch.where(U.sum(0) < 0, -1.0, 1.0)  # either sign is an eigenvector
        kept = variances > sigma.double() ** 2 * (1 + math.sqrt(len(x) / n)) ** 2
        kept[-1] = True
        U = U[:, kept]
        w = U.mT @ (bands - mean)
        least = w.amin(1, keepdim=True)
        span = (w.amax(1, keepdim=True) - least).clamp_min(1e-12)
        level = (sigma / span[:, 0]).clamp(*self.levels).to(x)
        pictures = ((w - least) / span).to(x).view(-1, 1, *x.shape[1:])
        clean = self._clean(pictures, level).flatten(1).double() * span + least
        found: Tensor = (mean + U @ clean).to(x).view(x.shape)
        return found


@final
class ComplexDenoiser(Parts):
    """A denoiser of gray pictures for complex ones, whose sizes are brightness:

        D(v; σ) = (D(Re w; σ) + i·(D(½ + Im w; σ) − ½))·φ,     w = v·φ̄,

    φ = G*v/|G*v| the phase of v, smoothed by a Gaussian G of ``WIDTH`` pixels, which leaves next to
    nothing in Im w where the phase is smooth. Turning doesn't change the noise.
    """

    over = "real and imaginary parts"

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        v = COMPLEX.numbers(x)
        phase = torch.sgn(_smoothed(v))
        w = v * phase.conj()
        if isinstance(sigma, Tensor) and sigma.ndim:
            sigma = sigma.repeat(2)
        clean = self.prior.denoise(torch.cat([w.real, w.imag + 0.5]), sigma)
        real, imaginary = clean.chunk(2)
        found = torch.complex(real, imaginary - 0.5) * phase
        return COMPLEX.parts(found)

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
    """The prior for images of a shape, and of a kind where that doesn't tell it: of volumes,
    spectra and complex pictures a denoiser of pictures for their slices, bands or parts.

    Raises what the prior raises where it can't do with images, nor with such parts, of that shape.
    """
    kind = kind or kind_of(shape)
    try:
        whole = prior.bind(shape)
    except PriorkitError as refused:
        if not (kind in (VOLUME, COMPLEX, PICTURE) and isinstance(prior, Denoiser)):
            raise
        channels, *sides = shape
        try:
            own = prior.bind((channels, *sides[1:]) if kind is VOLUME else (1, *sides))
        except PriorkitError as error:
            raise refused if kind is PICTURE else error from None
        assert isinstance(own, Denoiser)
        if kind is VOLUME:
            return Slices(own, shape)
        return ComplexDenoiser(own, shape) if kind is COMPLEX else Bands(own, shape)
    return bound(prior, whole)


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

    def question(self, y: Tensor, mask: Tensor | None) -> None:
        self.operator.question(y, mask)

    def image(self, y: Tensor) -> Tensor | None:
        real, imaginary = self.operator.image(y), self.operator.image(-1j * y)
        return None if real is None or imaginary is None else torch.cat([real, imaginary], 1)

    @property
    def memory(self) -> int:
        return self.operator.memory


def bound_operator(operator: Operator, shape: Shape, kind: Kind) -> Operator:
    """The operator for images of a shape and kind; a linear one is so in complex numbers of complex
    pictures, and where it takes two channels and refuses one it is of these as it is.

    Raises MismatchError for complex pictures and an operator that isn't linear, unless it says by
    ``for_complex`` how it measures them: by each part alone nobody does.
    """
    if kind is not COMPLEX:
        return bound(operator, operator.bind(shape))
    own = operator.for_complex()
    if own is not None:
        return own.bind(shape)
    if not isinstance(operator, LinearOperator):
        raise MismatchError(
            "An operator that isn't linear measures complex pictures only where it says how, by "
            "for_complex().",
            got=f"{type(operator).__name__} and images of shape {shape}",
            try_="op='phase', a linear operator, or kind='picture' for real images",
        )
    plain = bound(operator, operator.bind(shape))
    if not plain.A(torch.zeros(1, *shape)).is_complex():
        return plain
    try:
        return ComplexLinear(operator).bind(shape)
    except PriorkitError:
        return plain
