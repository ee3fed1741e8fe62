"""What the shape of a sinogram tells: the picture that it is of, or what is wrong with it."""

from __future__ import annotations

import math

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit_operators.scanner import Layout, Scanner

__all__ = ["picture_behind", "require_sinogram"]

AXES: dict[Layout, str] = {"angles": "(angles, detectors)", "skimage": "(detectors, angles)"}
OTHER: dict[Layout, Layout] = {"angles": "skimage", "skimage": "angles"}


def picture_behind(scanner: Scanner, y_shape: Shape) -> Shape | None:
    """The shape of the square picture whose sinogram, one or a batch, has this shape; None where
    the number of detectors doesn't tell its side.

    Raises BadInputError for another number of angles, which no shape could mend.
    """
    if not 2 <= len(y_shape) <= 4:
        return None
    angles, count = _sides(scanner, y_shape)
    if angles != scanner.number:
        raise BadInputError(
            f"The measurement y must be of {counted(scanner.number, 'angles')} here, "
            f"{AXES[scanner.layout]}.",
            got=y_shape,
            try_=_of_angles(scanner, angles, count),
        )
    channels = y_shape[-3] if len(y_shape) > 2 else 1
    side = _side(scanner, count)
    return None if side is None else (channels, side, side)


def _side(scanner: Scanner, count: int) -> int | None:
    """Of the square that this number of detectors is usual for."""
    side = max(1, int((count - 3) / math.sqrt(2)))  # too small, if it isn't the one
    while (usual := scanner.usual(side)) is not None and usual < count:
        side += 1
    return side if usual == count else None


def require_sinogram(scanner: Scanner, given: Shape, wanted: Shape) -> None:
    """Raise BadInputError for a sinogram (…, height, width) that isn't of the ``wanted`` shape."""
    if given == wanted:
        return
    layout = scanner.layout
    raise BadInputError(
        f"The measurement y must be {wanted}, or a batch of these: the channels, and "
        f"{AXES[layout]}.",
        got=given,
        try_=_advice(scanner, given, wanted) if len(given) > 1 else None,
    )


def _advice(scanner: Scanner, given: Shape, wanted: Shape) -> str:
    """What to try, from the first thing that differs."""
    angles, count = _sides(scanner, given)
    if angles != scanner.number:
        return _of_angles(scanner, angles, count)
    if count == _sides(scanner, wanted)[1]:
        return f"shape=({given[0]}, …), of as many channels as y has"
    if not scanner.skimage:
        return f"detectors={count}, with detector_spacing where they aren't a pixel apart"
    side = int(count / math.sqrt(2))
    if scanner.cuts and math.ceil(math.sqrt(2) * side) == count:
        return f"shape=(1, {count}, {count}), or circle=False with shape=(1, {side}, {side})"
    return f"shape=(1, {count}, {count})" if scanner.cuts else "circle=True, or another shape"


def _of_angles(scanner: Scanner, angles: int, count: int) -> str:
    """What to try where y has another number of angles."""
    other = OTHER[scanner.layout]
    if count == scanner.number:
        return f"layout={other!r}, whose y is {AXES[other]}"
    return f"angles={angles}, a number or a list of them, of a y that is {AXES[scanner.layout]}"


def _sides(scanner: Scanner, y_shape: Shape) -> tuple[int, int]:
    """The numbers of angles and of detectors."""
    first, last = y_shape[-2:]
    return (last, first) if scanner.skimage else (first, last)
