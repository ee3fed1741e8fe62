"""A noise in another unit: that of a user's range, brought to images in [0, 1]."""

from __future__ import annotations

import math
from typing import Self

from torch import Tensor

from priorkit.interfaces.noise import Noise, StabilizedNoise, WeightedNoise
from priorkit.streams import Streams

__all__ = ["of_numbers", "rescale"]


def rescale(noise: Noise, scale: float, offset: Tensor) -> Noise:
    """A noise where what is given as A x is (A x − offset)/scale, see :meth:`Noise.rescaled`."""
    own = noise.rescaled(scale, offset)
    return of_numbers(noise, scale, offset) if own is None else own


def of_numbers(noise: Noise, scale: float, offset: Tensor) -> Noise:
    """That of any noise, by its own numbers: ℓ over scale², which is the unit where ℓ/σ² is a
    function of (A x − y)/σ.

    Of a WeightedNoise, whose variance depends on A x, ℓ is over scale²·w, w the mean weight where
    what is given as A x is 1; ``std`` is the deviation where that is ½. Of a y with units of its
    own w is 1, and ``std`` that of the same y, since they aren't changed.
    """
    if isinstance(noise, StabilizedNoise):
        return _StabilizedOfNumbers(noise, scale, offset)
    if isinstance(noise, WeightedNoise):
        return _WeightedOfNumbers(noise, scale, offset)
    return _OfNumbers(noise, scale, offset)


class _OfNumbers(Noise):
    """A noise of another's numbers: ℓ′(a, b) = ℓ(offset + scale·a, offset + scale·b)/unit, with
    b as it is where y hasn't the units of A x."""

    def __init__(self, noise: Noise, scale: float, offset: Tensor) -> None:
        self.noise, self.scale, self.offset = noise, scale, offset
        self.unit = scale**2
        self.same_units, self.centred = noise.same_units, noise.centred
        self.level, self.entries = noise.level.over(scale), noise.entries
        self.provenance = noise.provenance

    def bind(self, entries: int) -> Self:
        bound = super().bind(entries)
        bound.noise = self.noise.bind(entries)
        return bound

    @property
    def known(self) -> bool:
        return self.noise.known

    @property
    def std(self) -> float:
        return self.noise.std / self.scale

    @property
    def typical_weight(self) -> float:
        return self.noise.typical_weight

    @property
    def energy(self) -> float:
        return self.noise.energy / self.unit

    def expected_misfit(self, Ax: Tensor) -> Tensor:
        return self.noise.expected_misfit(self._outside(Ax)) / self.unit

    def expected(self, Ax: Tensor) -> Tensor:
        return self._inside(self.noise.expected(self._outside(Ax)), self.same_units)

    def measured(self, y: Tensor) -> Tensor:
        return self._inside(self.noise.measured(self._said(y)))

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        return self._inside(self.noise.sample(self._outside(Ax), streams), self.same_units)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self.noise.misfit(self._outside(Ax), self._said(y))
        return value / self.unit, gradient * (self.scale / self.unit)

    def _outside(self, values: Tensor) -> Tensor:
        return self.offset.to(values) + self.scale * values

    def _inside(self, values: Tensor, moved: bool = True) -> Tensor:
        return (values - self.offset.to(values)) / self.scale if moved else values

    def _said(self, y: Tensor) -> Tensor:
        """y as the noise has it."""
        return self._outside(y) if self.same_units else y


class _WeightedOfNumbers(_OfNumbers, WeightedNoise):
    """The same of a noise that is near to squares: its unit is scale² times the weight at 1."""

    noise: WeightedNoise

    def __init__(self, noise: WeightedNoise, scale: float, offset: Tensor) -> None:
        super().__init__(noise, scale, offset)
        self.gray: float | None = None  # the weight at ½, where y has the units of A x
        if self.same_units:
            white = self._mean_weight(1.0)
            self.unit, self.gray = white * scale**2, self._mean_weight(0.5) / white

    @property
    def std(self) -> float:
        """Where y has the units of A x √(σ²/w), the deviation at ½."""
        if self.gray is None:
            return super().std
        variance = self.energy / max(self.entries, 1) if self.known else 0.0
        return math.sqrt(variance / self.gray)

    @property
    def typical_weight(self) -> float:
        return self.noise.typical_weight if self.gray is None else self.gray

    def weights(self, Ax: Tensor) -> Tensor:
        return self.noise.weights(self._outside(Ax)) * (self.scale**2 / self.unit)

    def _mean_weight(self, at: float) -> float:
        """The noise's own weight where A x is ``at`` here."""
        return self._typical(self.noise.weights(self.offset.real + self.scale * at))

    def _typical(self, values: Tensor) -> float:
        """The mean over the entries that are moved, if any are: a mask moves no others."""
        moved = self.offset != 0
        return float((values[moved] if bool(moved.any()) else values).double().mean())


class _StabilizedOfNumbers(_WeightedOfNumbers, StabilizedNoise):
    """The same of a noise that a function stabilizes: f′(b) = (f(offset + scale·b) − f₀)/(f₁ − f₀),
    f₀ and f₁ what f is of A x = 0 and of 1 here."""

    noise: StabilizedNoise

    def __init__(self, noise: StabilizedNoise, scale: float, offset: Tensor) -> None:
        super().__init__(noise, scale, offset)
        black, white = (
            self._typical(noise.stabilize(noise.expected(offset.real + scale * at)))
            for at in (0.0, 1.0)
        )
        self.black, self.width = black, white - black

    @property
    def stabilized_std(self) -> float:
        return self.noise.stabilized_std / self.width

    def stabilize(self, y: Tensor) -> Tensor:
        return (self.noise.stabilize(self._said(y)) - self.black) / self.width

    def restore(self, v: Tensor) -> Tensor:
        return self._inside(self.noise.restore(self.black + self.width * v))
