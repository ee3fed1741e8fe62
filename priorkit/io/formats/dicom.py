"""DICOM images, by pydicom and its plugins for what is compressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

import numpy as np

from priorkit.io.formats.base import Geometry, Part, Writable
from priorkit.io.formats.derived import derived, group_of

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Dicom"]

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
FLOATS: dict[int, np.dtype[Any]] = {32: np.dtype("f4"), 64: np.dtype("f8")}


@dataclass(frozen=True)
class Place:
    """Where a slice lies in its series: how far along its normal in mm, else its number."""

    series: str
    along: float


@final
class Dicom(Writable):
    """The frames of an image, gray or in colour, in the units of its rescale slope and intercept
    (a CT's are Hounsfield units), of its modality's table, or of its dose."""

    title, package, suffixes = "a DICOM file", "pydicom", (".dcm", ".dicom", ".ima")
    suffix, single = ".dcm", True

    def parts(self, path: Path) -> list[Part]:
        from pydicom.pixels.utils import get_nr_frames, pixel_dtype

        file = _header(path)
        if "Rows" not in file or "Columns" not in file:
            raise ValueError("its header says no Rows and Columns, as that of an image does")
        bits = int(file.BitsAllocated)
        floats = bits in FLOATS and _is_float(path)
        dtype: np.dtype[Any] = FLOATS[bits] if floats else pixel_dtype(file)
        frames, samples = get_nr_frames(file, warn=False), int(file.get("SamplesPerPixel", 1))
        samples = 3 if _is_palette(file) else samples
        shape, axes = [int(file.Rows), int(file.Columns)], ["row", "column"]
        if frames > 1:
            shape, axes = [frames, *shape], ["frame", *axes]
        if samples > 1:
            shape, axes = [*shape, samples], [*axes, "channel"]
        return [Part("", tuple(shape), dtype, tuple(axes))]

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        from pydicom import dcmread
        from pydicom.pixels import apply_color_lut, pixel_array

        file = dcmread(path)
        _require_honest(file, part)
        frame = at.get("frame")
        stored = np.asarray(pixel_array(file, index=frame if part.extent("frame") > 1 else None))
        if int(file.BitsAllocated) == 1:
            return stored.astype(bool)
        if _is_palette(file):
            return np.asarray(apply_color_lut(stored, file))
        if frame is not None or part.extent("frame") == 1:
            return _in_units(stored, file, frame or 0)
        return np.stack([_in_units(plane, file, i) for i, plane in enumerate(stored)])

    def header(self, path: Path, part: Part) -> object:
        return _header(path)

    def place_of(self, path: Path) -> Place:
        """Where the slice of a file lies. Raises anything for a bad file."""
        file = _header(path)
        position, directions = file.get("ImagePositionPatient"), file.get("ImageOrientationPatient")
        along = float(file.get("InstanceNumber") or 0)
        if position and directions:
            rows, columns = np.asarray(directions, dtype=float).reshape(2, 3)
            along = float(np.dot(np.cross(rows, columns), np.asarray(position, dtype=float)))
        return Place(str(file.get("SeriesInstanceUID", "")), along)

    def encode(self, values: np.ndarray, header: object, geometry: Geometry) -> bytes:
        return derived(cast("Dataset", header), values, geometry)


def _header(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path, stop_before_pixels=True)


def _is_float(path: Path) -> bool:
    from pydicom import dcmread

    file = dcmread(path, specific_tags=[*PIXELS[1:]], defer_size=64)
    return any(name in file for name in PIXELS[1:])


def _is_palette(file: Dataset) -> bool:
    return bool(file.get("PhotometricInterpretation") == "PALETTE COLOR")


def _require_honest(file: Dataset, part: Part) -> None:
    """Raise ValueError where there are no pixels, and where the header of a compressed frame
    promises another size than the file's: its decoder would take memory for that."""
    if not any(name in file for name in PIXELS):
        raise ValueError("it ends before its pixels, or has none")
    if not file.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    from pydicom.encaps import generate_frames

    rows, columns = part.extent("row"), part.extent("column")
    for data in generate_frames(file.PixelData, number_of_frames=part.extent("frame")):
        size = _size(data)
        if size is not None and size != (rows, columns):
            raise ValueError(f"a frame of {rows}×{columns} is {size[0]}×{size[1]} inside")


def _size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a compressed frame, as it says itself; None where it doesn't."""
    if data.startswith(b"\xff\x4f\xff\x51"):
        from openjpeg.utils import get_parameters as of_jpeg2000

        found: dict[str, Any] = of_jpeg2000(data)
    elif data.startswith(b"\xff\xd8"):
        from libjpeg.utils import get_parameters as of_jpeg

        found = of_jpeg(data)
    else:
        return None
    return int(found["rows"]), int(found["columns"])


def _in_units(stored: np.ndarray, file: Dataset, frame: int) -> np.ndarray:
    """One frame in the units of its file; as it is stored where that states none."""
    from pydicom.pixels import apply_modality_lut

    told = group_of(file, frame, "PixelValueTransformationSequence") or file
    if "DoseGridScaling" in file:
        return stored * float(file.DoseGridScaling)
    if "ModalityLUTSequence" not in told and (
        float(told.get("RescaleSlope") or 1) == 1 and float(told.get("RescaleIntercept") or 0) == 0
    ):
        return stored
    return np.asarray(apply_modality_lut(stored, told))
