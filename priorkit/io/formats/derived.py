"""A DICOM image that is derived from another: its numbers anew, and where its pixels lie."""

from __future__ import annotations

import copy
import io
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from priorkit.io.formats.base import Geometry

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["derived", "group_of"]

SECONDARY = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage
NEGATIVE = "MONOCHROME1"  # of which the least number is shown white
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


def derived(source: Dataset, values: np.ndarray, geometry: Geometry) -> bytes:
    """A file with ``values`` (H, W) of the patient, study and place of another: 16 bits, whose
    slope holds them, and identifiers of its own. Their units are those that the source states, and
    of a CT, whose are known, Hounsfield's. Raises anything where it can't be made."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

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
    told = group_of(source, frame, "PixelValueTransformationSequence") or source
    usual = "HU" if source.get("Modality") == "CT" else "US"
    made.RescaleType = told.get("RescaleType") or usual
    made.Rows, made.Columns = values.shape
    negative = source.get("PhotometricInterpretation") == NEGATIVE  # its numbers stay as they are
    made.PhotometricInterpretation = NEGATIVE if negative else "MONOCHROME2"
    made.SamplesPerPixel = 1
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


def group_of(file: Dataset, frame: int, name: str) -> Dataset | None:
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
        group = group_of(source, frame, sequence)
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
