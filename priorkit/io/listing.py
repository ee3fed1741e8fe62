"""The files of a folder that hold images, and those that can't be read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from priorkit.errors import BadInputError
from priorkit.io import arrays, formats
from priorkit.io.formats import Dicom, Npz, format_of
from priorkit.io.places import near

__all__ = ["ENDS", "PICTURES", "images_in", "is_dicom", "is_folder", "is_image", "text"]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".heif")
SUFFIXES = (*PICTURES, *formats.SUFFIXES)
ENDS = (*SUFFIXES, *arrays.SUFFIXES)  # of files of images or of measurements
# Pictures that are not read from a folder; the log names them.
OTHERS = (
    *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".svg", ".psd", ".eps", ".jp2"),
    *(".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    *(".exr", ".hdr"),
)


def is_image(path: Path) -> bool:
    """Whether a file is one of images, by its name; DICOM files often have no suffix, and are
    known by what is in them."""
    found = format_of(path)
    return path.name.lower().endswith(SUFFIXES) or not (found is None or isinstance(found, Npz))


def is_dicom(path: Path) -> bool:
    """Whether a file is one of DICOM, as :func:`is_image` tells it."""
    return isinstance(format_of(path), Dicom)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder. Raises BadInputError where it isn't, nor a file: a pipe has no
    end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise BadInputError(f"There is no file {path}.", try_=near(path, ENDS)) from error
    except (OSError, ValueError) as error:  # too long, or a name that no file can have
        raise BadInputError("This path can't be read.", got=f"{str(path)[:80]!r}") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise BadInputError(f"{path} is no file: it is a pipe or a device.", try_="a file on disk")
    return stat.S_ISDIR(mode)


def images_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder that can be read, and those of other formats, which can't. Hidden
    files, folders and pipes are none; a link to a file that is gone is one.

    Raises BadInputError where there are none of the first, or the folder can't be read.
    """
    try:
        every = [p for p in sorted(folder.iterdir()) if p.name[0] != "."]
        every = [path for path in every if path.is_file() or not path.exists()]
    except OSError as error:
        raise BadInputError(f"The folder {folder} can't be read.", got=error.strerror) from error
    others = [path for path in every if path.suffix.lower() in OTHERS]
    files = [path for path in every if path not in others and is_image(path)]
    if not files:
        held = [path for path in every if path.suffix.lower() in arrays.SUFFIXES]
        names = ", ".join(text(path.name) for path in (*held, *others)[:3])
        known = f"{' '.join(PICTURES)}, or with priorkit[formats] {' '.join(formats.SUFFIXES)}"
        raise BadInputError(
            f"No pictures in the folder {folder}.",
            got=names or None,
            try_="a list of the .npy files in place of the folder" if held else known,
        )
    return files, others


def text(name: str | os.PathLike[str]) -> str:
    """The name of a file as Unicode, whatever bytes it is made of."""
    return os.fspath(name).encode("utf-8", "replace").decode()
