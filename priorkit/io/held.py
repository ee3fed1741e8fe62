"""What a file of several datasets, slices or frames holds, and the part of it that was picked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
from torch import Tensor

from priorkit.errors import BadInputError, PriorkitError, did_you_mean, needed
from priorkit.io.arrays import numbers
from priorkit.io.brightness import white_of
from priorkit.io.files import complaint
from priorkit.io.formats import Format, Geometry, Part, Tiff, Writable
from priorkit.io.formats.base import STACKED
from priorkit.io.places import Pick
from priorkit.io.sources import Source
from priorkit.io.values import dimensions

__all__ = ["LYING", "Held", "held", "indices", "positive", "quiet", "telling"]

log = logging.getLogger("priorkit")

LISTED = 6  # datasets that an error names
LYING = (5, 6, 7, 8)  # turns in which rows are columns, and in which each is then reversed
REVERSED = {"row": (3, 4, 7, 8), "column": (2, 3, 6, 7)}


@dataclass(frozen=True)
class Held:
    """Numbers of a file, what their axes are, and the file, where one can be made like it.

    ``told`` is false where the format doesn't say what axes mean and nobody did.
    """

    path: Path
    dataset: str
    numbers: Tensor
    axes: tuple[str, ...]
    told: bool = True
    opacity: bool = False
    source: Source | None = None

    def planes(self, *, volume: bool = False) -> Tensor:
        """The numbers as one picture (C, H, W), or one volume (C, D, H, W)."""
        x, axes = self.numbers, list(self.axes)
        depth = [axis for axis in axes if axis in STACKED][:1] if volume else []
        for missing in {"channel", "row", *(depth or ["slice"] if volume else [])} - set(axes):
            x, axes = x[None], [missing, *axes]
        order = ["channel", *(depth or ["slice"] if volume else []), "row", "column"]
        return x.permute([axes.index(axis) for axis in order]).contiguous()


def held(
    path: Path, format: Format, pick: Pick, *, stack: bool = False, any_: bool = False
) -> Held:
    """What ``pick`` says of a file, else what is the only one there.

    Parameters
    ----------
    stack : whether slices, or frames where there are none, may be read together
    any_ : whether everything of a dataset is meant where nothing is said, of any number of axes,
        where the format doesn't tell what they are

    Raises BadInputError where several are there, where there is no such one, for more numbers than
    an image may have, known before any is decoded, and for a file that is damaged.
    MismatchError without the package that reads it.
    """
    with telling(path, format):
        parts = format.parts(path)
    part = _dataset(path, parts, pick, any_)
    whole = not part.told and pick.slice is None and pick.frame is None and not stack
    at = {} if whole else indices(path, part, pick, stack=stack)
    part.require_small(path, at)
    header: object = None
    with telling(path, format):
        values = format.read(path, part, at)
        if values.shape != part.left(at):
            raise ValueError(
                f"numbers of the shape {values.shape}, and {part.left(at)} are promised"
            )
        if isinstance(format, Writable):
            header = format.header(path, part)
    axes = tuple(axis for axis in part.axes if axis not in at)
    told = part.told or not (whole or any_)
    values = positive(values, part, axes, path) if part.negative else values
    x = numbers(_upright(values, axes, part.turn), str(path))
    found = Held(path, part.name, x, axes, told, part.opacity)
    if not isinstance(format, Writable) or not {"row", "column"} <= set(axes):
        return found
    size = (part.extent("row"), part.extent("column"))
    size = size[::-1] if part.turn in LYING else size
    whole = values.dtype.kind in "ub"
    source = Source(path, format, (header,), Geometry(at=tuple(at.items())), size, whole)
    return replace(found, source=source)


def indices(path: Path, part: Part, pick: Pick, *, stack: bool) -> dict[str, int]:
    """The index of each axis of which one is taken: what was picked, and 0 of an axis of one.

    Raises BadInputError where several are there and none was picked, and for a pick that isn't.
    """
    stacked = [axis for axis in part.axes if axis in STACKED]
    said = {a: n for a, n in (("slice", pick.slice), ("frame", pick.frame)) if n is not None}
    if len(stacked) == len(said) == 1:  # of a single stack either word will do
        said = dict(zip(stacked, said.values(), strict=True))
    for axis, number in said.items():
        if axis not in stacked:
            raise BadInputError(
                f"{path} holds no several {axis}s.",
                got=f"{axis}={number}",
                try_=f"{path} as it is" if not stacked else f"{stacked[0]}={number}",
            )
        if number >= part.extent(axis):
            raise BadInputError(
                f"{path} holds {part.extent(axis)} {axis}s, counted from 0.",
                got=f"{axis}={number}",
                try_=f"{path}::{axis}={part.extent(axis) // 2}",
            )
    open_ = [axis for axis in stacked if axis not in said]
    kept = [axis for axis in ("slice", "frame") if axis in open_][:1] if stack else []
    several = [axis for axis in open_ if part.extent(axis) > 1 and axis not in kept]
    if several:
        counts = " of ".join(f"{part.extent(axis)} {axis}s" for axis in several)
        size = dimensions([part.extent("row"), part.extent("column")])
        middle = said | {axis: part.extent(axis) // 2 for axis in several}
        try_ = f"{path}::{Pick(dataset=pick.dataset, **middle)}"
        if not stack and len(open_) == 1:
            try_ += ", or kind='volume'"
            if path.name.lower().endswith(Tiff.suffixes) and len(part.shape) == 3:
                try_ += f", or {_as_channels(part)} where they are channels"
        raise BadInputError(f"{path} holds {counts} of {size}.", try_=try_)
    return said | {axis: 0 for axis in open_ if axis not in kept}


def positive(values: np.ndarray, part: Part, axes: tuple[str, ...], path: Path) -> np.ndarray:
    """Numbers of which 0 is white so that it is black, as Pillow makes those of 8 bits: whole ones
    by their bits, and floats in [0, 1], as brightness is. Of others black is any number: they are
    as they were, with a warning.

    Whole ones are turned about by the bits that the file says, which is logged; where so few of
    them are used that they seem to be fewer, as a warning."""
    if values.dtype.kind == "b":
        return ~values
    if values.dtype.kind == "u":
        black = (1 << (part.bits or 8 * values.dtype.itemsize)) - 1
    elif values.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1:
        black = 1
    else:
        log.warning(
            "%s says that 0 is white (WhiteIsZero), and not what black is: its numbers are taken "
            "as they are, as if greater ones were brighter.",
            path.name,
        )
        return values
    made = (black - values).astype(values.dtype)
    colours = made
    if part.opacity:
        last = [-1 if axis == "channel" else slice(None) for axis in axes]
        made[tuple(last)] = values[tuple(last)]
        colours = made[tuple(slice(-1) if at == -1 else at for at in last)]
    if black > 255 and made.size:
        _say_turned(path, black, int(colours.min()), int(colours.max()))
    return made


def _say_turned(path: Path, black: int, low: int, high: int) -> None:
    """Log that whole numbers v became black − v, from low to high."""
    white = white_of(black - low)
    turned = (
        f"{path.name} says that 0 is white (WhiteIsZero): its numbers v are turned about, "
        f"{black} − v, and lie from {low} to {high}."
    )
    if white is not None and low < black - 1 and white < black >> 2:
        bits, start = white.bit_length(), black - white
        log.warning("%s Try: range=(%d, %d), if they have %d bits", turned, start, black, bits)
    else:
        log.info("%s", turned)


def _upright(values: np.ndarray, axes: tuple[str, ...], turn: int) -> np.ndarray:
    """The numbers turned as EXIF says."""
    if turn in LYING:
        values = values.swapaxes(axes.index("row"), axes.index("column"))
    return np.flip(values, tuple(axes.index(a) for a, turns in REVERSED.items() if turn in turns))


def _as_channels(part: Part) -> str:
    """The shape (C, H, W) of a picture whose channels are pages, or the columns of pages where
    they are fewer than rows and pages are."""
    pages, rows, columns = part.shape
    last = columns < min(pages, rows)
    return f"shape={(columns, pages, rows) if last else (pages, rows, columns)}"


def _dataset(path: Path, parts: list[Part], pick: Pick, any_: bool) -> Part:
    """The dataset of that name, or the only one that can be an image."""
    if not parts:
        raise BadInputError(f"{path} holds no array of numbers.")
    names = [part.name for part in parts]
    if pick.dataset is not None:
        wanted = pick.dataset.strip("/")
        for part in parts:
            if part.name and part.name.lower() == wanted.lower():
                return part
        known = ", ".join(filter(None, names[:LISTED]))
        raise BadInputError(
            f"{path} holds no dataset {wanted!r}. {did_you_mean(wanted, names)}".strip(),
            try_=f"one of {known}" if known else f"{path} without dataset=",
        )
    likely = [p for p in parts if p.extent("row") > 1 and p.extent("column") > 1]
    likely = parts if any_ or not likely else likely
    if len(likely) == 1:
        return likely[0]
    told = [f"{p.name} ({dimensions(p.shape)} {p.dtype})" for p in likely]
    more = ["…"] if len(told) > LISTED else []
    raise BadInputError(
        f"{path} holds {len(likely)} datasets: {', '.join(told[:LISTED] + more)}.",
        try_=f"{path}::dataset={likely[0].name}",
    )


@contextmanager
def quiet(package: str) -> Iterator[None]:
    """A block in which a library says nothing of what it mends: what it gives is checked.

    It is imported first: one that makes its logger itself, as astropy does, mustn't find another.
    """
    with suppress(ImportError):  # its name may be another than that of its package
        import_module(package)
    loggers = [logging.getLogger(name) for name in (package, f"{package}.global")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


@contextmanager
def telling(path: Path, format: Format) -> Iterator[None]:
    """A block that reads a file: whatever its library raises becomes one line that names it."""
    try:
        what = f"{format.title[0].upper()}{format.title[1:]} needs"
        with needed(format.package, what, "formats"), quiet(format.package):
            yield
    except PriorkitError:
        raise
    except Exception as error:  # libraries raise many kinds for a damaged file
        raise BadInputError(
            f"{path} is not {format.title} that can be read.",
            got=complaint(path, error),
            try_="a file that is whole",
        ) from error
