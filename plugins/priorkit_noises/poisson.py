"""Poisson noise: photons that are counted."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Noise, WeightedNoise
from priorkit.linear import sums
from priorkit.streams import Streams
from priorkit_noises.counts import OverCounts, otherwise

__all__ = ["Poisson"]

GAIN = 0.01  # of simulated counts, where nobody says: 100 photons at white
LEAST = 0.5  # counts in the mean, whose variance is assumed of fewer

log = logging.getLogger("priorkit")


class Poisson(WeightedNoise):
    """y = g·k with counts k ~ Poisson(A x / g): the variance of an entry is g·A x.

    Its misfit is twice the Kullback-Leibler divergence,

        ℓ = 2 Σ (a − y + y·ln(y/a)),   a = A x,

    which is −2σ² log p up to a constant with σ² = g, the variance at a = 1, and agrees with
    ‖a − y‖² to second order where y = 1. Below a tenth of y, and of a count, it is continued by a
    parabola: it is finite, pulls negative pixels back, and bends at a = 0 some hundred times as
    much as at a = y, however many counts y is. Solvers that know squares take Σ w(a − y)² instead
    of ℓ, w = 1/a at an estimate of a, of at least half a count.

    Parameters
    ----------
    gain : g, what one count adds to y; 1/g is the number of photons at white. With a ``range``
        (0, hi) that is hi/g, and y of ``gain=1`` are counts. It must be known of counts that were
        measured; of simulated ones it is 0.01, with a range a hundredth of its width

    Reference: Snyder, Hammoud & White, "Image recovery from data acquired with a charge-
    coupled-device camera", JOSA A 1993.
    """

    def __init__(self, *, gain: Annotated[float, Field(ge=1e-15, le=1e15)] | None = None) -> None:
        self._said, self.gain = gain is not None, GAIN if gain is None else gain

    @property
    def known(self) -> bool:
        return True

    @property
    def _otherwise(self) -> str:
        return otherwise(gain=self._said)

    @property
    def std(self) -> float:
        """√(g/2), the standard deviation at a grey value of ½."""
        return (self.gain / 2) ** 0.5

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        """Counts of g/scale, where nothing is moved: ℓ has one power of y."""
        own = copy.copy(self)
        own.gain = self.gain if self._said else scale * GAIN
        if bool((offset != 0).any()):
            return super(Poisson, own).rescaled(scale, offset)
        own.gain /= scale
        return own

    def check(self, y: Tensor) -> None:
        _require_counts(y, "y", f"y.clip(0), or {self._otherwise}")
        most = float(y.max())
        if not self._said:
            largest = f"{math.ceil(most):.15g}" if most > 1 else "…"
            raise BadInputError(
                "Of counts that were measured, noise 'poisson' needs to know what one of them adds "
                "to y.",
                got=f"y up to {most:.6g}",
                try_=f"gain=1 with range=(0, {largest}) where y are counts, 0 to the largest that "
                "x expects; or gain=…, 1 over the photons at white",
            )
        if 0 < most < self.gain / 2:
            log.warning(
                "poisson: y is at most %.3g, and a single count is gain=%g. Where y are counts in "
                "whole numbers of 8 or 16 bits: range=(0, …), up to the largest that x expects; "
                "without a range they are brightness. Else: a smaller gain",
                *(most, self.gain),
            )

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        _require_counts(
            Ax,
            "A x",
            "an operator without negative entries; x of what is counted, which is at least 0; or "
            f"{self._otherwise}",
            ways=[{"op": "identity"}],
        )
        counts = streams.poisson(Ax.flatten(1) / self.gain)
        return (self.gain * counts).view(Ax.shape).to(Ax.device, Ax.dtype)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        y = y.double().clamp_min(0.0)  # of units that were changed: −1e-9
        value, gradient = _divergence(Ax.double(), y, self.gain)
        return sums(value), gradient.to(Ax.dtype)

    def weights(self, Ax: Tensor) -> Tensor:
        """1/A x, the inverse of the variance of y in parts of g."""
        return 1 / Ax.clamp_min(LEAST * self.gain)

    @property
    def energy(self) -> float:
        """g per entry: twice the divergence of n counts is about χ² with n degrees, times g."""
        return self.entries * self.gain

    def expected_misfit(self, Ax: Tensor) -> Tensor:
        """g·Σ e(A x/g), e(λ) that of counts of the mean λ in units of g: from 0 at λ = 0 over 1.13
        at 2 to 1 of many. What isn't seen has A x = 0, and so none."""
        return self.gain * sums(_unit()(Ax / self.gain))


def _divergence(a: Tensor, y: Tensor, gain: float) -> tuple[Tensor, Tensor]:
    """ℓ of every entry and its derivative in a, for y >= 0, in float64."""
    floor = y.clamp_min(gain) / 10
    above = torch.maximum(a, floor)
    below = (a - floor).clamp_max(0.0)
    slope = 2 * (1 - y / above)
    curvature = 2 * (y / floor**2 + 1 / floor)
    value = 2 * (above - y + torch.xlogy(y, y / above))
    value = value + below * slope + 0.5 * curvature * below.square()
    # The least value over a, which isn't 0 where y is below the floor.
    lowest = 2 * (floor - y + torch.xlogy(y, y / floor))
    lowest = lowest - (2 * (1 - y / floor)).square() / (2 * curvature)
    return value - torch.where(y < floor, lowest, 0.0), slope + curvature * below


@cache
def _unit() -> OverCounts:
    """E ℓ of an entry in units of g, by its mean count."""
    return OverCounts(lambda mean, k: _divergence(mean, k, 1.0)[0])


def _require_counts(
    values: Tensor, what: str, try_: str, ways: Iterable[Mapping[str, object]] = ()
) -> None:
    if values.is_complex() or float(values.min()) < 0:
        lowest = "" if values.is_complex() else f"values down to {float(values.min()):.3g}"
        raise BadInputError(
            f"Poisson noise is about counts: {what} must not be negative.",
            got=lowest or "complex values",
            try_=try_,
            ways=ways,
        )
