"""Formats of instruments, a file each, and each read by the library of its field."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from priorkit.io.formats.base import Format, Geometry, Part, Writable
from priorkit.io.formats.dicom import Dicom
from priorkit.io.formats.fits import Fits
from priorkit.io.formats.hdf5 import Hdf5
from priorkit.io.formats.matlab import Matlab
from priorkit.io.formats.nifti import Nifti
from priorkit.io.formats.npz import Npz
from priorkit.io.formats.png import DeepPng
from priorkit.io.formats.tiff import Tiff

__all__ = [
    "SUFFIXES",
    "DeepPng",
    "Dicom",
    "Format",
    "Geometry",
    "Npz",
    "Part",
    "Tiff",
    "Writable",
    "deep_format",
    "format_of",
]

# Of files that Pillow doesn't open.
FORMATS: tuple[Format, ...] = (Dicom(), Nifti(), Hdf5(), Matlab(), Fits())
SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)
ARRAYS = Npz()  # as .npy files, they aren't taken out of folders
DEEP: tuple[DeepPng | Tiff, ...] = (DeepPng(), Tiff())
DICOM_MARK, DICOM_PLACE = b"DICM", 128  # in every DICOM file, whose name often has no suffix


def format_of(path: Path) -> Format | None:
    """The format of a file by the end of its name, or of a DICOM file without one; None of what
    Pillow and numpy read."""
    name = path.name.lower()
    for known in (*FORMATS, ARRAYS):
        if name.endswith(known.suffixes):
            return known
    return FORMATS[0] if not path.suffix[1:].isalpha() and _is_dicom(path) else None


def deep_format(image: Image.Image) -> DeepPng | Tiff | None:
    """What reads an opened picture file that Pillow would change; None of all others."""
    return next((known for known in DEEP if known.knows(image)), None)


def _is_dicom(path: Path) -> bool:
    try:
        if not path.is_file():  # a pipe never ends
            return False
        with open(path, "rb") as file:
            file.seek(DICOM_PLACE)
            return file.read(len(DICOM_MARK)) == DICOM_MARK
    except (OSError, ValueError):
        return False
