"""Numbers as brightness in [0, 1]: whole numbers by their type, or any by the range they are in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces.units import Range
from priorkit.io.arrays import require_finite

__all__ = [
    "MISSING",
    "PLAIN",
    "WHITE",
    "BeyondError",
    "Scaling",
    "check_range",
    "ends",
    "extent",
    "scaled",
    "white_of",
]

log = logging.getLogger("priorkit")

WHITE = {torch.bool: 1, torch.uint8: 255, torch.uint16: 65535}  # the number that means 1.0
WIDE = {torch.float64, torch.int32, torch.int64, torch.uint32, torch.uint64}
BITS = (8, 10, 12, 14, 16)
# What to do with x that holds NaN where nothing is known.
MISSING = (
    'y=…, the same numbers, with op="mask" and mask=numpy.isfinite(x), which takes them for a '
    "measurement with holes"
)
AUTO, CLIPPED = "or range='auto'", "or range=(0, 1) and clip=True"
NEAR = 1e-3  # by which rounding may leave [0, 1]
MOST, LOST = 0.5, 0.99  # of the values of an image, from which on clipping is doubted, or refused


class BeyondError(BadInputError):
    """Numbers outside of the range of brightness that is said, or that needs to be: from the least
    to the greatest, ``ends``; ``advice`` says what to try for such."""

    def __init__(
        self,
        what: str,
        ends: tuple[float, float],
        advice: Callable[[float, float], str],
        dtype: str = "",
    ) -> None:
        low, high = ends
        got = f"values from {low:.6g} to {high:.6g}"
        super().__init__(what, got=", ".join(filter(None, [dtype, got])), try_=advice(low, high))
        self.ends, self.advice, self.dtype = ends, advice, dtype

    @classmethod
    def of_all(cls, errors: Collection[Exception]) -> Self | None:
        """The error for all files of several, each of which has one: what is advised is for all.
        None where some have another, or there are none."""
        own = [error for error in errors if isinstance(error, BeyondError)]
        if not own or len(own) < len(errors):
            return None
        low, high = (min(e.ends[0] for e in own), max(e.ends[1] for e in own))
        return cls(own[0].what, (low, high), own[0].advice, own[0].dtype)


@dataclass(frozen=True)
class Scaling:
    """What numbers mean: brightness by their type, or where there is a ``range`` the numbers that
    they are, of which lo is 0 and hi is 1. With ``clip``, those outside become the nearest inside.
    ``of`` is the name of their file, for warnings, if they have one; None where nothing is to be
    warned of, since they are looked at again.
    """

    range: Range | None = None
    clip: bool = False
    of: str | None = ""

    def warn(self, words: str, *values: object) -> None:
        """Log a warning that names the file, if there is one."""
        if self.of is not None:
            log.warning(f"{'%s: ' if self.of else '%s'}{words}", self.of, *values)

    def inside(self, x: Tensor) -> Tensor:
        """Numbers as floats in [0, 1]. Raises BadInputError as :func:`scaled`; where there is a
        range also for NaN, for complex numbers, and for those outside it, unless they are clipped.
        """
        if self.range is None:
            if x.dtype == torch.uint16:
                self._question_depth(x)
            return scaled(x)
        if x.is_complex():
            raise BadInputError(
                "A range is one of real numbers.", got="complex ones", try_="x / abs(x).max()"
            )
        x = x.double() if x.dtype in WIDE else x.float()
        require_finite(x, "A picture", MISSING)
        if not self.clip:
            self._require_inside(x)
        made = self.range.inside(x)
        if not self.clip:
            return made
        if count := int(((made < 0) | (made > 1)).sum()):
            self._question_clipped(x, count)
        return made.clamp(0, 1)

    def _question_clipped(self, x: Tensor, count: int) -> None:
        """Warn of values that are clipped, of most with the range that holds them. Raises
        BadInputError where next to nothing else is left."""
        assert self.range is not None
        if count > LOST * x.numel():
            raise BeyondError(
                f"clip leaves next to nothing of it: {count:,} of {x.numel():,} values lie outside "
                f"of ({self.range.lo:g}, {self.range.hi:g}).",
                _ends(x),
                lambda low, high: f"{_range(low, high)} and no clip",
            )
        most = f" Try: {_range(*_ends(x))}, which holds them all" * (count > MOST * x.numel())
        self.warn("clip: %d of %d values lay outside the range.%s", count, x.numel(), most)

    def _question_depth(self, x: Tensor) -> None:
        """Warn of numbers of 16 bits of which so few are used that they seem to be of fewer."""
        high = _ends(x)[1] if x.numel() else 0
        white = white_of(high)
        if high > 1 and white is not None and white < 2**14:
            self.warn(
                "Numbers of 16 bits are brightness up to 65535, and the brightest here is %d: the "
                "picture is nearly black. Try: range=(0, %d), if it has %d bits",
                *(high, white, white.bit_length()),
            )

    def _require_inside(self, x: Tensor) -> None:
        assert self.range is not None
        slack = NEAR * self.range.scale
        outside = (x < self.range.lo - slack) | (x > self.range.hi + slack)
        if count := int(outside.sum()):
            raise BeyondError(
                f"The range is ({self.range.lo:g}, {self.range.hi:g}), and {count:,} of "
                f"{x.numel():,} values lie outside.",
                _ends(x),
                _wider,
            )


PLAIN = Scaling()
UNSAID = (
    "Pictures are bool, uint8, uint16, or float in [0, 1], unless range says in which numbers "
    "they are."
)


def scaled(x: Tensor) -> Tensor:
    """Brightness as floats: bool, uint8 and uint16 from 0 … 1, 255 and 65535 to [0, 1]; floats as
    they are. No other function converts brightness. Raises BadInputError for other types.

    >>> scaled(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    if x.dtype in WHITE:
        return x.float() / WHITE[x.dtype]
    if not x.is_floating_point() and x.numel():
        name = f"{x.dtype}".removeprefix("torch.")
        if x.is_complex():
            raise BadInputError(UNSAID, got=name)
        raise BeyondError(UNSAID, _ends(x), _whole_numbers, name)
    return x


def check_range(x: Tensor) -> None:
    """Raise BadInputError unless all values are finite and within [0, 1]."""
    require_finite(x, "A picture", MISSING)
    low, high = float(x.min()), float(x.max())
    if low < -NEAR or high > 1 + NEAR:
        said = "Pixels must lie in [0, 1], unless range says in which numbers they are."
        raise BeyondError(said, (low, high), _to_unit)


def extent(parts: list[tuple[float, float] | None]) -> Range:
    """The range of several images together, of the least and the greatest value of each; None of
    one without a finite value. Raises BadInputError where all are the same number."""
    ends = [part for part in parts if part is not None]
    if not ends:
        raise BadInputError("range='auto' needs values that are finite.", try_="range=(lo, hi)")
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    if low == high:
        raise BadInputError(
            "range='auto' is from the least to the greatest value.",
            got=f"{low:g} everywhere",
            try_="range=(lo, hi)",
        )
    return Range(low, high)


def ends(x: Tensor) -> tuple[float, float] | None:
    """The least and the greatest of the finite values; None where there are none."""
    finite = x[torch.isfinite(x)] if x.is_floating_point() else x.flatten()
    if not finite.numel():
        return None
    return _ends(finite)


def white_of(high: float) -> int | None:
    """The largest number of as many bits as ``high`` seems to need; None beyond 16."""
    return next((2**bits - 1 for bits in BITS if high <= 2**bits - 1), None)


def _ends(x: Tensor) -> tuple[float, float]:
    wide = x.to(torch.int64) if not x.is_floating_point() else x
    return float(wide.min()), float(wide.max())


def _wider(low: float, high: float) -> str:
    said = f"range=({low:.6g}, {high:.6g})"
    return f"{said}, range='auto', or clip=True, which makes them the nearest inside"


def _whole_numbers(low: float, high: float) -> str:
    return f"{_range(low, high)}, or an array of floats for a measurement in units of its own"


def _to_unit(low: float, high: float) -> str:
    return f"{_range(low, high)}, {CLIPPED if low > -NEAR and high <= 2 else AUTO}"


def _range(low: float, high: float) -> str:
    """The setting for such values: by the number of bits that they seem to have, else theirs."""
    white = white_of(high) if low >= 0 and high > 2 else None
    if white is not None:
        return f"range=(0, {white})"
    return f"range=({low:.6g}, {high:.6g})" if low < high else "range=(lo, hi)"
