"""Tomography: sums along rays."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Level, MatrixOperator
from priorkit_operators.backprojection import Window, back_projection
from priorkit_operators.beams import Beams, beams_of_skimage, shadow_width
from priorkit_operators.checks import require_picture
from priorkit_operators.rays import ACROSS, ROTATED, SHARED, Sums, matrix, matrix_bytes
from priorkit_operators.sparse import SparseMatrix

__all__ = ["Radon"]

log = logging.getLogger("priorkit")

MOST = 100_000  # angles, and detectors
Length = Annotated[float, Field(gt=0, le=1e9)]


class Radon(MatrixOperator):
    """A x = line integrals of x along rays at several angles: the Radon transform.

    y is (C, angles, detectors), x times length. The unit of length is the picture's width, so that
    a ray through a white square of it measures 1, or what ``pixel_size`` says. Where no lengths are
    given, each pixel adds to the two detectors that it lies between, which is enough for simulated
    measurements. With ``pixel_size`` or ``detector_spacing``, and of a fan, a ray adds up what it
    crosses, interpolated between the two pixels of each row or column: some ten times nearer to
    what is measured. A is kept as a sparse matrix, and its adjoint is exact. Simulated noise has
    σ = 0.01 of what a white square of the picture's width measures. Reports show the filtered
    back-projection of y.

    Parameters
    ----------
    angles : how many, evenly in [0°, ``arc``); or a list of them in degrees, anticlockwise, where
        rays at 0° are the columns
    arc : in degrees, negative clockwise; default: 180, of a fan 360
    detectors : how many; default: as many as the diagonal needs, or the fan around it. Of parallel
        rays they are even where the width is even and odd where it is odd, so that each column
        meets one detector at 0°. With the other parity each column is shared by two detectors
        at 0°, which blurs by half a pixel; a warning says so
    pixel_size : a pixel's side, in the unit of all other lengths and of y, such as mm; default:
        1/width, or 1 in the layout of scikit-image
    geometry : "parallel", or "fan": rays from a source to a straight line of detectors. At 0° the
        source is below the picture, with the detectors from left to right
    source_distance, detector_distance : of a fan, from the centre of rotation, the middle of the
        picture; detectors at distance 0 stand in the middle
    detector_spacing : from one to the next; default: a pixel, as seen from the source in the middle
    detector_offset : by how much the middle of the detectors is off the central ray, positive
        towards the last one
    layout : "angles", or "skimage": y as ``skimage.transform.radon`` gives it, (C, detectors,
        angles) in units of pixels, around the pixel (H // 2, W // 2), by its own interpolation
    circle : in that layout, its option: whether only the square in the middle is measured, which
        is black outside of a circle (default), or the whole picture

    Raises BadInputError for a source within the circle around the picture, and for options that
    say nothing in the geometry or layout.

    Reference: Kak & Slaney, "Principles of computerized tomographic imaging", IEEE Press 1988,
    chapter 3.
    """

    def __init__(
        self,
        *,
        angles: Annotated[int, Field(ge=1, le=MOST)]
        | Annotated[list[float], Field(max_length=MOST)] = 30,
        arc: Annotated[float, Field(ge=-36_000, le=36_000)] | None = None,
        detectors: Annotated[int, Field(ge=1, le=MOST)] | None = None,
        pixel_size: Annotated[float, Field(ge=1e-9, le=1e9)] | None = None,
        geometry: Literal["parallel", "fan"] = "parallel",
        source_distance: Length | None = None,
        detector_distance: Annotated[float, Field(ge=0, le=1e9)] | None = None,
        detector_spacing: Length | None = None,
        detector_offset: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None,
        layout: Literal["angles", "skimage"] = "angles",
        circle: bool | None = None,
    ) -> None:
        _require_angles(angles, arc)
        self.angles, self.detectors, self.pixel_size = angles, detectors, pixel_size
        self.arc = arc or (360.0 if geometry == "fan" else 180.0)
        fan = {"source_distance": source_distance, "detector_distance": detector_distance}
        if geometry == "fan" and source_distance is None:
            raise BadInputError(
                "A fan needs the distance of its source from the centre of rotation.",
                try_="source_distance=541 with pixel_size in mm, or in widths of the picture "
                "source_distance=2",
            )
        if geometry != "fan":
            _require_unsaid(fan, "geometry='fan'")
        if layout == "skimage":
            others = {"detectors": detectors, "detector_spacing": detector_spacing}
            others["detector_offset"] = detector_offset
            others["geometry"] = None if geometry == "parallel" else 0
            _require_unsaid(others, "layout='angles'")
        else:
            _require_unsaid({"circle": circle}, "layout='skimage'")
        self.source = math.inf if source_distance is None else source_distance
        self.detector_distance = detector_distance or 0.0
        self.spacing, self.offset = detector_spacing, detector_offset or 0.0
        self.skimage, self.circle = layout == "skimage", circle is not False

    def prepare(self) -> None:
        require_picture("The operator 'radon'", self.shape)
        channels, height, width = self.shape
        self.pixel = self.pixel_size or (1.0 if self.skimage else 1 / width)
        if self.skimage:
            self._beams = beams_of_skimage(height, width, self._radians(), circle=self.circle)
        else:
            self._beams = self._around()
        self._sums: Sums = ROTATED if self.skimage else SHARED if self._shared else ACROSS
        sides = (len(self._beams.radians), self._beams.detectors)
        self.y_shape = (channels, *(sides[::-1] if self.skimage else sides))
        vars(self).pop("_rays", None)  # of an earlier binding

    @property
    def default_noise(self) -> Level:  # type: ignore[override]  # in the unit of y
        plain = self.pixel_size is None and not self.skimage
        return Level(sigma=0.01 if plain else 0.01 * self.pixel * self.shape[2])

    @cached_property
    def _rays(self) -> SparseMatrix:
        """The operator of one channel, made when it is first used."""
        return SparseMatrix(partial(matrix, self._beams, self._sums, self.pixel))

    @property
    def memory(self) -> int:
        """Of the matrix and its transpose."""
        return 2 * matrix_bytes(self._beams, self._sums)

    def A(self, x: Tensor) -> Tensor:
        rays = self._rays.times(x.reshape(-1, math.prod(self.shape[1:])))
        return self._laid_out(rays.view(-1, self.shape[0], *self._sides))

    def A_adjoint(self, y: Tensor) -> Tensor:
        rays = self._laid_out(y.view(-1, *self.y_shape)).reshape(-1, math.prod(self._sides))
        return self._rays.transposed(rays).view(-1, *self.shape)

    def rows(self, i: int, j: int) -> Tensor:
        channel, ray = self._addresses(torch.arange(i, j))
        block = torch.zeros(j - i, self.shape[0], math.prod(self.shape[1:]))
        block[torch.arange(j - i), channel] = self._rays.rows(ray)
        return block.flatten(1)

    def back_projection(self, y: Tensor, *, window: Window = "ramp") -> Tensor:
        """x by filtered back-projection, (B, *y_shape) → (B, *shape): linear, and no adjoint.

        ``window`` multiplies the ramp |f|: "ramp" (nothing), "shepp-logan", "cosine", "hamming"
        or "hann", of which the last ones smooth most. With ``circle`` x is 0 outside of it.
        """
        rays = self._laid_out(y.view(-1, *self.y_shape)).reshape(-1, *self._sides)
        x = back_projection(rays / self.pixel, self._beams, window).view(-1, *self.shape)
        if self.skimage and self.circle:
            far = self._beams.rows[:, None] ** 2 + self._beams.columns**2
            x = x * torch.from_numpy(far <= (self._beams.detectors // 2) ** 2).to(x)
        return x

    def image(self, y: Tensor) -> Tensor:
        """The filtered back-projection."""
        return self.back_projection(y)

    @property
    def reduces(self) -> bool:
        return False

    @property
    def _shared(self) -> bool:
        """Whether pixels are shared by detectors: rays that are parallel, and nothing is said."""
        return math.isinf(self.source) and self.spacing is None and self.pixel_size is None

    @property
    def _sides(self) -> tuple[int, int]:
        return len(self._beams.radians), self._beams.detectors

    def _laid_out(self, y: Tensor) -> Tensor:
        """From a row per angle to y, or back."""
        return y.transpose(-1, -2).contiguous() if self.skimage else y

    def _addresses(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Channel and row of the matrix of these numbers of y."""
        angles, detectors = self._sides
        channel, ray = numbers // (angles * detectors), numbers % (angles * detectors)
        return channel, ray % angles * detectors + ray // angles if self.skimage else ray

    def _around(self) -> Beams:
        """Beams around the middle of the picture, in pixels."""
        _, height, width = self.shape
        source, radius = self.source / self.pixel, math.hypot(height, width) / 2
        if source <= radius:
            raise BadInputError(
                "The source of a fan is outside of the circle around the picture, of radius "
                f"{radius * self.pixel:.4g}.",
                got=f"source_distance={self.source:g}",
                try_=f"source_distance={4 * radius * self.pixel:.4g}, in the unit of pixel_size",
            )
        # As seen in the middle of the picture, a detector and what is between two are smaller.
        larger = 1 + self.detector_distance / self.source
        spacing = 1.0 if self.spacing is None else self.spacing / self.pixel / larger
        least = shadow_width(height, width, source) / spacing
        count = self._count(math.ceil(least) + 1, width)
        axis = (count - 1) / 2 - self.offset / self.pixel / larger / spacing
        middle = ((height - 1) / 2, (width - 1) / 2)
        return Beams(height, width, self._radians(), count, spacing, axis, middle, source)

    def _count(self, least: int, width: int) -> int:
        """The number of detectors; warns where at 0° they lie between the columns."""
        if self.detectors is None:
            aligned = math.isinf(self.source) and self.spacing is None
            least += (least - width) % 2 if aligned else 0
            if least > MOST:
                raise BadInputError(
                    f"There are at most {MOST:,} detectors.",
                    got=f"{least:,} for the whole picture",
                    try_="detectors=…, or a larger detector_spacing",
                )
            return least
        straight = isinstance(self.angles, int) or any(angle % 180 == 0 for angle in self.angles)
        if self._shared and straight and not self.offset and (self.detectors - width) % 2:
            log.warning(
                "radon: the middles of %d detectors and %d columns are half a pixel apart: at 0° "
                "each column is shared by two detectors, which is a blur. Try: detectors=%d",
                self.detectors,
                width,
                self.detectors + 1,
            )
        return self.detectors

    def _radians(self) -> np.ndarray:
        if isinstance(self.angles, int):
            return np.radians([self.arc * k / self.angles for k in range(self.angles)])
        return np.radians(np.asarray(self.angles, dtype=np.float64))


def _require_angles(angles: int | list[float], arc: float | None) -> None:
    if arc == 0:
        raise BadInputError("An arc has a length.", got="arc=0", try_="arc=180")
    if isinstance(angles, int):
        return
    if not angles:
        raise BadInputError("A tomography needs at least one angle.", got=angles)
    if not all(map(math.isfinite, angles)):
        raise BadInputError("Angles are finite numbers of degrees.", got=str(angles)[:80])
    if arc is not None:
        raise BadInputError(
            "arc is what a number of angles is spread over, and a list of them was given.",
            got=f"arc={arc:g}",
            try_="angles without arc, or a number of angles",
        )


def _require_unsaid(options: Mapping[str, object], needed: str) -> None:
    """Refuse options that would be left out in silence."""
    said = [name for name, value in options.items() if value is not None]
    if said:
        verb = "says" if len(said) == 1 else "say"
        raise BadInputError(f"{' and '.join(said)} {verb} something with {needed} alone.")
