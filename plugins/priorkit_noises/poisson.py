"""Poisson noise: photons that are counted."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Noise, StabilizedNoise, of_numbers
from priorkit.linear import sums
from priorkit.streams import Streams
from priorkit_noises.counts import otherwise, over_seen
from priorkit_noises.reading import divergence, of_reading

__all__ = ["Poisson"]

GAIN = 0.01  # of simulated counts, where nobody says: 100 photons at white
LEAST = 0.5  # counts in the mean, whose variance is assumed of fewer
# Times the read noise below black, and of how many entries that is told, and refused; times the
# standard deviation of y, beyond which there isn't as much noise.
DARK, RARE, HALF, LOUD = 6.0, 0.001, 0.5, 1.5

log = logging.getLogger("priorkit")


class Poisson(StabilizedNoise):
    """y = c + g·k + r·n, counts k ~ Poisson(A x / g), n ~ N(0, 1): the variance of an entry is
    g·A x + r².

    With what reading adds taken for as many counts more, b = r²/g, whose variance is the same, the
    misfit is twice the Kullback-Leibler divergence,

        ℓ = (1 + b)·2 Σ (a − t + t·ln(t/a)),   a = A x + b,   t = y − c + b, at least 0,

    which is −2σ² log p up to a constant with σ² = g + r², the variance where A x = 1, and agrees
    with ‖A x − (y − c)‖² to second order there. Below a tenth of t, and of a count, it is continued
    by a parabola: it is finite, pulls negative pixels back, and bends where a = 0 some hundred
    times as much as at a = t, however many counts y is. Solvers that know squares take
    Σ w(A x + c − y)² instead of ℓ, w = (1 + b)/a at an estimate of a, of at least half a count.
    Those that remove white noise take f(y) = (F(y) − F(c))/(F(c + 1) − F(c)), whose standard
    deviation is that of F, g/2, in such units:

        F(y) = √(g·(y − c) + 3g²/8 + r²).

    Parameters
    ----------
    gain : g, what one count adds to y; 1/g is the number of photons at white. With a ``range``
        (0, hi) that is hi/g, and y of ``gain=1`` are counts. It must be known of counts that were
        measured; of simulated ones it is 0.01, with a range a hundredth of its width
    read_noise : r, the standard deviation of what reading adds, in units of y: of a camera that
        says it in electrons g times that
    black : c, what is read without light, in units of y

    References: Snyder, Hammoud & White, "Image recovery from data acquired with a charge-
    coupled-device camera", JOSA A 1993 (reading as counts more); Starck, Murtagh & Bijaoui, "Image
    processing and data analysis", 1998 (F); Mäkitalo & Foi, "Optimal inversion of the generalized
    Anscombe transformation for Poisson-Gaussian noise", IEEE Trans. Image Process. 2013 (back).
    """

    def __init__(
        self,
        *,
        gain: Annotated[float, Field(ge=1e-15, le=1e15)] | None = None,
        read_noise: Annotated[float, Field(ge=0, le=1e15)] = 0.0,
        black: Annotated[float, Field(ge=0, le=1e15)] = 0.0,
    ) -> None:
        self._said, self.gain = gain is not None, GAIN if gain is None else gain
        self.read_noise, self.black = read_noise, black

    @property
    def known(self) -> bool:
        return True

    @property
    def _otherwise(self) -> str:
        said = {"gain": self._said, "read_noise": bool(self.read_noise), "black": bool(self.black)}
        return otherwise(**said)

    @property
    def _more(self) -> float:
        """b, of which counts have the variance that reading adds."""
        return self.read_noise**2 / self.gain

    @property
    def std(self) -> float:
        """√(g/2 + r²), the standard deviation at a grey value of ½."""
        return math.sqrt(self.gain / 2 + self.read_noise**2)

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        """That of g/scale, where nothing is moved: ℓ has one power of y."""
        own = copy.copy(self)
        own.gain = self.gain if self._said else scale * GAIN
        if self.black and float(offset.max()) > self.black / 2:
            log.warning(
                "poisson: black=%g is taken off y, and is no part of x, whose range begins at %g. "
                "Try: range=(0, …), of light alone",
                *(self.black, float(offset.max())),
            )
        if bool((offset != 0).any()):
            return of_numbers(own, scale, offset)
        for name in ("gain", "read_noise", "black"):
            setattr(own, name, getattr(own, name) / scale)
        return own

    def expected(self, Ax: Tensor) -> Tensor:
        return Ax + self.black if self.black else Ax

    def measured(self, y: Tensor) -> Tensor:
        return y - self.black if self.black else y

    def check(self, y: Tensor) -> None:
        self._require_light(y)
        most = float(y.max()) - self.black
        if not self._said:
            largest = f"{math.ceil(most):.15g}" if most > 1 else "…"
            raise BadInputError(
                "Of counts that were measured, noise 'poisson' needs to know what one of them adds "
                "to y.",
                got=f"y up to {float(y.max()):.6g}",
                try_=f"gain=1 with range=(0, {largest}) where y are counts, 0 to the largest that "
                "x expects; or gain=…, 1 over the photons at white",
            )
        if 0 < most < self.gain / 2:
            log.warning(
                "poisson: y is at most %.3g%s, and a single count is gain=%g. Where y are counts "
                "in whole numbers of 8 or 16 bits: range=(0, …), up to the largest that x expects; "
                "without a range they are brightness. Else: a smaller gain",
                *(most, " above black" if self.black else "", self.gain),
            )

    def _require_light(self, y: Tensor) -> None:
        """Raise BadInputError where y is complex or below what is read without light, and where
        reading explains that warn of what it doesn't."""
        if y.is_complex() or not self.read_noise:
            way = f"y.clip({self.black:g}); read_noise=…, of a camera"
            way += "" if self.black else " whose black was subtracted"
            _require_counts(y, "y", f"{way}; or {self._otherwise}", least=self.black)
            return
        low, high = float(y.min()), float(y.max())
        dark = float((y < self.black - DARK * self.read_noise).double().mean())
        if dark > HALF:
            raise BadInputError(
                "By its black and read_noise most of y was read without light.",
                got=f"y from {low:.4g} to {high:.4g}, black={self.black:g}, "
                f"read_noise={self.read_noise:g}",
                try_="black=…, what is read without light, in units of y; range=(0, …) where y "
                "are whole numbers of 8 or 16 bits, which are brightness without one",
            )
        if dark > RARE:
            log.warning(
                "poisson: %.3g%% of y is more than %g times the read_noise %g below %s, down to "
                "%.4g. Try: black=…, what is read without light, or a larger read_noise",
                *(100 * dark, DARK, self.read_noise, "black" if self.black else "0", low),
            )
        shown = float(y.std())
        if self.read_noise > LOUD * shown:
            log.warning(
                "poisson: read_noise=%g is more noise than y shows, whose values have a standard "
                "deviation of %.3g. Try: read_noise in units of y",
                *(self.read_noise, shown),
            )

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        _require_counts(
            Ax,
            "A x",
            "an operator without negative entries; x of what is counted, which is at least 0; or "
            f"{self._otherwise}",
            ways=[{"op": "identity"}],
        )
        found = self.black + self.gain * streams.poisson(Ax.flatten(1) / self.gain)
        if self.read_noise:
            reading = replace(streams, purpose=f"{streams.purpose} reading")
            found = found + self.read_noise * reading.normal(found.shape[1])
        return found.view(Ax.shape).to(Ax.device, Ax.dtype)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # Below 0 of a unit that was changed, by 1e-9, or by reading.
        more, told = self._more, (self.measured(y.double()) + self._more).clamp_min(0.0)
        value, gradient = divergence(Ax.double() + more, told, self.gain)
        return (1 + more) * sums(value), ((1 + more) * gradient).to(Ax.dtype)

    def weights(self, Ax: Tensor) -> Tensor:
        """(g + r²)/(g·A x + r²), the inverse of the variance of y in parts of σ²."""
        more = self._more
        return (1 + more) / (Ax + more).clamp_min(max(more, LEAST * self.gain))

    @property
    def _ends(self) -> tuple[float, float]:
        """F(c) and F(c + 1)."""
        dark = 3 / 8 * self.gain**2 + self.read_noise**2
        return math.sqrt(dark), math.sqrt(self.gain + dark)

    @property
    def stabilized_std(self) -> float:
        return sum(self._ends) / 2  # g/2 over their difference, which is g over their sum

    def stabilize(self, y: Tensor) -> Tensor:
        """By F² − F(c)² = g·(y − c): the difference of F may be a small part of it."""
        low, high = self._ends
        light = self.measured(y).clamp_min(-(low**2) / self.gain)
        root = (self.gain * light + low**2).clamp_min(0.0).sqrt()
        return light * (low + high) / (root + low)

    def restore(self, v: Tensor) -> Tensor:
        """g·λ, λ the count whose E F is v, by a series in 1/D, D = 2F/g; from λ = 0 on."""
        low, high = self._ends
        rise = v / (low + high)
        rise = rise.clamp_min(math.sqrt(3 / 8) - low / self.gain)
        D = 2 * (rise + low / self.gain)
        series = 1 / 4 + math.sqrt(3 / 2) * (1 / (4 * D) + 5 / (8 * D**3)) - 11 / (8 * D**2)
        return self.gain * (rise * (rise + 2 * low / self.gain) + series).clamp_min(0.0)

    @property
    def energy(self) -> float:
        """g + r² per entry: twice the divergence of n counts is about χ² with n degrees, by g."""
        return self.entries * (self.gain + self.read_noise**2)

    def expected_misfit(self, Ax: Tensor) -> Tensor:
        """σ²·Σ e(A x/g), e(λ) that of counts of the mean λ, read, in units of σ²: without reading
        from 0 at λ = 0 over 1.13 at 2 to 1 of many. Of what isn't seen A x = 0."""
        of_noise = of_reading(self.read_noise / self.gain)
        found = over_seen(lambda a: of_noise(a / self.gain), Ax, self.entries)
        return (self.gain + self.read_noise**2) * found


def _require_counts(
    values: Tensor,
    what: str,
    try_: str,
    ways: Iterable[Mapping[str, object]] = (),
    *,
    least: float = 0.0,
) -> None:
    if values.is_complex() or float(values.min()) < least:
        lowest = "" if values.is_complex() else f"values down to {float(values.min()):.4g}"
        bound = f"below black={least:g}" if least else "negative"
        raise BadInputError(
            f"Poisson noise is about counts: {what} must not be {bound}.",
            got=lowest or "complex values",
            try_=try_,
            ways=ways,
        )
