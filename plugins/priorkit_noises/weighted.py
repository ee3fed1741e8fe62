"""Gaussian noise whose standard deviation is known for each entry of y."""

from __future__ import annotations

import copy
import logging
import math
from typing import Any

import torch
from torch import Tensor

from priorkit.interfaces import Copies, Noise, WeightedNoise
from priorkit.linear import sums
from priorkit.streams import Streams
from priorkit_noises.entries import each, require_fitting
from priorkit_noises.levels import added

__all__ = ["Weighted"]

log = logging.getLogger("priorkit")

ENDS = (1e-15, 1e15)  # of a standard deviation
EXAMPLE = 0.1


class Weighted(WeightedNoise):
    """y = A x + σᵢnᵢ, n ~ N(0, 1), with σᵢ known for each entry: an error map, a weight map.

    Its misfit is that of weighted least squares,

        ℓ = Σ wᵢ |A x − y|ᵢ²,   wᵢ = σ²/σᵢ²,   1/σ² = mean of 1/σᵢ²,

    which is −2σ² log p(y | A x): where all σᵢ are σ, the sum of squares. Of complex y both parts of
    an entry have half of its variance.

    Parameters
    ----------
    deviations : σᵢ in units of y, above 0: an array or a file of any kind that y can be, with one
        for each entry of y or for each of its last axis, or a number. Of weights 1/σᵢ², the root of
        their inverse. An entry that says nothing is one of a mask, or has a σᵢ a thousand times as
        large as the others

    Raises BadInputError for deviations that aren't above 0 and finite, or don't fit y.

    Reference: Aitken, "On least squares and linear combination of observations", Proc. R. Soc.
    Edinburgh 1936.
    """

    def __init__(self, *, deviations: Any) -> None:
        what = "standard deviations of y"
        self._set(each(deviations, "deviations", ENDS, what, EXAMPLE))

    def _set(self, deviations: Tensor) -> None:
        inverse = deviations.square().reciprocal()
        self.deviations, self._std = deviations, 1 / math.sqrt(float(inverse.mean()))
        self._sent = Copies(deviations.to)
        self._weights = Copies((inverse * self._std**2).to)

    @property
    def known(self) -> bool:
        return True

    @property
    def std(self) -> float:
        """σ, of which 1/σ² is the mean of 1/σᵢ²."""
        return self._std

    @property
    def energy(self) -> float:
        """σ² per entry, whatever its σᵢ."""
        return self.entries * self.std**2

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        """That of σᵢ/scale."""
        own = copy.copy(self)
        own._set(self.deviations / scale)
        return own

    def check(self, y: Tensor) -> None:
        require_fitting(self.deviations, "deviations", y.shape[1:])
        if not y.is_complex() and bool((self.deviations > y.abs().max()).all()):
            log.warning(
                "weighted: all deviations, from %.3g on, are above all of y, up to %.3g, so that "
                "it says nothing. Try: deviations in units of y; of weights w, w**-0.5",
                *(float(self.deviations.min()), float(y.abs().max())),
            )

    def weights(self, Ax: Tensor) -> Tensor:
        """σ²/σᵢ², whatever A x."""
        return self._weights.like(Ax.real).expand(Ax.shape)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        require_fitting(self.deviations, "deviations", Ax.shape[1:])
        noise = added(torch.zeros_like(Ax), streams.normal)
        return Ax + self._sent.like(Ax.real) * noise

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        weights, residual = self._weights.like(Ax.real), Ax - y
        squares = residual.abs().double().square()
        return sums(weights * squares), 2 * weights * residual
