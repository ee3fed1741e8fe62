"""PNG files of 16 bits in colour, or gray with opacity, by Pillow, which opens them as 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
from PIL import Image

from priorkit.io.formats.base import ORIENTATION, Format, Part

__all__ = ["DeepPng"]

# How Pillow packs a pixel of two bytes a channel into one of one byte: the high bytes, and, as if
# the order were the other, the low ones. Of gray with opacity four bytes fit into a pixel.
HALVES = {
    "RGB;16B": ("RGB;16B", "RGB;16L"),
    "RGBA;16B": ("RGBA;16B", "RGBA;16L"),
    "LA;16B": ("RGBA", "RGBA"),
}
CHANNELS = {"RGB;16B": 3, "RGBA;16B": 4, "LA;16B": 2}


@final
class DeepPng(Format):
    """Two or more channels of 16 bits."""

    title, package, suffixes = "a PNG file", "Pillow", (".png",)

    @staticmethod
    def knows(image: Image.Image) -> bool:
        """Whether an opened file is one."""
        return image.format == "PNG" and _packing(image) in HALVES

    def parts(self, path: Path) -> list[Part]:
        with Image.open(path) as image:
            count = CHANNELS[_packing(image)]
            shape = (image.height, image.width, count)
            see_through = count in (2, 4)
            about = Image.Exif()  # in front of the pixels; what is behind them isn't looked for
            about.load(image.info.get("exif", b""))
        axes = ("row", "column", "channel")
        turn = int(about.get(ORIENTATION, 1))
        return [Part("", shape, np.dtype(np.uint16), axes, opacity=see_through, turn=turn)]

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        halves = [_unpacked(path, half).astype(np.uint16) for half in (0, 1)]
        if part.shape[2] == 2:
            high, low = halves[0][..., ::2], halves[0][..., 1::2]
        else:
            high, low = halves
        return (high << 8) | low


def _packing(image: Image.Image) -> str:
    """How the pixels of an opened PNG file are packed."""
    tiles = getattr(image, "tile", None)
    return str(tiles[0][3]) if tiles else ""


def _unpacked(path: Path, half: int) -> np.ndarray:
    """The high bytes (0) or the low ones (1) of every number."""
    with Image.open(path) as image:
        packing = _packing(image)
        image.tile = [tile._replace(args=HALVES[packing][half]) for tile in image.tile]
        image.load()
        return np.asarray(image)
