"""ℓ: how measurements scatter around A(x), and what a misfit costs."""

from __future__ import annotations

import copy
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

    def rescaled(self, scale: float, offset: Tensor) -> Noise | None:
        """This noise where what is given as A x and as y is (A x − offset)/scale, and y likewise
        where it has the ``same_units``; offset (1, *y_shape), float64. None for what
        :func:`.rescaled.of_numbers` makes of any noise.

        It is the noise of the same problem in [0, 1]: its misfit is in the unit σ² in which it is
        ‖A x − y‖² to second order where what is given as A x is 1.
        """
        return None

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
