"""The user's units: an affine map between the values of images and [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from priorkit.errors import BadInputError

__all__ = ["Range"]


@dataclass(frozen=True)
class Range:
    """The values that are 0 and 1 inside: x = lo + (hi − lo)·x′, such as those of Hounsfield
    units, (−1024, 3071), or of 12 bits, (0, 4095).

    Raises BadInputError unless both are finite and lo is below hi.

    >>> import torch
    >>> Range(-1024, 3071).inside(torch.tensor([-1024.0, 3071.0])).tolist()
    [0.0, 1.0]
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lo) and math.isfinite(self.hi) and self.lo < self.hi):
            raise BadInputError(
                "range is (lo, hi), two finite numbers, the lower one first.",
                got=(self.lo, self.hi),
                try_="range=(0, 4095), or range='auto'",
            )

    @property
    def scale(self) -> float:
        """hi − lo, of one step from 0 to 1."""
        return self.hi - self.lo

    def inside(self, x: Tensor) -> Tensor:
        """Values in the user's units, as those of [0, 1]."""
        return (x - self.lo) / self.scale

    def outside(self, x: Tensor) -> Tensor:
        """Values of [0, 1] in the user's units."""
        return self.lo + self.scale * x
