"""DICOM images, by pydicom and its plugins for what is compressed."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

import numpy as np

from priorkit.io.formats.base import Geometry, Part, Writable

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Dicom"]

SECONDARY = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage
FLOATS: dict[int, np.dtype[Any]] = {32: np.dtype("f4"), 64: np.dtype("f8")}
STEPS = 65534  # between the least and the greatest number that are written
# What is true of the numbers of the source alone; all of the pixels' own group is made anew.
OWN = {
    *("PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelPaddingValue"),
    *("PixelPaddingRangeLimit", "SmallestImagePixelValue", "LargestImagePixelValue"),
    *("SmallestPixelValueInSeries", "LargestPixelValueInSeries", "ModalityLUTSequence"),
    *("VOILUTSequence", "NumberOfFrames", "FrameIncrementPointer", "PlanarConfiguration"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DoseGridScaling"),
    *("ICCProfile", "DimensionIndexSequence", "DimensionOrganizationSequence"),
    *("DimensionOrganizationType", "ConcatenationUID", "IconImageSequence", "PixelAspectRatio"),
}


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
            return []
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
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid

        source = cast("Dataset", header)
        if values.ndim != 2:
            raise ValueError("a volume goes into one file per slice")
        frame = dict(geometry.at).get("frame", 0)
        made = copy.deepcopy(source)
        for element in list(made):
            if element.keyword in OWN or element.tag.group >> 8 == 0x60:  # planes drawn over it
                del made[element.tag]
        _place(made, source, frame, geometry)
        _refer(made, source)
        made.SOPInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
        if "PerFrameFunctionalGroupsSequence" in source or "NumberOfFrames" in source:
            made.SOPClassUID = SECONDARY
        made.ImageType = ["DERIVED", "SECONDARY"]
        made.DerivationDescription = "Recovered by priorkit"
        made.SeriesDescription = f"{source.get('SeriesDescription', '')} (priorkit)".strip()[:64]
        low, high = float(values.min()), float(values.max())
        slope = _decimal((high - low) / STEPS or 1.0, up=True)
        middle = _decimal((low + high) / 2)
        made.RescaleSlope, made.RescaleIntercept = slope, middle
        made.RescaleType = made.get("RescaleType", "US")
        made.Rows, made.Columns = values.shape
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        made.BitsAllocated = made.BitsStored = 16
        made.HighBit, made.PixelRepresentation = 15, 1
        numbers = np.round((values.astype(np.float64) - float(middle)) / float(slope))
        made.PixelData = numbers.clip(-32768, 32767).astype("<i2").tobytes()
        made["PixelData"].VR = "OW"
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = made.SOPClassUID
        meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        cast(Any, made).file_meta = meta
        buffer = io.BytesIO()
        made.save_as(buffer, enforce_file_format=True, implicit_vr=False, little_endian=True)
        return buffer.getvalue()


def _header(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path, stop_before_pixels=True)


def _is_float(path: Path) -> bool:
    from pydicom import dcmread

    file = dcmread(path, specific_tags=["FloatPixelData", "DoubleFloatPixelData"], defer_size=64)
    return "FloatPixelData" in file or "DoubleFloatPixelData" in file


def _is_palette(file: Dataset) -> bool:
    return bool(file.get("PhotometricInterpretation") == "PALETTE COLOR")


def _require_honest(file: Dataset, part: Part) -> None:
    """Raise ValueError where the header of a compressed frame promises another size than the
    file's: its decoder would take memory for that."""
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

    told = _group(file, frame, "PixelValueTransformationSequence") or file
    if "DoseGridScaling" in file:
        return stored * float(file.DoseGridScaling)
    if "ModalityLUTSequence" not in told and (
        float(told.get("RescaleSlope") or 1) == 1 and float(told.get("RescaleIntercept") or 0) == 0
    ):
        return stored
    return np.asarray(apply_modality_lut(stored, told))


def _group(file: Dataset, frame: int, name: str) -> Dataset | None:
    """The first item of a sequence that is of one frame, or of all that are in the file."""
    own = file.get("PerFrameFunctionalGroupsSequence") or []
    shared = file.get("SharedFunctionalGroupsSequence") or []
    for groups in (own[frame : frame + 1], shared[:1]):
        for group in groups:
            if group.get(name):
                return cast("Dataset", group[name].value[0])
    return None


def _place(made: Dataset, source: Dataset, frame: int, geometry: Geometry) -> None:
    """Spacing and position of the pixels that are left, where the source states them.

    Position + n·(spacing of columns)·(direction of a row) is that of column n: C.7.6.2.1.1 of
    DICOM's part 3.
    """
    for sequence, names in (
        ("PixelMeasuresSequence", ("PixelSpacing", "SliceThickness")),
        ("PlanePositionSequence", ("ImagePositionPatient",)),
        ("PlaneOrientationSequence", ("ImageOrientationPatient",)),
    ):
        group = _group(source, frame, sequence)
        for name in names if group is not None else ():
            if group is not None and name in group:
                setattr(made, name, group[name].value)
    spacing = made.get("PixelSpacing")
    position, directions = made.get("ImagePositionPatient"), made.get("ImageOrientationPatient")
    if not spacing:
        return
    between = [float(n) for n in spacing]
    if position and directions and len(position) == 3 and len(directions) == 6:
        along = np.asarray([float(n) for n in directions]).reshape(2, 3)
        top, left = geometry.first
        moved = np.asarray([float(n) for n in position])
        moved += along[0] * left * between[1] + along[1] * top * between[0]
        made.ImagePositionPatient = [_decimal(n) for n in moved]
    scale = (geometry.rows, geometry.columns)
    made.PixelSpacing = [_decimal(n * s) for n, s in zip(between, scale, strict=True)]


def _refer(made: Dataset, source: Dataset) -> None:
    """Name the source, as a derived image must."""
    from pydicom import Dataset, Sequence

    reference = Dataset()
    reference.ReferencedSOPClassUID = source.get("SOPClassUID", SECONDARY)
    reference.ReferencedSOPInstanceUID = source.get("SOPInstanceUID", "")
    made.SourceImageSequence = Sequence([reference])


def _decimal(number: float, *, up: bool = False) -> Any:
    """A number as the 16 characters that DICOM has for it, not below it where it goes ``up``."""
    from pydicom.valuerep import DSfloat

    made = DSfloat(number, auto_format=True)
    return DSfloat(number * (1 + 1e-9), auto_format=True) if up and made < number else made
