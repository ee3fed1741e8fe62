"""Transmission: X-rays that pass through the object, and are counted."""

from __future__ import annotations

import logging
import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import WeightedNoise
from priorkit.streams import Streams

__all__ = ["Transmission"]

log = logging.getLogger("priorkit")

DENSE = 7.0  # A x of every ray, from which y is questioned
MANY = 1.5  # times what was sent, from which on y is questioned too
LEAST = -1.0  # of A x: the exponential goes on as a parabola below


class Transmission(WeightedNoise):
    """y = counts k ~ Poisson(m), m = I₀·e^(−A x) + b: Beer and Lambert's law.

    Its misfit is −2σ² log p up to a constant,

        ℓ = 2σ² Σ (m − y + y·ln(y/m)),   σ² = (I₀/e + b)/(I₀/e)²,

    σ² the variance of an estimate of A x from its own count, where A x = 1. There ℓ agrees with
    the sum of squares of A x less that estimate to second order; rays through more have fewer
    counts, and count for less. Below A x = −1 the exponential is continued by a parabola, so that
    nothing is infinite.

    Starts and reports, which know of no counts, take a = ln(I₀/(y − b)), of less than half a count
    as of half a one. Solvers that know squares take Σ w(A x − a)² instead of ℓ, w = σ²(y − b)²/y.

    Parameters
    ----------
    photons : I₀, how many a detector counts without an object
    background : b, how many more it counts in the mean that didn't come straight: scattered ones,
        and the dark current

    References: Erdoğan & Fessler, "Monotonic algorithms for transmission tomography", IEEE Trans.
    Med. Imaging 1999; the weighted squares: Sauer & Bouman, "A local update strategy for iterative
    reconstruction from projections", IEEE Trans. Signal Process. 1993.
    """

    same_units = False  # counts

    def __init__(
        self,
        *,
        photons: Annotated[float, Field(ge=1, le=1e15)] = 1e4,
        background: Annotated[float, Field(ge=0, le=1e15)] = 0.0,
    ) -> None:
        self.photons, self.background = photons, background

    @property
    def known(self) -> bool:
        return True

    @property
    def std(self) -> float:
        """σ of a ray with A x = 1."""
        passed = self.photons / math.e
        return math.sqrt(passed + self.background) / passed

    @property
    def energy(self) -> float:
        """σ² per entry: twice the divergence of n counts is about χ² with n degrees."""
        return self.entries * self.std**2

    def check(self, y: Tensor) -> None:
        lowest = 0.0 if y.is_complex() else float(y.min())
        if y.is_complex() or lowest < 0:
            raise BadInputError(
                "With noise 'transmission' y are counts, which must not be negative.",
                got="complex values" if y.is_complex() else f"values down to {lowest:.3g}",
                try_="noise='gaussian' where y are line integrals; y.clip(0)",
            )
        middle = float(y.median())
        if middle > MANY * (self.photons + self.background):
            log.warning(
                "transmission: half of the detectors counted more than %.3g, of %g photons. Try: "
                "photons=…, what a detector counts without an object",
                middle,
                self.photons,
            )
        if float(y.max()) < self.photons * math.exp(-DENSE):
            log.warning(
                "transmission: of %g photons no detector counted more than %.3g. Where y are line "
                "integrals, which are logarithms already: noise='gaussian'",
                self.photons,
                float(y.max()),
            )

    def expected(self, Ax: Tensor) -> Tensor:
        """m, the mean count."""
        return self._mean(Ax.double())[0].to(Ax.dtype)

    def measured(self, y: Tensor) -> Tensor:
        return -((y - self.background).clamp_min(0.5) / self.photons).log()

    def weights(self, y: Tensor) -> Tensor:
        """σ²·(y − b)²/y, the inverse of the variance of ``measured``, in parts of σ²."""
        passed = (y - self.background).clamp_min(0.5)
        return self.std**2 * passed.square() / y.clamp_min(0.5)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if Ax.is_complex() or float(Ax.min()) < 0:
            raise BadInputError(
                "What passes is at most what was sent: A x must not be negative.",
                got="complex values" if Ax.is_complex() else f"{float(Ax.min()):.3g}",
                try_="op='radon' or 'identity', or noise='gaussian'",
            )
        counts = streams.poisson(self._mean(Ax.flatten(1).double())[0])
        return counts.view(Ax.shape).to(Ax.device, Ax.dtype)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scale, counts = 2 * self.std**2, y.double()
        mean, slope = self._mean(Ax.double())
        value = mean - counts + torch.xlogy(counts, counts / mean)
        # The least value over A x, which isn't 0 where fewer were counted than the background.
        b = self.background
        lowest = b - counts + torch.xlogy(counts, counts / b) if b else torch.zeros_like(counts)
        value = value - torch.where(counts < b, lowest, 0.0)
        gradient = scale * slope * (1 - counts / mean)
        return scale * value.flatten(1).sum(1), gradient.to(Ax.dtype)

    def _mean(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """m and its derivative in a, float64."""
        below = (a - LEAST).clamp_max(0.0)
        passed = self.photons * (-a.clamp_min(LEAST)).exp()
        mean = passed * (1 - below + below.square() / 2) + self.background
        # Of rays that nothing passes, a count would have the chance 0.
        return mean.clamp_min(1e-300), -passed * (1 - below)
