"""Images in: files, folders, PIL, numpy, torch → (B, *shape), of pictures in [0, 1]. And out."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces.kinds import COMPLEX, PICTURE, VOLUME, Kind, kind_of
from priorkit.interfaces.units import Range
from priorkit.io.arrays import MAX_DEPTH, numbers, read_array, require_finite
from priorkit.io.files import distinct
from priorkit.io.frames import frame, open_frame
from priorkit.io.values import (
    arranged,
    check_range,
    dimensions,
    layout,
    require_one_size,
    resized,
    scaled,
)

__all__ = [
    "Pictures",
    "astronaut",
    "dimensions",
    "images_of",
    "load",
    "raw",
    "require_signal",
    "to_pil",
]

log = logging.getLogger("priorkit")

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
# Pictures that are not read from a folder; the log names them.
OTHERS = (
    *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".svg", ".psd", ".eps", ".jp2"),
    *(".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    *(".exr", ".hdr", ".dcm", ".nii", ".fits"),
)
VOLUME_BATCH = 5  # dimensions of an array (B, C, D, H, W)
FEWEST = 8  # rows and columns from which on an array could be a picture


@dataclass(frozen=True)
class Pictures:
    """A batch of images (B, *shape), of pictures and volumes in [0, 1], a name for each, their
    kind, and the files of a folder that can't be read, with the reason."""

    x: Tensor
    names: list[str]
    kind: Kind = PICTURE
    skipped: dict[str, str] = field(default_factory=dict)
    range: Range | None = None


def astronaut() -> Path:
    """The sample photograph: the face of astronaut Eileen Collins (NASA, public domain)."""
    return Path(__file__).parents[1] / "assets" / "astronaut.png"


def load(
    source: Any,
    shape: tuple[int, ...] | None = None,
    *,
    resize: bool = False,
    kind: str | None = None,
    range: tuple[float, float] | Literal["auto"] | None = None,
    clip: bool = False,
) -> Pictures:
    """Read images from a path, a folder, PIL, numpy or torch.

    The same numbers give the same pictures in any container; no memory is shared with it.

    Parameters
    ----------
    source : a picture or .npy file, a folder of pictures, a PIL image, an array, tensor or lists
        of numbers (H, W), (H, W, C), (C, H, W), (B, H, W, C) or (B, C, H, W); uint8 in 0..255,
        uint16 in 0..65535, bool, or float in [0, 1]; or a list of any of these. What is partly
        transparent is taken over white, with a warning. Files and PIL images are turned as
        their EXIF says.
    shape : (C, H, W) to bring files and PIL images to: the largest centred box of these
        proportions, resized with antialiased bilinear. Arrays are taken as they are and
        must have this shape. (d,) asks for vectors, (C, N) for signals, (C, D, H, W) for volumes:
        an array of that shape or a batch of these, of any values; of volumes as of pictures.
    resize : crop and resize arrays too, and convert between gray and colour, as for files
    kind : of the images, see :mod:`priorkit.interfaces.kinds`, where neither the shape nor the
        array tells it. An array of five dimensions is of volumes, (B, C, D, H, W); one of complex
        numbers, (H, W) or (B, H, W), is of complex pictures

    Raises BadInputError for anything that isn't a picture, NaN, values out of range, and arrays
    with masked entries.
    """
    if range is not None:  # TODO formats
        known = kind_of(shape, kind)
        source = read_array(Path(source)) if isinstance(source, (str, os.PathLike)) else source
        given = numbers(source, "x")
        given = given.to(torch.complex128 if given.is_complex() else torch.float64)
        if known is COMPLEX and given.is_complex():
            given = torch.view_as_real(given).movedim(-1, -3)
        if range == "auto":
            lo, hi = float(given.min()), float(given.max())
            lo, hi = (0.0, float(given.abs().max())) if known is COMPLEX else (lo, hi)
        else:
            lo, hi = range
        found = Range(lo, hi)
        inside = found.inside(given)
        if (
            known is not COMPLEX
            and not clip
            and (count := int(((inside < 0) | (inside > 1)).sum()))
        ):
            raise BadInputError(f"{count} outside", try_="clip=True")
        inside = inside.clamp(0, 1) if clip else inside
        return replace(load(inside, shape, kind=kind, resize=resize), range=found)
    known = kind_of(shape, kind)
    if known is not PICTURE:
        return _named(images_of(source, known, shape), known)
    if isinstance(source, (list, tuple)):
        if not source:
            raise BadInputError("No pictures given.", got="an empty list")
        if not _is_nested(source):
            return _batch([load(item, shape, resize=resize, kind=kind) for item in source])
    if isinstance(source, (str, os.PathLike)):
        return _from_path(Path(source), shape, resize, kind)
    if isinstance(source, Image.Image):
        return Pictures(_checked(frame(source, shape)), ["image"])
    try:
        given = numbers(source, "A picture")
    except BadInputError as error:
        if isinstance(source, (list, tuple, np.ndarray, Tensor)):
            raise
        raise _no_picture(source) from error
    if given.ndim == 0:
        raise _no_picture(source)
    told = COMPLEX if given.is_complex() else VOLUME if given.ndim == VOLUME_BATCH else PICTURE
    if told is PICTURE or kind is not None:
        return _from_array(given, shape, resize)
    if shape is not None and not told.fits(shape):
        raise BadInputError(
            f"x must be {PICTURE}, of {dimensions(shape)} here.",
            got=f"{told}, an array of {dimensions(given.shape)}",
            try_="another prior, or another shape",
        )
    return _named(images_of(given, told, shape), told)


def raw(source: Any, what: str) -> Tensor:
    """The numbers of a measurement or a start, not scaled, since their meaning depends on the
    operator. A picture file or a PIL image gives (1, C, H, W), a list of these a batch.

    ``what`` names it in errors: "The measurement y". Raises BadInputError.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.suffix == ".npy":
            return numbers(read_array(path), what)
        files = _files(path)[0] if _is_folder(path) else [path]
        frames = [open_frame(file, None) for file in files]
        require_one_size([tuple(picture.shape) for picture in frames])
        return numbers(frames, what)
    if isinstance(source, Image.Image):
        return frame(source, None)[None]
    if isinstance(source, (list, tuple)) and all(
        isinstance(item, (str, os.PathLike, Image.Image)) for item in source
    ):
        parts = [raw(item, what) for item in source]
        require_one_size([tuple(p.shape) for part in parts if part.ndim == 4 for p in part])
        return numbers([part[0] if len(part) == 1 else part for part in parts], what)
    return numbers(source, what)


def images_of(source: Any, kind: Kind, shape: tuple[int, ...] | None) -> Tensor:
    """Images of a kind, from an array or a .npy file: one or a batch, (B, *shape).

    Complex numbers (H, W) are complex pictures. Raises BadInputError for other shapes and values,
    for files of pictures, and where an array of two dimensions could as well be one gray picture.
    """
    many = kind.many if shape is None else f"{kind.many} of {dimensions(shape)} numbers"
    if isinstance(source, (str, os.PathLike)) and str(source).endswith(".npy"):
        source = read_array(Path(source))
    if isinstance(source, (str, os.PathLike, Image.Image)):
        if kind.has_pixels:
            raise BadInputError(
                f"x must be {kind}: an array, or a .npy file.",
                got="a picture" if isinstance(source, Image.Image) else str(source),
            )
        sides = shape if shape is not None and len(shape) == 2 else (64, 64)
        raise BadInputError(
            "The shape of a picture is (channels, height, width).",
            got=f"kind={kind.name!r}" if shape is None else f"shape={shape}, of {kind.many}",
            try_=f"shape={(3, *sides)}, or {(1, *sides)} for gray",
        )
    x = numbers(source, f"This is about {many}: what is given")
    given = tuple(x.shape)
    if x.is_complex() and kind is not COMPLEX:
        raise BadInputError(f"{kind.many.capitalize()} are real numbers.", got="complex ones")
    if shape is not None:
        require_signal(given, shape)
    x = arranged(x, kind, shape)
    if not x.numel() or not kind.fits(x.shape[1:]) or shape not in (None, tuple(x.shape[1:])):
        want = ", ".join(map(str, ("B", *(kind.axes if shape is None else shape))))
        raise BadInputError(
            f"{kind.many.capitalize()} must be ({want}) here.", got=f"shape {given}"
        )
    if kind.bounded:
        check_range(x)
    x = x if x.is_floating_point() else x.double()
    require_finite(x, f"A {kind.name}")
    return x.contiguous()


def require_signal(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse an array (C, N) for signals of that shape that could be a gray picture (H, W)."""
    if len(shape) == 2 and given == shape and min(shape) >= FEWEST:
        raise BadInputError(
            f"An array of the shape {shape} could be one signal of {shape[0]} channels, or a "
            "gray picture.",
            try_=f"shape={(1, *shape)} for a picture, or x[None] for a signal",
        )


def to_pil(x: Tensor) -> Image.Image:
    """A picture (1, H, W) or (3, H, W) in [0, 1] → PIL, rounded to 8 bits."""
    values = (x.detach().float().cpu().clamp(0, 1) * 255).round().byte()
    array = values.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _no_picture(source: Any) -> BadInputError:
    return BadInputError(
        "A picture is a path, a folder, a PIL image, a numpy array or a torch tensor.",
        got=type(source).__name__,
    )


def _is_nested(source: Any, depth: int = 0) -> bool:
    """Whether nested lists hold numbers only, and so are an array."""
    if depth > MAX_DEPTH:
        raise BadInputError("A picture isn't a list without an end.", try_="a numpy array")
    return all(
        isinstance(item, (bool, int, float, complex, np.generic))
        or (isinstance(item, (list, tuple)) and _is_nested(item, depth + 1))
        for item in source
    )


def _checked(x: Tensor) -> Tensor:
    """One picture (C, H, W) as a batch in [0, 1]."""
    x = scaled(x)[None]
    check_range(x)
    return x


def _from_array(x: Tensor, shape: tuple[int, ...] | None, resize: bool) -> Pictures:
    x = layout(x, shape)
    check_range(x)
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        if not resize or x.shape[1] not in (1, 3) or shape[0] not in (1, 3):
            raise BadInputError(
                f"An array of pictures must be {dimensions(shape)} here.",
                got=dimensions(x.shape[1:]),
                try_="resize=True, to crop and resize it",
            )
        x = resized(x, shape)
    return _named(x.contiguous(), PICTURE)


def _named(x: Tensor, kind: Kind) -> Pictures:
    """A batch of a kind; several have numbers as names."""
    alone = "image" if kind is PICTURE else kind.name
    return Pictures(x, [f"{i:04d}" for i in range(len(x))] if len(x) > 1 else [alone], kind)


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder. Raises BadInputError where nothing is there."""
    try:
        path.stat()
    except FileNotFoundError as error:
        raise BadInputError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:  # too long, or a name that no file can have
        raise BadInputError("This path can't be read.", got=f"{str(path)[:80]!r}") from error
    return path.is_dir()


def _from_path(
    path: Path, shape: tuple[int, ...] | None, resize: bool = False, kind: str | None = None
) -> Pictures:
    if _is_folder(path):
        return _from_folder(path, shape)
    if path.suffix == ".npy":
        return load(read_array(path), shape, resize=resize, kind=kind)
    return Pictures(_checked(open_frame(path, shape)), [_text(path.stem)])


def _text(name: str) -> str:
    """The name of a file as Unicode, whatever bytes it is made of."""
    return name.encode("utf-8", "replace").decode()


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder that can be read, and those of other formats, which can't.

    Raises BadInputError where there are none of the first, or the folder can't be read.
    """
    try:
        every = sorted(folder.iterdir())
    except OSError as error:
        raise BadInputError(f"The folder {folder} can't be read.", got=error.strerror) from error
    files = [path for path in every if path.suffix.lower() in SUFFIXES]
    others = [path for path in every if path.suffix.lower() in OTHERS]
    if not files:
        names = ", ".join(_text(path.name) for path in others[:3])
        raise BadInputError(
            f"No pictures in the folder {folder}.", got=names or None, try_="PNG or JPEG files"
        )
    return files, others


def _from_folder(folder: Path, shape: tuple[int, ...] | None) -> Pictures:
    """The files that can be read; the others are listed. Raises where none can."""
    files, others = _files(folder)
    parts = []
    skipped = {
        _text(path.name): f"{path.suffix} files are not read out of a folder. "
        f"Try: {', '.join(SUFFIXES)}"
        for path in others
    }
    errors = []
    for path in files:
        try:
            parts.append(_from_path(path, shape))
        except BadInputError as error:
            errors.append(error)
            skipped[_text(path.name)] = str(error)
    if not parts:
        raise errors[0]
    for name, reason in skipped.items():
        log.warning("Left out: %s: %s", name, reason)
    return replace(_batch(parts), skipped=skipped)


def _batch(parts: list[Pictures]) -> Pictures:
    """One batch of all parts, with distinct names. Raises BadInputError for several sizes."""
    sizes = [tuple(picture.shape) for part in parts for picture in part.x]
    require_one_size(
        sizes,
        "shape=(3, 64, 64) to crop and resize them all, with resize=True where they are arrays",
    )
    names = distinct([n for p in parts for n in p.names])
    skipped = {name: reason for p in parts for name, reason in p.skipped.items()}
    return Pictures(torch.cat([p.x for p in parts]), names, parts[0].kind, skipped)
