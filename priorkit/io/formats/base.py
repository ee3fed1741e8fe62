"""What a format of files is: which arrays a file holds, by its header, and one part of one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from priorkit.errors import BadInputError

__all__ = [
    "AXES",
    "MAX_NUMBERS",
    "ORIENTATION",
    "SCANNED",
    "STACKED",
    "Format",
    "Geometry",
    "Part",
    "Writable",
    "usual_axes",
]

MAX_NUMBERS = 50_000_000  # that are read of a file, as many as an image may have
STACKED = ("frame", "slice")  # axes along which images lie behind one another
SCANNED = ("row", "column", "slice", "frame")  # axes of scans, in the order of those who scan
AXES = ("frame", "slice", "channel", "row", "column")  # of arrays that nothing is told of
ORIENTATION = 0x0112  # the tag of EXIF and of TIFF that says how a picture is turned


def usual_axes(count: int) -> tuple[str, ...]:
    """What as many axes mostly are, at most five, where a file doesn't say."""
    usual = {1: ("column",), 3: ("slice", "row", "column")}
    return usual.get(count, AXES[len(AXES) - count :])


@dataclass(frozen=True)
class Part:
    """An array in a file, as the header has it: nothing of it is decoded yet.

    Attributes
    ----------
    name : of the dataset; "" where the format has no names
    shape, dtype : of the whole array; the type is that of the numbers in the file
    axes : of each axis one of "frame", "slice", "channel", "row" and "column"
    told : whether the format says what the axes are; else they are the usual ones for as many
    opacity : whether the last channel is one
    turn : how rows and columns are to be turned, in EXIF's numbers for it; 1 is upright
    negative : whether the file says that 0 is white
    bits : of a number, where they are fewer than its type has
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[str, ...]
    told: bool = True
    opacity: bool = False
    turn: int = 1
    negative: bool = False
    bits: int | None = None

    def extent(self, axis: str) -> int:
        """How long an axis is; 1 where there is none of that name."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def left(self, at: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of what is left where some axes have one index each."""
        return tuple(n for n, axis in zip(self.shape, self.axes, strict=True) if axis not in at)

    def index(self, at: Mapping[str, int]) -> tuple[int | slice, ...]:
        """The index into the whole array."""
        return tuple(at.get(axis, slice(None)) for axis in self.axes)

    def require_small(self, path: Path, at: Mapping[str, int]) -> None:
        """Raise BadInputError where what is picked has no numbers or too many."""
        count = math.prod(self.left(at))
        if count > MAX_NUMBERS:
            size = "×".join(map(str, self.left(at)))
            raise BadInputError(
                f"{path} holds more than {MAX_NUMBERS // 1_000_000} million numbers.", got=size
            )
        if not count:
            raise BadInputError(f"{path} holds an array without numbers.", got=self.shape)


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of an image lie among those of the file that it was made of.

    Row r is at ``top`` + (r + ½)·``rows`` − ½ of the file's rows, and columns likewise: what a crop
    and a resize leave of a grid. ``at`` has the indices that were picked.
    """

    top: float = 0.0
    left: float = 0.0
    rows: float = 1.0
    columns: float = 1.0
    at: tuple[tuple[str, int], ...] = ()

    @property
    def first(self) -> tuple[float, float]:
        """Where the first row and column are, in rows and columns of the file."""
        return self.top + self.rows / 2 - 0.5, self.left + self.columns / 2 - 0.5


class Format(ABC):
    """A format of files. Its package is imported where a file is opened, and not before.

    Attributes
    ----------
    title : a file of it, in words
    package : what reads it, in words
    suffixes : the ends of its names
    """

    title: ClassVar[str]
    package: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def parts(self, path: Path) -> list[Part]:
        """The arrays of numbers in a file, by its headers alone. Raises anything for a bad one."""

    @abstractmethod
    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        """The numbers of a part, in the units that the file states, at some indices of its axes:
        those that are left keep their order. Raises anything for a bad file."""


class Writable(Format):
    """A format whose files know where their pixels lie."""

    suffix: ClassVar[str]  # of what is written
    single: ClassVar[bool] = False  # whether a file has one slice, so that a volume is several

    @abstractmethod
    def header(self, path: Path, part: Part) -> object:
        """What of a file goes into one that is made like it."""

    @abstractmethod
    def encode(self, values: np.ndarray, header: object, geometry: Geometry) -> bytes:
        """A file with these ``values`` (H, W) or (slices, H, W), as one with that header was.

        Raises anything where it can't be made.
        """
