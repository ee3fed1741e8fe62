"""ℓ: how measurements scatter around A(x), and what a misfit costs."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces.component import Component
from priorkit.linear import energy
from priorkit.streams import Streams

__all__ = ["GaussianNoise", "Level", "Noise"]

MOST = 1e15  # its square, for as many entries as there may be, is a number in float32


@dataclass(frozen=True)
class Level:
    """How much noise: ``sigma`` per entry, or ``noise_norm`` = √E‖η‖² over all entries.

    ``estimated`` says that it was taken from y: nothing can be concluded then from a small
    difference between a misfit and it. Raises BadInputError for what no noise can have.

    >>> Level(noise_norm=0.1).std(entries=100)
    0.01
    """

    sigma: float | None = None
    noise_norm: float | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        for name in ("sigma", "noise_norm"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MOST:
                raise BadInputError(f"{name} is from 0 to {MOST:g}.", got=value)

    @property
    def known(self) -> bool:
        """Whether anything is said."""
        return self.sigma is not None or self.noise_norm is not None

    def std(self, entries: int) -> float:
        """Standard deviation per entry of a measurement with that many noisy entries."""
        if self.sigma is not None:
            return self.sigma
        return (self.noise_norm or 0.0) / math.sqrt(max(entries, 1))


class Noise(Component, ABC):
    """A distribution of y given A(x), and the misfit ℓ that belongs to it.

    ℓ is −2σ² log p(y | A x), less its minimum, so that it agrees to second order with the
    plain sum of squares ‖A x − y‖² of Gaussian noise; γ then means the same for every noise.
    ``level`` says how much noise there is, ``entries`` how many numbers of y are measured.
    """

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

    def check(self, y: Tensor) -> None:
        """Raise BadInputError where a user's y has values that this noise can't give."""

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
        """E ℓ(A x, y) at the true x: below it, only noise is fitted."""


class GaussianNoise(Noise):
    """Noise whose misfit is ‖A x − y‖² exactly, for solvers that know no other."""

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        residual = Ax - y
        return energy(residual), 2 * residual

    @property
    def energy(self) -> float:
        return self.entries * self.std**2
