"""The field of view: an image in the middle of a larger plane, around which there is nothing."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType

from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.pictures import dimensions

__all__ = ["View"]

WIDEST = 8  # times the image's side, of a field of view


@dataclass(frozen=True)
class View:
    """Where an image lies in a field of view: the pixel side // 2 of any side is in the middle.

    ``within`` picks the image, None where it is as large; ``around`` are the numbers of zeros
    before and after it, of the last axis first.
    """

    within: tuple[EllipsisType | slice, ...] | None
    around: tuple[int, ...]

    @classmethod
    def of(cls, sides: Shape, field: Shape) -> View:
        """Of an image with these sides. Raises BadInputError for a field that doesn't hold it, or
        is wider than ``WIDEST`` times the image."""
        if len(field) != len(sides) or not all(
            a <= b <= WIDEST * a for a, b in zip(sides, field, strict=True)
        ):
            raise BadInputError(
                f"The field of view holds the image, of {dimensions(sides)}, and is at most "
                f"{WIDEST} times as wide.",
                got=dimensions(field),
                try_="shape=… of the image, field=… of the spectrum",
            )
        starts = [b // 2 - a // 2 for a, b in zip(sides, field, strict=True)]
        within = [slice(i, i + a) for i, a in zip(starts, sides, strict=True)]
        around = zip(reversed(starts), reversed(sides), reversed(field), strict=True)
        widths = tuple(width for i, a, b in around for width in (i, b - a - i))
        return cls((..., *within) if field != sides else None, widths)

    def padded(self, x: Tensor) -> Tensor:
        """Images (…, *sides) with zeros around them, (…, *field)."""
        return x if self.within is None else F.pad(x, self.around)

    def cut(self, x: Tensor) -> Tensor:
        """The image in the middle of the field, (…, *field) → (…, *sides)."""
        return x if self.within is None else x[self.within]
