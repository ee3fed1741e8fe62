"""Picture files that Pillow opens, a frame of them or several, as numbers (C, H, W)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces.component import Shape
from priorkit.io.brightness import PLAIN, Scaling
from priorkit.io.decoded import is_gray, read_frame, upright
from priorkit.io.files import complaint
from priorkit.io.formats import Format, Part, Tiff, deep_format
from priorkit.io.held import indices, quiet
from priorkit.io.places import Pick

__all__ = [
    "MAX_PIXELS",
    "Decoded",
    "header_of",
    "open_frame",
    "open_stack",
    "opened",
    "size_of",
    "with_opacity",
]

log = logging.getLogger("priorkit")

T = TypeVar("T")
MAX_PIXELS = 50_000_000  # of a file that is resized; a larger one is refused undecoded
MAX_WHOLE = 16_000_000  # of a file that is taken as it is
NOTHING = Pick()
# Their further frames are previews, maps or layers of the first.
ONE_PICTURE = ("MPO", "PSD", "ICO", "ICNS", "CUR")
HEIF = (".heic", ".heif")  # of phones; Pillow reads it by the plugin of another package


@dataclass(frozen=True)
class Decoded:
    """The numbers of a picture file, and whether they are whole ones there."""

    numbers: Tensor
    whole: bool


def open_frame(
    path: Path, shape: tuple[int, ...] | None, pick: Pick = NOTHING, scaling: Scaling = PLAIN
) -> Decoded | Format:
    """The numbers of a picture file, as :func:`frame`, or what reads them where Pillow would change
    them. Raises BadInputError; a large file is refused before it is decoded, and one of several
    frames unless one is picked."""

    def read(file: Image.Image) -> Decoded:
        _require_small(file, path, shape, 1)
        _seek(file, path, pick)
        _require_small(file, path, shape, 1)  # frames may be of several sizes
        return Decoded(read_frame(file, shape, path.name, scaling), file.mode != "F")

    return _read(path, read)


def open_stack(path: Path, pick: Pick) -> Decoded | Format:
    """The frames of a picture file behind one another, numbers (C, D, H, W), as
    :func:`open_frame`."""

    def read(file: Image.Image) -> Decoded:
        count = _count(file)
        which = [pick] if pick or count == 1 else [Pick(frame=k) for k in range(count)]
        _require_small(file, path, None, len(which))
        size, planes = file.size, []
        for one in which:
            _seek(file, path, one)
            if not pick and file.size != size:
                raise _of_several_kinds(path)
            _require_small(file, path, None, len(which))
            planes.append(read_frame(file, None, path.name, PLAIN))
        if len({(plane.shape, plane.dtype) for plane in planes}) > 1:
            raise _of_several_kinds(path)
        return Decoded(torch.stack(planes, 1), file.mode != "F")

    return _read(path, read)


def size_of(path: Path) -> tuple[Shape, int] | Format:
    """The size (C, H, W) of a picture file that isn't decoded, upright, and of how many frames; or
    what reads it where Pillow would change it. Raises BadInputError."""
    return _read(path, _header)


def header_of(path: Path) -> tuple[Shape, int]:
    """The same by Pillow alone, whoever reads the numbers. Raises BadInputError."""
    with opened(path) as file:
        return _header(file)


def _header(file: Image.Image) -> tuple[Shape, int]:
    width, height = upright(file)
    return (1 if is_gray(file) else 3, height, width), _count(file)


def _of_several_kinds(path: Path) -> BadInputError:
    return BadInputError(
        f"The frames of {path} are not of one size and type.", try_=f"{path}::frame=0"
    )


def _read(path: Path, read: Callable[[Image.Image], T]) -> T | Format:
    """What ``read`` makes of a picture file, or what reads one that Pillow would change."""
    try:
        with opened(path) as file:
            return deep_format(file) or read(file)
    except BadInputError as error:
        unknown = isinstance(error.__cause__, UnidentifiedImageError)  # as TIFF of 64 bits is
        if unknown and path.name.lower().endswith(Tiff.suffixes):
            return Tiff()
        raise


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture file; what Pillow raises while it is open becomes one line."""
    if path.suffix.lower() in HEIF:
        _know_heif(path)
    try:
        with quiet("PIL"), Image.open(path) as file:
            # By its name Pillow would map the pixels of a plain TIFF, those of one that lies on its
            # side in rows as long as its columns.
            file.filename = ""
            yield file
    except PriorkitError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise BadInputError(
            f"{path} is not a picture that can be read.",
            got=complaint(path, error),
            try_="a file of a picture that is whole, such as PNG or JPEG",
        ) from error


def _know_heif(path: Path) -> None:
    """Let Pillow open HEIF. Raises BadInputError where the package that can isn't there."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise BadInputError(
            f"{path} is a picture that the package pillow-heif reads.",
            try_="pip install 'priorkit[formats]', or the picture saved as JPEG",
        ) from error
    register_heif_opener()


def _require_small(
    file: Image.Image, path: Path, shape: tuple[int, ...] | None, count: int
) -> None:
    limit = MAX_WHOLE if shape is None else MAX_PIXELS
    if file.width * file.height * count > limit:
        raise BadInputError(
            f"{path} has more than {limit // 1_000_000} million pixels.",
            got=f"{file.width}×{file.height}" + (f", {count} frames" if count > 1 else ""),
            try_="shape=(3, 64, 64), to crop and resize it"
            if shape is None and count == 1
            else None,
        )


def _count(file: Image.Image) -> int:
    """How many frames there are. What some formats call frames are previews or layers of one."""
    return 1 if file.format in ONE_PICTURE else int(getattr(file, "n_frames", 1))


def _seek(file: Image.Image, path: Path, pick: Pick) -> None:
    """Go to the frame that was picked. Raises BadInputError where there are several, and none
    was."""
    count = _count(file)
    shape: tuple[int, ...] = (file.height, file.width)
    axes: tuple[str, ...] = ("row", "column")
    if count > 1:
        shape, axes = (count, *shape), ("frame", *axes)
    if pick.dataset is not None:
        raise BadInputError(f"{path} holds no dataset {pick.dataset!r}: it is a picture.")
    at = indices(path, Part("", shape, np.dtype(np.uint8), axes), pick, stack=False)
    if count > 1:
        file.seek(at["frame"])


def with_opacity(source: str | os.PathLike[str] | Image.Image) -> Image.Image:
    """A picture, a file or in memory, as RGBA, turned upright by its EXIF. Raises BadInputError; a
    large file is refused before it is decoded."""
    if isinstance(source, Image.Image):
        return ImageOps.exif_transpose(source).convert("RGBA")
    path = Path(source)
    with opened(path) as file:
        _require_small(file, path, file.size, 1)  # whoever asks resizes it
        return ImageOps.exif_transpose(file).convert("RGBA")
