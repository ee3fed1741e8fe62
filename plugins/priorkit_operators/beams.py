"""The geometry of a tomography: where rays run through a picture, and where pixels fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Beams", "beams_of_skimage", "shadow_width"]


@dataclass(frozen=True)
class Beams:
    """Rays at several angles through a picture, all lengths in pixels.

    Places are (column, row) from the ``middle`` of rotation, rows downwards. At an angle θ, which
    goes anticlockwise, the line of detectors is along u = (cos θ, −sin θ), and the source is at
    D·v, v = (sin θ, cos θ): at 0° below the picture, with the detectors from left to right. What
    a detector measures follows from where its ray crosses the line through the middle, t·u, so
    that detectors are described as if they stood there: detector k is at t = (k − axis)·spacing,
    however far away it is. Parallel rays are those of a source at infinity.

    Parameters
    ----------
    height, width : of the picture
    radians : the angles, float64
    detectors : how many
    spacing : from one to the next, as seen in the middle
    axis : the place among the detectors, as an index, of the ray through the middle
    middle : row and column of the centre of rotation
    source : D, from the middle to the source; infinite where rays are parallel

    Reference: Kak & Slaney, "Principles of computerized tomographic imaging", IEEE Press 1988,
    sections 3.1 and 3.4.2.
    """

    height: int
    width: int
    radians: np.ndarray
    detectors: int
    spacing: float
    axis: float
    middle: tuple[float, float]
    source: float = math.inf

    @property
    def columns(self) -> np.ndarray:
        """Of the pixels, from the middle, (width,)."""
        return np.arange(self.width) - self.middle[1]

    @property
    def rows(self) -> np.ndarray:
        """Of the pixels, from the middle, (height,)."""
        return np.arange(self.height) - self.middle[0]

    @property
    def parallel(self) -> bool:
        return math.isinf(self.source)

    @property
    def places(self) -> np.ndarray:
        """t of every detector, (detectors,)."""
        return (np.arange(self.detectors) - self.axis) * self.spacing

    def nearness(self, angle: float) -> np.ndarray | float:
        """How far from the source pixels are, in parts of its distance to the middle, (height,
        width): below 1 on its side, and 1 for parallel rays."""
        if self.parallel:
            return 1.0
        towards = self.columns * np.sin(angle) + self.rows[:, None] * np.cos(angle)
        return 1 - towards / self.source

    def shadow(self, angle: float) -> np.ndarray:
        """Where the ray through each pixel meets the detectors, as an index, (height, width)."""
        along = self.columns * np.cos(angle) - self.rows[:, None] * np.sin(angle)
        return along / self.nearness(angle) / self.spacing + self.axis

    def rays(self, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """A point on each ray and its direction, as (column, row), both (2, detectors)."""
        u = np.array([np.cos(angle), -np.sin(angle)])[:, None]
        v = np.array([np.sin(angle), np.cos(angle)])[:, None]
        points = u * self.places
        return points, points / self.source - v


def beams_of_skimage(height: int, width: int, radians: np.ndarray, *, circle: bool) -> Beams:
    """The beams of ``skimage.transform.radon``, whose centre of rotation is a pixel.

    With ``circle`` they see the square in the middle of the picture, else all of it.
    """
    if circle:
        count = min(height, width)
        row, column = (-((count - side) // 2) + count // 2 for side in (height, width))
    else:
        count = math.ceil(math.sqrt(2) * max(height, width))
        row, column = height // 2, width // 2
    return Beams(height, width, radians, count, 1.0, count // 2, (row, column))


def shadow_width(height: int, width: int, source: float) -> float:
    """How wide the line through the middle is lit by rays that meet the circle around a picture.

    A ray that touches it meets that line further out: 2R/√(1 − (R/D)²).

    >>> round(shadow_width(6, 8, 13.0), 9), shadow_width(6, 8, math.inf)
    (10.833333333, 10.0)
    """
    radius = math.hypot(height, width) / 2
    return 2 * radius / math.sqrt(1 - (radius / source) ** 2)
