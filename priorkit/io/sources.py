"""The file that an image was read from, and how a result goes back into its format."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from priorkit.io.files import write_atomic
from priorkit.io.formats import Geometry, Writable
from priorkit.io.values import centre_box

__all__ = ["Source"]

log = logging.getLogger("priorkit")


@dataclass(frozen=True)
class Source:
    """A file, what of it goes into one that is made like it, and which of its pixels an image has.

    ``size`` is that of the image, in rows and columns. Of a volume whose slices are a file each,
    ``headers`` has one for each. ``whole`` says that its numbers are whole ones, which are taken
    for brightness where no range is given: then they aren't those of the image.
    """

    path: Path
    format: Writable
    headers: tuple[object, ...]
    geometry: Geometry
    size: tuple[int, int]
    whole: bool = False

    @classmethod
    def plain(cls, path: Path, format: Writable, size: tuple[int, int], whole: bool) -> Source:
        """Of a format without a header."""
        return cls(path, format, (None,), Geometry(), size, whole)

    def framed(self, shape: Sequence[int]) -> Source:
        """The same of the image that is cropped and resized to ``shape`` (C, H, W), as
        :func:`priorkit.io.values.resized` does it."""
        (height, width), (rows, columns) = self.size, shape[-2:]
        left, top, right, bottom = centre_box(width, height, columns, rows)
        moved = replace(
            self.geometry,
            top=top,
            left=left,
            rows=(bottom - top) / rows,
            columns=(right - left) / columns,
        )
        return replace(self, geometry=moved, size=(rows, columns))

    def write(self, folder: Path, name: str, x: Tensor) -> None:
        """Write an image (1, H, W) or a volume (1, D, H, W), in the units of the file, as
        ``folder/name`` with the suffix of its format; others have no place in one.

        An image of another size than the source is taken for the same field of view. What the
        library can't write is logged, since the numbers are saved elsewhere. Raises BadInputError
        where the place can't be written.
        """
        if x.ndim not in (3, 4) or x.shape[0] != 1 or x.is_complex():
            return
        values = x[0].detach().cpu().double().numpy()
        rows, columns = (own / new for own, new in zip(self.size, x.shape[-2:], strict=True))
        here = replace(
            self.geometry,
            rows=self.geometry.rows * rows,
            columns=self.geometry.columns * columns,
        )
        single = self.format.single and values.ndim == 3
        if not single:
            self._write(folder / name, values, self.headers[0], here)
            return
        alone = len(self.headers) == 1  # a file of frames
        for k, plane in enumerate(values):
            moved = replace(here, at=(("frame", k),)) if alone else here
            header = self.headers[0 if alone else min(k, len(self.headers) - 1)]
            self._write(folder / f"{name}-{k:04d}", plane, header, moved)

    def _write(self, place: Path, values: np.ndarray, header: object, geometry: Geometry) -> None:
        path = place.with_name(place.name + self.format.suffix)
        if path.exists():  # all the bands of a spectrum, or the slices of a volume
            return
        try:
            data = self.format.encode(values, header, geometry)
        except Exception as error:  # an odd header
            words = "%s was not written, x.npy has its numbers: %s: %s"
            log.warning(words, path.name, type(error).__name__, str(error)[:150])
            return
        write_atomic(path, data)
