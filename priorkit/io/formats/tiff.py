"""TIFF files, by tifffile: what Pillow doesn't read as it is, of 16 and more bits."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from priorkit.io.formats.base import ORIENTATION, Geometry, Part, Writable

__all__ = ["Tiff"]

BITS, PHOTOMETRIC, DESCRIPTION, SAMPLES, FORMAT = 258, 262, 270, 277, 339  # tags
WHITE_IS_ZERO = 0  # a photometric interpretation
SIGNED, FLOAT = 2, 3  # formats of numbers
STACK = r"^ImageJ=[^\0]*\nimages=|<OME\b"
AXES = {"Y": "row", "X": "column", "S": "channel", "C": "channel", "Z": "slice"}
ALPHA = (1, 2)  # kinds of extra samples


@final
class Tiff(Writable):
    """The series of a file: pages that go together, in the order of its writer.

    Axes that the writer didn't name are frames.
    """

    title, package, suffixes = "a TIFF file", "tifffile", (".tif", ".tiff")
    suffix = ".tiff"

    @staticmethod
    def is_negative(image: Image.Image) -> bool:
        """Whether 0 is white in an opened file of 16 bits or floats, which Pillow gives as they
        are, where it turns 8 bits about."""
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
        return image.mode in ("I;16", "F") and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO

    @staticmethod
    def knows(image: Image.Image) -> bool:
        """Whether an opened file has numbers that Pillow would change: more than 8 bits of several
        channels, whole numbers of more than 16, and those that may be below 0. And whether a
        microscope's program says in it what the axes of its pages are."""
        if image.format != "TIFF":
            return False
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
        bits, kind = max(tags.get(BITS, (1,))), max(tags.get(FORMAT, (1,)))
        several = tags.get(SAMPLES, 1) > 1
        if re.search(STACK, str(tags.get(DESCRIPTION, ""))):
            return True
        if kind == FLOAT:
            return bool(several or bits != 32)
        return bool(kind == SIGNED or (bits > 8 and (several or bits > 16 or kind != 1)))

    def parts(self, path: Path) -> list[Part]:
        from tifffile import TiffFile

        found = []
        with TiffFile(path) as file:
            for number, series in enumerate(file.series):
                axes = _named(series.axes)
                opacity = series.keyframe.extrasamples[-1:]
                name = str(number) if len(file.series) > 1 else ""
                see_through = bool(opacity) and int(opacity[0]) in ALPHA
                shape = tuple(int(n) for n in series.shape)
                about: dict[str, Any] = {
                    "opacity": see_through,
                    "turn": series.keyframe.tags.valueof(ORIENTATION, 1),
                    "negative": series.keyframe.photometric == WHITE_IS_ZERO,
                    "bits": series.keyframe.bitspersample,
                }
                found.append(Part(name, shape, np.dtype(series.dtype), axes, **about))
        return found

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        from tifffile import TiffFile

        with TiffFile(path) as file:
            series = file.series[int(part.name or 0)]
            page = tuple(int(n) for n in series.keyframe.shape)
            inside = len(part.shape) - len(page)
            stack, index = part.shape[:inside], part.index(at)
            if part.shape[inside:] != page or len(series) != math.prod(stack):
                part.require_small(path, {})
                return np.asarray(series.asarray())[index]
            which = np.arange(math.prod(stack)).reshape(stack)[index[:inside]]
            pages = [_page(series, int(k)) for k in which.flat]
            values = np.stack(pages).reshape(*which.shape, *page)
            return values[(slice(None),) * which.ndim + index[inside:]]

    def header(self, path: Path, part: Part) -> object:
        return None

    def encode(self, values: np.ndarray, header: object, geometry: Geometry) -> bytes:
        pages = values.astype(np.float32).reshape(-1, *values.shape[-2:])
        first, *rest = (Image.fromarray(page) for page in pages)
        buffer = io.BytesIO()
        first.save(buffer, format="TIFF", save_all=True, append_images=rest)
        return buffer.getvalue()


def _page(series: Any, number: int) -> np.ndarray:
    page = series[number]
    if page is None:
        raise ValueError(f"page {number} is missing")
    return np.asarray(page.asarray())


def _named(axes: str) -> tuple[str, ...]:
    """The axes of a series by our names. Raises ValueError where two have one."""
    named = tuple(AXES.get(axis, "frame") for axis in axes)
    if len(set(named)) < len(named):
        raise ValueError(f"its axes are {axes}, of which two are of one kind")
    return named
