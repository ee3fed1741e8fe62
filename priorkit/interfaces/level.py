"""How much noise there is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from priorkit.errors import BadInputError

__all__ = ["Level"]


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
            if value is not None and not 0 <= value < math.inf:
                raise BadInputError(f"{name} is a finite number from 0 on.", got=value)

    @property
    def known(self) -> bool:
        """Whether anything is said."""
        return self.sigma is not None or self.noise_norm is not None

    def std(self, entries: int) -> float:
        """Standard deviation per entry of a measurement with that many noisy entries."""
        if self.sigma is not None:
            return self.sigma
        return (self.noise_norm or 0.0) / math.sqrt(max(entries, 1))

    def over(self, scale: float) -> Level:
        """The level of what is ``scale`` times smaller."""
        sigma, norm = (None if v is None else v / scale for v in (self.sigma, self.noise_norm))
        return Level(sigma, norm, self.estimated)
