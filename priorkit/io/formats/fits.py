"""FITS images, by astropy."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, final

import numpy as np

from priorkit.io.formats.base import Geometry, Part, Writable

__all__ = ["Fits"]

AXES = ("frame", "slice", "row", "column")
TYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
# What is true of the numbers of the source alone, or of how they were stored.
STORED = re.compile(r"BSCALE|BZERO|BLANK|DATAMIN|DATAMAX|CHECKSUM|DATASUM|EXTEND|Z[A-Z]+\d*$")


@final
class Fits(Writable):
    """The images of a file, by the names or numbers of their units.

    ``BSCALE`` and ``BZERO`` are applied; what is ``BLANK`` is NaN. Row 0 is the first in the file,
    which astronomers show at the bottom.
    """

    title, package = "a FITS file", "astropy"
    suffixes = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
    suffix = ".fits"

    def parts(self, path: Path) -> list[Part]:
        found: dict[str, Part] = {}
        with _opened(path) as units:
            for number, unit in enumerate(units):
                shape = tuple(int(n) for n in unit.shape) if _is_image(unit) else ()
                while len(shape) > len(AXES) and shape[0] == 1:
                    shape = shape[1:]
                if not 1 <= len(shape) <= len(AXES):
                    continue
                own = unit.name not in ("", "PRIMARY", *found) and not unit.name.isdecimal()
                name = unit.name if own else str(number)
                dtype = np.dtype(TYPES[unit.header["BITPIX"]])
                found[name] = Part(name, shape, dtype, AXES[len(AXES) - len(shape) :])
        return list(found.values())

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        index = part.index(at)
        with _opened(path) as units:
            unit = _unit(units, part.name)
            blank = unit.header.get("BLANK") if part.dtype.kind in "iu" else None
            extra = (0,) * (len(unit.shape) - len(part.shape))
            values = np.array(unit.section[(*extra, *index)])
        if blank is None:
            return values
        # Of the stored numbers, since astropy leaves a BLANK of 0 as it is.
        with _opened(path, do_not_scale_image_data=True) as units:
            stored = np.asarray(_unit(units, part.name).section[(*extra, *index)])
        return np.where(stored == blank, np.nan, values)

    def header(self, path: Path, part: Part) -> object:
        with _opened(path) as units:
            return _unit(units, part.name).header.copy()

    def encode(self, values: np.ndarray, header: object, geometry: Geometry) -> bytes:
        from astropy.io import fits

        kept = fits.Header([c for c in cast(Any, header).cards if not STORED.match(c.keyword)])
        count = int(kept.get("NAXIS", 2))
        for axis, first, step in (
            (1, geometry.first[1], geometry.columns),
            (2, geometry.first[0], geometry.rows),
            (3, dict(geometry.at).get("slice", 0), 1.0),
            (4, dict(geometry.at).get("frame", 0), 1.0),
        ):
            _move(kept, axis, first, step)
        unit = fits.PrimaryHDU(
            values.astype(np.float32).reshape((1,) * (count - values.ndim) + values.shape), kept
        )
        buffer = io.BytesIO()
        unit.writeto(buffer, output_verify="silentfix+ignore")
        return buffer.getvalue()


def _move(header: Any, axis: int, first: float, step: float) -> None:
    """Let pixel 1 of an axis be where pixel ``first`` + 1 was, and pixels ``step`` times as far
    apart, in the words of the world coordinate system."""
    if first == 0 and step == 1:
        return
    for card in list(header):
        if re.fullmatch(rf"CRPIX{axis}[A-Z]?", card):
            header[card] = (header[card] - 1 - first) / step + 1
        elif re.fullmatch(rf"CDELT{axis}[A-Z]?|CD\d_{axis}[A-Z]?", card):
            header[card] *= step


def _opened(path: Path, **options: bool) -> Any:
    from astropy.io import fits

    units = fits.open(path, memmap=False, uint=True, character_as_bytes=True, **options)
    if not path.name.lower().endswith((".gz", ".fz")):
        _require_whole(units, path)
    return units


def _require_whole(units: Any, path: Path) -> None:
    """Raise ValueError where headers promise more than the file holds."""
    size = path.stat().st_size
    for number, unit in enumerate(units):
        info = unit.fileinfo()
        if info is not None and info["datLoc"] + unit.size > size:
            raise ValueError(f"the file ends before the numbers of its unit {number}")


def _unit(units: Any, name: str) -> Any:
    return units[int(name)] if name.isdecimal() else units[name]


def _is_image(unit: Any) -> bool:
    from astropy.io import fits

    return isinstance(unit, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU))
