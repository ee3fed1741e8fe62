"""The size of a picture file before it is read, and smaller copies of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from priorkit.draw.tiles import png
from priorkit.errors import PriorkitError
from priorkit.io.decoded import over_white
from priorkit.io.frames import MAX_WHOLE, header_of, opened, with_opacity
from priorkit.io.listing import PICTURES
from priorkit.io.pictures import load

__all__ = ["choices", "extent", "reduced", "scaled", "usual"]

Shape = tuple[int, ...]
SIDES = (64, 128, 256, 512, 1024, 2048)  # to which a picture may be brought
# The longest side that a picture has where nobody says, and to what a larger one is brought: what
# is simulated is for looking, what was measured is kept as far as it can be worked with.
MOST = {False: 512, True: 1024}
USUAL = {False: 256, True: 512}
BYTES = ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "PA")  # of 8 bits


def extent(path: Path) -> Shape | None:
    """(C, H, W) of a picture by the header of its file, upright; None of any other file, and of
    one that holds several."""
    if path.suffix.lower() not in PICTURES:
        return None
    try:
        shape, frames = header_of(path)
    except PriorkitError:  # whoever reads the file says what is wrong
        return None
    return shape if frames == 1 else None


def scaled(shape: Shape, side: int) -> Shape:
    """The shape of a picture whose longer side is brought to that."""
    longer = max(shape[1:])
    return (shape[0], *(max(1, round(s * side / longer)) for s in shape[1:]))


def usual(path: Path, *, measured: bool) -> Shape | None:
    """The shape to which a file that nobody has looked at is brought, to be worked with; None where
    it stays as it is."""
    whole = extent(path)
    if whole is None or max(whole[1:]) <= MOST[measured]:
        return None
    return scaled(whole, USUAL[measured])


def choices(shape: Shape) -> dict[str, str]:
    """What a picture may be brought to, by its rows and columns; "" where it is as it is, which
    too large a one can't be."""
    if len(shape) != 3:
        return {"": "as it is"}
    whole = shape[1] * shape[2] <= MAX_WHOLE
    found = {"": f"as it is, {shape[2]}×{shape[1]}" if whole else "too large as it is"}
    for side in SIDES:
        if side < max(shape[1:]):
            rows, columns = scaled(shape, side)[1:]
            found[f"{rows},{columns}"] = f"{columns}×{rows}"
    return found


def reduced(path: Path, width: int, height: int) -> tuple[str, bytes]:
    """A picture file brought to a size, and the suffix of the copy: of 8 bits by means over its
    pixels, as a PNG; of more bits as the numbers in [0, 1] that they are.

    Raises BadInputError where it can't be read.
    """
    if _deep(path):
        shape = extent(path) or (1, height, width)
        numbers = io.BytesIO()
        x = load(path, (shape[0], height, width)).x[0]
        np.save(numbers, x.numpy().astype(np.float32), allow_pickle=False)
        return ".npy", numbers.getvalue()
    whole = with_opacity(path).resize((width, height), Image.Resampling.BOX)
    small = over_white(whole).convert("RGB")
    red, green, blue = small.split()
    gray = not (ImageChops.difference(red, green).getbbox() or
                ImageChops.difference(green, blue).getbbox())  # fmt: skip
    return ".png", png(red if gray else small)


def _deep(path: Path) -> bool:
    """Whether a picture file holds more than 8 bits, or Pillow can't tell."""
    try:
        with opened(path) as file:
            return file.mode not in BYTES
    except PriorkitError:
        return True
