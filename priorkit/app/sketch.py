"""A hole or scratches that were drawn over a picture, as a mask that is a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from priorkit.draw.tiles import png
from priorkit.errors import BadInputError

__all__ = ["MISSING", "MOST_POINTS", "Stroke", "mask", "stroke"]

MISSING = "painted"  # how an operator's option of that name says what is drawn here
MOST_POINTS = 5000  # of a stroke
PAINT = (200, 30, 30, 255)

Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """A line along ``points`` (x, y), in parts of the picture's width and height, and ``wide`` in
    parts of its width; an ``erasing`` one takes paint away."""

    points: tuple[Point, ...]
    wide: float
    erasing: bool = False


def stroke(told: Any) -> Stroke:
    """What a browser tells of a stroke. Raises BadInputError for what isn't one."""
    try:
        points = [(float(x), float(y)) for x, y in told["points"]]
        wide, erasing = float(told["wide"]), bool(told["erasing"])
    except (TypeError, KeyError, ValueError) as error:
        raise BadInputError("That is no stroke.") from error
    near = all(-1 <= part <= 2 for point in points for part in point)
    if not points or len(points) > MOST_POINTS or not near or not 0 < wide <= 1:
        raise BadInputError("That is no stroke over the picture.")
    return Stroke(tuple(points), wide, erasing)


def mask(
    strokes: Sequence[Stroke], size: tuple[int, int], base: Path | None = None
) -> bytes | None:
    """The strokes over a picture of that size, transparent where nothing was drawn, as a PNG that
    ``mask=…, missing="painted"`` takes; None where no paint is left.

    Parameters
    ----------
    base : a mask that was drawn before, and over which the strokes go
    """
    width, height = size
    canvas = Image.new("RGBA", size, (0, 0, 0, 0))
    if base is not None:
        with Image.open(base) as before:
            canvas = before.convert("RGBA").resize(size, Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(canvas)
    for one in strokes:
        colour = (0, 0, 0, 0) if one.erasing else PAINT
        points = [(x * width, y * height) for x, y in one.points]
        wide = max(1.0, one.wide * width)
        if len(points) > 1:
            draw.line(points, fill=colour, width=round(wide), joint="curve")
        radius = wide / 2
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return png(canvas) if canvas.getbbox() else None
