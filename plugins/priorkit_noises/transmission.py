"""Transmission: X-rays that pass through the object, and are counted."""

from __future__ import annotations

import logging
import math
from functools import cache
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, WeightedNoise
from priorkit.linear import sums
from priorkit.streams import Streams
from priorkit_noises.counts import OverCounts, otherwise, over_seen
from priorkit_noises.entries import each, require_fitting

__all__ = ["Transmission"]

log = logging.getLogger("priorkit")

PHOTONS = 1e4  # of simulated counts, where nobody says
MOST = 1e15
DENSE = 7.0  # A x of every ray, from which y is questioned
MANY = 1.5  # times what was sent, and as many counts more, from which on y is questioned too
FEW = 0.01  # of the counts, beyond which it isn't detectors that fail
FEWEST = 50  # of the background: of more, counts are normal
LEAST = -1.0  # of A x: the exponential goes on as a parabola below


class Transmission(WeightedNoise):
    """y = counts k ~ Poisson(m), m = I₀·e^(−A x) + b: Beer and Lambert's law.

    Its misfit is −2σ² log p up to a constant,

        ℓ = 2σ² Σ (m − y + y·ln(y/m)),   σ² = (I₀/e + b)/(I₀/e)²,

    σ² the variance of an estimate of A x from its own count, where A x = 1 and I₀ is the mean over
    the detectors. There ℓ agrees with the sum of squares of A x less that estimate to second order;
    rays through more have fewer counts, and count for less. Below A x = −1 the exponential is
    continued by a parabola, so that nothing is infinite.

    Starts and reports, which know of no counts, take a = ln(I₀/(y − b)), of less than half a count
    as of half a one. Solvers that know squares take Σ w(A x − a)² instead of ℓ, w = σ²(m − b)²/m
    at an estimate of A x, or at a.

    Parameters
    ----------
    photons : I₀, how many a detector counts without an object: a number, or an array or a .npy file
        with one for each detector (detectors,) or each count of y, the flat field. It must be known
        of counts that were measured; simulated ones have 10,000
    background : b, how many more it counts in the mean that didn't come straight: scattered ones,
        and the dark current

    Raises BadInputError for photons that aren't from 1 to 1e15 or don't fit y.

    References: Erdoğan & Fessler, "Monotonic algorithms for transmission tomography", IEEE Trans.
    Med. Imaging 1999; the weighted squares: Sauer & Bouman, "A local update strategy for iterative
    reconstruction from projections", IEEE Trans. Signal Process. 1993.
    """

    same_units = False  # counts

    def __init__(
        self,
        *,
        photons: Any = None,
        background: Annotated[float, Field(ge=0, le=MOST)] = 0.0,
    ) -> None:
        self._said, self.background = photons is not None, background
        what = "how many a detector counts without an object"
        sent = PHOTONS if photons is None else photons
        self.photons = each(sent, "photons", (1, MOST), what, PHOTONS)
        self._sent = Copies(self.photons.to)  # which is of float64

    @property
    def known(self) -> bool:
        return True

    @property
    def _otherwise(self) -> str:
        return otherwise(photons=self._said, background=bool(self.background))

    @property
    def std(self) -> float:
        """σ of a ray with A x = 1."""
        passed = float(self.photons.mean()) / math.e
        return math.sqrt(passed + self.background) / passed

    @property
    def energy(self) -> float:
        """σ² per entry: twice the divergence of n counts is about χ² with n degrees."""
        return self.entries * self.std**2

    def expected_misfit(self, Ax: Tensor) -> Tensor:
        """σ²·Σ e(m), e that of counts of the mean m in units of σ²: 1 of many, and less of few, or
        of hardly more than the background. Of what isn't seen A x = 0."""
        return self.std**2 * over_seen(self._of_noise, Ax, self.entries)

    def _of_noise(self, a: Tensor) -> Tensor:
        """E ℓ of every entry in units of σ², less what of it is ℓ's least value where fewer were
        counted than the background b."""
        mean = self._mean(a)[0]
        whole, b = _unit()(mean), self.background
        if not b:
            return whole
        if b <= FEWEST:
            least, chance = torch.zeros_like(mean), (-mean).exp()
            for k in range(math.ceil(b)):
                least = least + 2 * (b - k + (k * math.log(k / b) if k else 0.0)) * chance
                chance = chance * mean / (k + 1)
            return whole - least
        # (k − b)²/b of k ~ N(m, m) below b, and what skewness adds at m = b.
        far, skewed = (mean - b) / mean.sqrt(), 1 + math.sqrt(2 / (9 * math.pi * b))
        below, density = torch.special.ndtr(-far), (-far.square() / 2).exp() / math.sqrt(math.tau)
        return whole - skewed * mean / b * ((1 + far.square()) * below - far * density)

    def check(self, y: Tensor) -> None:
        lowest = 0.0 if y.is_complex() else float(y.min())
        if y.is_complex() or lowest < 0:
            raise BadInputError(
                "With noise 'transmission' y are counts, which must not be negative.",
                got="complex values" if y.is_complex() else f"values down to {lowest:.3g}",
                try_=f"{self._otherwise} where y are line integrals; y.clip(0)",
            )
        if not self._said:
            raise BadInputError(
                "Of counts that were measured, noise 'transmission' needs to know how many there "
                "are without an object.",
                try_=f"photons={float(y.max()):.6g}, the largest count of y, if a ray missed the "
                "object there; or a flat field, photons='flat.npy'",
            )
        require_fitting(self.photons, "photons", y.shape[1:])
        sent = self.photons.to(y.device)
        most = sent + self.background
        beyond = (y > MANY * most + MANY).double().mean()
        if float(beyond) > FEW:
            log.warning(
                "transmission: %.3g%% of the counts are above what was sent, up to %.6g of %g "
                "photons. Try: photons=…, what a detector counts without an object",
                100 * float(beyond),
                float(y.max()),
                float(sent.mean()),
            )
        if float((y / sent).max()) < math.exp(-DENSE):
            log.warning(
                "transmission: of %g photons no detector counted more than %.3g. Where y are line "
                "integrals, which are logarithms already: noise='gaussian'",
                float(sent.mean()),
                float(y.max()),
            )

    def expected(self, Ax: Tensor) -> Tensor:
        """m, the mean count."""
        return self._mean(Ax.double())[0].to(Ax.dtype)

    def measured(self, y: Tensor) -> Tensor:
        return -((y - self.background).clamp_min(0.5) / self.photons.to(y)).log()

    def weights(self, Ax: Tensor) -> Tensor:
        """σ²·m′²/m, the inverse of the variance of ``measured`` in parts of σ², of at least half a
        count that passes."""
        passed = (self._mean(Ax.double())[0] - self.background).clamp_min(0.5)
        return (self.std**2 * passed.square() / (passed + self.background)).to(Ax.dtype)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if Ax.is_complex() or float(Ax.min()) < 0:
            raise BadInputError(
                "What passes is at most what was sent: A x must not be negative.",
                got="complex values" if Ax.is_complex() else f"{float(Ax.min()):.3g}",
                try_="an operator without negative entries; x of attenuation, which is at least "
                "0: mu*(1 + hu/1000).clip(0) of Hounsfield units, mu that of water in the "
                "operator's unit of length, and range=(0, 2*mu); or "
                f"{self._otherwise}",
                ways=[{"op": "radon"}, {"op": "identity"}],
            )
        require_fitting(self.photons, "photons", Ax.shape[1:])
        counts = streams.poisson(self._mean(Ax.double())[0].flatten(1))
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
        return scale * sums(value), gradient.to(Ax.dtype)

    def _mean(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """m and its derivative in a, float64."""
        below = (a - LEAST).clamp_max(0.0)
        passed = self._sent.like(a) * (-a.clamp_min(LEAST)).exp()
        mean = passed * (1 - below + below.square() / 2) + self.background
        # Of rays that nothing passes, a count would have the chance 0.
        return mean.clamp_min(1e-300), -passed * (1 - below)


@cache
def _unit() -> OverCounts:
    """Twice the divergence of a count from its mean, on average."""
    return OverCounts(lambda mean, k: 2 * (mean - k + torch.xlogy(k, k / mean)))
