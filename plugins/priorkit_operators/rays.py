"""Sums along rays as a sparse matrix: which pixels count how much for which detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sparse

from priorkit_operators.beams import Beams

__all__ = ["ACROSS", "ROTATED", "SHARED", "Sums", "matrix", "matrix_bytes"]

Entries = tuple[np.ndarray, np.ndarray, np.ndarray]  # weights, detectors, pixels, all (entries,)


class Sums(NamedTuple):
    """A way to add up along rays: the ``entries`` at one angle, and at most how many of all."""

    entries: Callable[[Beams, float], Entries]
    most: Callable[[Beams], int]


def _shared(beams: Beams, angle: float) -> Entries:
    place = beams.shadow(angle).ravel()
    below = np.floor(place).astype(np.int64)
    parts = []
    for detector, weight in ((below, below + 1 - place), (below + 1, place - below)):
        inside = (detector >= 0) & (detector < beams.detectors) & (weight > 0)
        parts.append((weight[inside], detector[inside], np.flatnonzero(inside)))
    return _together(parts)


def _across(beams: Beams, angle: float) -> Entries:
    points, directions = beams.rays(angle)
    steep = np.abs(directions[1]) >= np.abs(directions[0])
    parts = []
    for rows_first in (True, False):
        detector = np.flatnonzero(steep == rows_first)[:, None]
        over, along = (1, 0) if rows_first else (0, 1)  # the axis of the lines, and the other
        lines = beams.rows if rows_first else beams.columns
        slope = directions[along][detector] / directions[over][detector]
        place = points[along][detector] + (lines - points[over][detector]) * slope
        place = place + beams.middle[along == 0]
        below = np.floor(place).astype(np.int64)
        side = beams.width if rows_first else beams.height
        line = np.arange(len(lines))
        for across, part in ((below, below + 1 - place), (below + 1, place - below)):
            inside = (across >= 0) & (across < side) & (part > 0)
            weight = (part * np.hypot(1, slope))[inside]
            pixel = line * beams.width + across if rows_first else across * beams.width + line
            at = np.broadcast_to(detector, inside.shape)
            parts.append((weight, at[inside], pixel[inside]))
    return _together(parts)


def _rotated(beams: Beams, angle: float) -> Entries:
    cos, sin, t = np.cos(angle), np.sin(angle), beams.places
    column = beams.middle[1] + t * cos + t[:, None] * sin
    row = beams.middle[0] - t * sin + t[:, None] * cos
    left, above = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    rows, columns = (slice(*_seen(beams, axis)) for axis in (0, 1))
    detector = np.broadcast_to(np.arange(beams.detectors), row.shape)
    parts = []
    for i, down in ((above, above + 1 - row), (above + 1, row - above)):
        for j, right in ((left, left + 1 - column), (left + 1, column - left)):
            inside = (i >= rows.start) & (i < rows.stop) & (j >= columns.start) & (j < columns.stop)
            inside &= (down > 0) & (right > 0)
            weight = (down * right)[inside]
            parts.append((weight, detector[inside], (i * beams.width + j)[inside]))
    return _together(parts)


def _seen(beams: Beams, axis: int) -> tuple[int, int]:
    """The first row or column that is rotated, and the end of them: those that fit under the
    detectors, of which the middle of rotation is in the place of the axis."""
    side = (beams.height, beams.width)[axis]
    first = round(beams.middle[axis] - beams.axis)
    return max(first, 0), min(first + beams.detectors, side)


def _together(parts: list[Entries]) -> Entries:
    weight, detector, pixel = map(np.concatenate, zip(*parts, strict=True))
    return weight, detector, pixel


# Each pixel is shared by the two detectors that it lies between: parallel rays a pixel apart.
SHARED = Sums(_shared, lambda beams: 2 * len(beams.radians) * beams.height * beams.width)

# What a ray crosses, interpolated between two pixels of each row, or of each column where it is
# nearer to horizontal, times its length from one to the next: Joseph, "An improved algorithm for
# reprojecting rays through pixel images", IEEE Trans. Med. Imaging 1982.
ACROSS = Sums(
    _across,
    lambda beams: 2 * len(beams.radians) * beams.detectors * max(beams.height, beams.width),
)

# The picture rotated by bilinear interpolation, and its columns added up, as scikit-image does it.
# A pixel is then between at most three rays.
ROTATED = Sums(_rotated, lambda beams: 3 * len(beams.radians) * beams.height * beams.width)


def matrix(beams: Beams, sums: Sums, pixel: float, dtype: np.dtype[Any]) -> Any:
    """The matrix of one channel, (angles · detectors, H · W), written angle by angle in place.

    ``pixel`` is the length of a pixel's side, in whose unit the sums are.
    """
    angles, pixels = len(beams.radians), beams.height * beams.width
    shape, most = (angles * beams.detectors, pixels), sums.most(beams)
    index = _index(shape[0], most)
    weights, places = np.empty(most, dtype), np.empty(most, index)
    begins, filled = np.zeros(shape[0] + 1, index), 0
    for k, angle in enumerate(beams.radians):
        weight, detector, at = sums.entries(beams, float(angle))
        own = sparse.csr_array((pixel * weight, (detector, at)), shape=(beams.detectors, pixels))
        part = slice(filled, filled + own.nnz)
        weights[part], places[part] = own.data, own.indices
        begins[k * beams.detectors + 1 : (k + 1) * beams.detectors + 1] = filled + own.indptr[1:]
        filled += own.nnz
    return sparse.csr_array((weights[:filled], places[:filled], begins), shape=shape)


def matrix_bytes(beams: Beams, sums: Sums) -> int:
    """What the matrix in float32 takes at most: weights, columns, and where rows begin."""
    rays, entries = len(beams.radians) * beams.detectors, sums.most(beams)
    size = np.dtype(_index(rays, entries)).itemsize
    return entries * (4 + size) + rays * size


def _index(rays: int, entries: int) -> type[np.signedinteger[Any]]:
    """The smallest integer type for indices of so many, as scipy chooses it."""
    return np.int32 if max(rays, entries) < 2**31 else np.int64
