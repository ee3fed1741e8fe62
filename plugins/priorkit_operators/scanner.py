"""A scanner of tomography: its options, and the rays that they are."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from priorkit.errors import BadInputError
from priorkit_operators.beams import Beams, beams_of_skimage, shadow_width

__all__ = ["MOST", "Geometry", "Layout", "Scanner"]

log = logging.getLogger("priorkit")

MOST = 100_000  # angles, and detectors
MANY, TURN = 8, 6.3  # angles that are within so many degrees: radians, it seems
WIDE = 10.0  # times the picture's width, from which the place of all detectors is questioned
Geometry = Literal["parallel", "fan"]
Layout = Literal["angles", "skimage"]


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """The options of :class:`~priorkit_operators.radon.Radon`, None where nothing was said.

    Raises BadInputError for options that say nothing in the geometry or layout.
    """

    angles: int | list[float]
    arc: float | None
    detectors: int | None
    pixel_size: float | None
    geometry: Geometry
    source_distance: float | None
    detector_distance: float | None
    detector_spacing: float | None
    detector_offset: float | None
    layout: Layout
    circle: bool | None

    def __post_init__(self) -> None:
        _require_angles(self.angles, self.arc)
        if self.geometry == "fan" and self.source_distance is None:
            raise BadInputError(
                "A fan needs the distance of its source from the centre of rotation.",
                try_="source_distance=541 with pixel_size in mm, or in widths of the picture "
                "source_distance=2",
            )
        if self.geometry != "fan":
            fan = {name: getattr(self, name) for name in ("source_distance", "detector_distance")}
            _require_unsaid(fan, "geometry='fan'")
        if self.skimage:
            names = ("detectors", "detector_spacing", "detector_offset")
            others = {name: getattr(self, name) for name in names}
            others["geometry"] = None if self.geometry == "parallel" else self.geometry
            _require_unsaid(others, "layout='angles'")
        else:
            _require_unsaid({"circle": self.circle}, "layout='skimage'")

    @property
    def skimage(self) -> bool:
        return self.layout == "skimage"

    @property
    def cuts(self) -> bool:
        """Whether only the circle in the middle is seen."""
        return self.skimage and self.circle is not False

    @property
    def plain(self) -> bool:
        """Whether rays are parallel, and no length is said."""
        parallel = self.geometry == "parallel" and self.detector_spacing is None
        return parallel and self.pixel_size is None and not self.skimage

    def pixel(self, width: int) -> float:
        """A pixel's side, in the unit of all lengths and of y."""
        return self.pixel_size or (1.0 if self.skimage else 1 / width)

    def beams(self, height: int, width: int) -> Beams:
        """The rays through a picture, in pixels.

        Raises BadInputError for a source within the circle around it, and more detectors than
        there may be.
        """
        _question_radians(self.angles)
        if self.skimage:
            return beams_of_skimage(height, width, self._radians(), circle=self.cuts)
        pixel, radius = self.pixel(width), math.hypot(height, width) / 2
        source = (self.source_distance or math.inf) / pixel
        if source <= radius:
            raise BadInputError(
                "The source of a fan is outside of the circle around the picture, of radius "
                f"{radius * pixel:.4g}.",
                got=f"source_distance={self.source_distance:g}",
                try_=f"source_distance={4 * radius * pixel:.4g}, in the unit of pixel_size",
            )
        # As seen in the middle of the picture, a detector and what is between two are smaller.
        larger = 1 + (self.detector_distance or 0.0) / pixel / source
        said = self.detector_spacing
        spacing = 1.0 if said is None else said / pixel / larger
        if self.detectors is None:
            count = self._fitting(shadow_width(height, width, source) / spacing, width)
        else:
            count = self.detectors
            self._question_middles(count, width)
        self._question_unit(count * spacing / width)
        axis = (count - 1) / 2 - (self.detector_offset or 0.0) / pixel / larger / spacing
        middle = ((height - 1) / 2, (width - 1) / 2)
        return Beams(height, width, self._radians(), count, spacing, axis, middle, source)

    def usual(self, side: int) -> int | None:
        """How many detectors see a square picture, where its side alone decides that."""
        if self.skimage:
            return side if self.cuts else math.ceil(math.sqrt(2) * side)
        return self._fitting(math.sqrt(2) * side, side) if self._aligned else None

    @property
    def number(self) -> int:
        """Of angles."""
        return self.angles if isinstance(self.angles, int) else len(self.angles)

    @property
    def _aligned(self) -> bool:
        """Whether there is a detector for each column, and more as the picture needs them."""
        unsaid = self.detectors is None and self.detector_spacing is None
        return unsaid and self.geometry == "parallel"

    def _radians(self) -> np.ndarray:
        if isinstance(self.angles, int):
            arc = self.arc or (360.0 if self.geometry == "fan" else 180.0)
            return np.radians([arc * k / self.angles for k in range(self.angles)])
        return np.radians(np.asarray(self.angles, dtype=np.float64))

    def _fitting(self, shadow: float, width: int) -> int:
        """How many detectors see all of a picture with a shadow that is so many of them wide;
        parallel ones a pixel apart stand under the middles of its columns."""
        least = math.ceil(shadow) + 1
        least += (least - width) % 2 if self._aligned else 0
        if least > MOST:
            raise BadInputError(
                f"There are at most {MOST:,} detectors.",
                got=f"{least:,} for the whole picture",
                try_="detectors=…, or a larger detector_spacing",
            )
        return least

    def _question_unit(self, wide: float) -> None:
        """Warn of detectors over so many widths of the picture, whose lengths may have another
        unit."""
        if wide > WIDE:
            log.warning(
                "radon: the detectors are %.3g times as wide as the picture. Try: pixel_size=…, a "
                "pixel's side in the unit of the other lengths%s",
                wide,
                "" if self.pixel_size is None else f", now {self.pixel_size:g}",
            )

    def _question_middles(self, count: int, width: int) -> None:
        """Warn where at 0° detectors lie between the columns."""
        straight = isinstance(self.angles, int) or any(angle % 180 == 0 for angle in self.angles)
        if self.plain and straight and not self.detector_offset and (count - width) % 2:
            log.warning(
                "radon: the middles of %d detectors and %d columns are half a pixel apart: at 0° "
                "each column is shared by two detectors, which is a blur. Try: detectors=%d",
                count,
                width,
                count + 1,
            )


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


def _question_radians(angles: int | list[float]) -> None:
    """Warn of angles that may be radians."""
    if isinstance(angles, int) or len(angles) < MANY:
        return
    span = max(angles) - min(angles)
    if span < TURN:
        log.warning(
            "radon: all %d angles are within %.3g degrees. Try: numpy.degrees(angles), if they are "
            "radians",
            len(angles),
            span,
        )


def _require_unsaid(options: Mapping[str, object], needed: str) -> None:
    """Refuse options that would be left out in silence."""
    said = [name for name, value in options.items() if value is not None]
    if said:
        verb = "says" if len(said) == 1 else "say"
        raise BadInputError(f"{' and '.join(said)} {verb} something with {needed} alone.")
