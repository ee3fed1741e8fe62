"""ℓ: how measurements scatter around A(x), and what a misfit costs."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from priorkit.interfaces.component import Component
from priorkit.interfaces.level import Level
from priorkit.linear import energy
from priorkit.streams import Streams

__all__ = ["GaussianNoise", "Noise", "StabilizedNoise", "WeightedNoise"]


class Noise(Component, ABC):
    """A distribution of y given A(x), and the misfit ℓ that belongs to it.

    ℓ is −2σ² log p(y | A x), less its minimum, so that it agrees to second order with the
    plain sum of squares ‖A x − y‖² of Gaussian noise; γ then means the same for every noise. Of
    complex y, each part of which has half of the variance, it is −σ² log p(y | A x).
    Where y isn't A x in the mean, y stands there for what it says of A x.
    ``level`` says how much noise there is, ``entries`` how many numbers of y are measured.
    ``same_units`` says that y has the units of A x: where x is moved and scaled, so is y.
    ``centred`` says that ℓ is least where y is as expected. That of a likelihood whose variance
    depends on A x isn't: ln v(A x) moves it, by about half of v's derivative.
    """

    same_units: bool = True
    centred: bool = True
    level: Level = Level()
    entries: int = 1

    def bind(self, entries: int) -> Self:
        """A copy for measurements with that many entries that are seen."""
        bound = copy.copy(self)
        bound.entries = entries
        return bound

    @property
    def known(self) -> bool:
        """Whether the amount of noise is known."""
        return self.level.known

    @property
    def std(self) -> float:
        """A typical standard deviation per entry: what defaults and denoisers are told."""
        return self.level.std(self.entries)

    @property
    def typical_weight(self) -> float:
        """w of ℓ ≈ w·(A x − y)² at an entry whose standard deviation is ``std``, by which a γ that
        is right for Gaussian noise of as much is multiplied: counts of a gray pixel weigh twice as
        much as those of a white one."""
        return 1.0

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        """This noise where what is given as A x and as y is (A x − offset)/scale, and y likewise
        where it has the ``same_units``; offset (1, *y_shape), float64.

        It is the noise of the same problem in [0, 1]: its misfit is in the unit σ² in which it is
        ‖A x − y‖² to second order where what is given as A x is 1. Here ℓ is taken over scale²,
        which is that unit where ℓ/σ² is a function of (A x − y)/σ. Where the variance depends on
        A x, derive from WeightedNoise, whose weights tell how much ℓ weighs there.
        """
        return _Rescaled(self, scale, offset)

    def expected(self, Ax: Tensor) -> Tensor:
        """E[y | A x], (B, *y_shape) → the same: A x itself, unless a detector bends it, as where
        it counts what passes through."""
        return Ax

    def measured(self, y: Tensor) -> Tensor:
        """What y says of A x, entry by entry, the inverse of :meth:`expected`: what starts and
        reports take for y."""
        return y

    def check(self, y: Tensor) -> None:
        """Raise BadInputError where a user's y has values that this noise can't give, or needs
        what wasn't said."""

    @abstractmethod
    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        """y ~ p(· | A x), (B, *y_shape) → the same; row i from row i of the streams.

        Raises BadInputError where A x has values that this noise can't have.
        """

    @abstractmethod
    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """ℓ(A x, y) per image in float64, (B,), and its gradient with respect to A x."""

    @property
    @abstractmethod
    def energy(self) -> float:
        """E ℓ(A x, y) where every entry of the true A x is 1, or near it."""

    def expected_misfit(self, Ax: Tensor) -> Tensor:
        """E ℓ(A x, y) per image at the true A x (B, *y_shape), (B,) in float64: below it, only
        noise is fitted.

        That is ``energy`` at any A x, unless a noise says otherwise, as one of few counts does.
        """
        return torch.full((len(Ax),), self.energy, dtype=torch.float64, device=Ax.device)


class WeightedNoise(Noise):
    """Noise whose misfit is near Σ w·|A x − a|², a = measured(y), for solvers that know squares.

    w is that at the true A x: at an estimate of it, or where there is none at a itself, whose w
    goes with its noise. To these √w·a is a measurement with noise of the variance
    ``energy``/``entries``.
    """

    @property
    def typical_weight(self) -> float:
        """``energy``/``entries`` over the square of ``std``."""
        variance = self.entries * self.std**2 if self.known else 0.0
        return self.energy / variance if variance else 1.0

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        """As that of any noise, with ℓ over scale²·w, w the mean weight where what is given as A x
        is 1; ``std`` is the deviation where that is ½. Of a y with units of its own w is 1, and
        ``std`` that of the same y, since they aren't changed."""
        return _RescaledWeighted(self, scale, offset)

    @abstractmethod
    def weights(self, Ax: Tensor) -> Tensor:
        """w > 0 of every entry of A x (B, *y_shape), shaped as it and real: σ² over the variance
        of a, σ² = ``energy``/``entries``. With those at a the squares agree with ℓ to second order
        at A x = a, where it is ``centred``, and else curve as it does."""


class StabilizedNoise(WeightedNoise):
    """Noise of which a function f of y has the same amount everywhere, for solvers that remove
    white noise: f(y) is about N(f̄(A x), s²), whatever A x is.

    f goes from 0, where what is expected of A x = 0 was measured, to 1, where that of A x = 1 was.
    """

    @property
    @abstractmethod
    def stabilized_std(self) -> float:
        """s, the standard deviation of f(y)."""

    @abstractmethod
    def stabilize(self, y: Tensor) -> Tensor:
        """f(y), entry by entry."""

    @abstractmethod
    def restore(self, v: Tensor) -> Tensor:
        """The A x of which E f(y) is v: what is measured of it has that mean."""

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        """As that of a WeightedNoise, f as well."""
        return _RescaledStabilized(self, scale, offset)


class GaussianNoise(StabilizedNoise):
    """Noise whose misfit is ‖A x − y‖² exactly, for solvers that know no other."""

    def weights(self, Ax: Tensor) -> Tensor:
        return torch.ones_like(Ax.real)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        residual = Ax - y
        return energy(residual), 2 * residual

    @property
    def energy(self) -> float:
        return self.entries * self.std**2

    def rescaled(self, scale: float, offset: Tensor) -> Noise:
        own = copy.copy(self)
        own.level = self.level.over(scale)
        return own

    @property
    def stabilized_std(self) -> float:
        return self.std

    def stabilize(self, y: Tensor) -> Tensor:
        """y itself."""
        return y

    def restore(self, v: Tensor) -> Tensor:
        return v


class _Rescaled(Noise):
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


class _RescaledWeighted(_Rescaled, WeightedNoise):
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


class _RescaledStabilized(_RescaledWeighted, StabilizedNoise):
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
