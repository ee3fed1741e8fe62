"""The user's units: an affine map between them and [0, 1], where all computing is done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from priorkit.errors import BadInputError

__all__ = ["Range", "Units"]

MOST = 1e150  # its square is a number


@dataclass(frozen=True)
class Range:
    """The values that are 0 and 1 inside: x = lo + (hi − lo)·x′, such as those of Hounsfield
    units, (−1024, 3071), or of 12 bits, (0, 4095).

    Raises BadInputError unless both are finite, at most ``MOST`` in size, and lo is below hi.

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
        if max(-self.lo, self.hi) > MOST:
            raise BadInputError(
                f"The values of a range are from {-MOST:g} to {MOST:g}.",
                got=f"range={(self.lo, self.hi)}",
            )

    @classmethod
    def of(cls, ends: Any) -> Range:
        """The range that somebody said, two numbers. Raises BadInputError."""
        try:
            lo, hi = map(float, () if isinstance(ends, str) else ends)
        except (TypeError, ValueError) as error:
            raise BadInputError(
                "range is (lo, hi), two numbers, or 'auto'.",
                got=repr(ends)[:60],
                try_="range=(0, 4095)",
            ) from error
        return cls(lo, hi)

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


@dataclass(frozen=True)
class Units:
    """The user's units of x and of y, for a linear A:

        x = lo + (hi − lo)·x′,   y = A(lo) + (hi − lo)·y′,   so that y′ = A(x′) + noise.

    Attributes
    ----------
    range : of x
    offset : A(lo), (1, *y_shape); None where y isn't moved, as counts behind an exponential are
    """

    range: Range = Range(0.0, 1.0)
    offset: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether the user's units are those of images in [0, 1]."""
        return self.range == Range(0.0, 1.0)

    @property
    def bounds(self) -> str:
        """The range as people write it."""
        return f"[{self.range.lo:g}, {self.range.hi:g}]"

    def y_inside(self, y: Tensor) -> Tensor:
        """Measurements in the user's units, (B, *y_shape), as those of images in [0, 1]."""
        return y if self.offset is None else (y - self.offset.to(y.device)) / self.range.scale

    def y_outside(self, y: Tensor) -> Tensor:
        """Measurements of images in [0, 1], in the user's units, so exactly (in float64) that
        they can be brought back."""
        if self.offset is None:
            return y
        wide = y.to(torch.complex128 if y.is_complex() else torch.float64)
        return self.offset.to(wide) + self.range.scale * wide
