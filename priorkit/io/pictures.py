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
from priorkit.io.arrays import MAX_DEPTH, numbers, read_array
from priorkit.io.brightness import Scaling, check_range
from priorkit.io.files import distinct
from priorkit.io.formats import format_of
from priorkit.io.frames import frame
from priorkit.io.held import Held
from priorkit.io.listing import PICTURES, images_in, is_dicom, is_folder, is_image, text
from priorkit.io.of_kind import images_of, refuse_picture, require_signal
from priorkit.io.opening import (
    array_in,
    name_of,
    picture_in,
    require_clear,
    volume_in,
    volume_of,
)
from priorkit.io.places import Pick, place
from priorkit.io.raw import extent_of, raw, raw_from, require_nothing
from priorkit.io.sources import Source
from priorkit.io.values import dimensions, framed, layout, require_one_size, resized

__all__ = [
    "Pictures",
    "astronaut",
    "dimensions",
    "images_of",
    "is_image",
    "load",
    "raw",
    "raw_from",
    "require_signal",
    "to_pil",
]

log = logging.getLogger("priorkit")

BAND = 1 << 16  # pixels that fit into the cache
VOLUME_BATCH = 5  # dimensions of an array (B, C, D, H, W)
Shaped = tuple[int, ...] | None


@dataclass(frozen=True)
class Pictures:
    """A batch of images (B, *shape), of pictures and volumes in [0, 1], a name for each, their
    kind, and the files of a folder that can't be read, with the reason.

    ``range`` has the values that are 0 and 1 in x, where there is one; ``sources`` are the
    files that results can go back into one like, None of an image without such.
    """

    x: Tensor
    names: list[str]
    kind: Kind = PICTURE
    skipped: dict[str, str] = field(default_factory=dict)
    range: Range | None = None
    sources: list[Source | None] = field(default_factory=list)


@dataclass(frozen=True)
class _How:
    """How images are read: what :func:`load` was told of them."""

    resize: bool
    kind: str | None
    scaling: Scaling
    pick: Pick


def astronaut() -> Path:
    """The sample photograph: the face of astronaut Eileen Collins (NASA, public domain)."""
    return Path(__file__).parents[1] / "assets" / "astronaut.png"


def load(
    source: Any,
    shape: Shaped = None,
    *,
    resize: bool = False,
    kind: str | None = None,
    range: tuple[float, float] | Literal["auto"] | None = None,
    clip: bool = False,
    dataset: str | None = None,
    slice: int | None = None,
) -> Pictures:
    """Read images from a path, a folder, PIL, numpy or torch.

    The same numbers give the same pictures in any container; no memory is shared with it.

    Parameters
    ----------
    source : a file, of pictures or of an instrument (see docs/files.md), perhaps with what is
        picked there, ``scan.nii.gz::slice=90``; a .npy file, a folder of files, a PIL image, an
        array, tensor or lists of numbers (H, W), (H, W, C), (C, H, W), (B, H, W, C) or
        (B, C, H, W); uint8 in 0..255, uint16 in 0..65535, bool, or float in [0, 1]; or a list of
        any of these. What is partly transparent is taken over white, with a warning. Files and
        PIL images are turned as their EXIF says.
    shape : (C, H, W) to bring files and PIL images to: the largest centred box of these
        proportions, resized with antialiased bilinear. Arrays are taken as they are and
        must have this shape. (d,) asks for vectors, (C, N) for signals, (C, D, H, W) for volumes:
        an array of that shape or a batch of these, of any values; of volumes as of pictures.
    resize : crop and resize arrays too, and convert between gray and colour, as for files
    kind : of the images, see :mod:`priorkit.interfaces.kinds`, where neither the shape nor the
        array tells it. An array of five dimensions is of volumes, (B, C, D, H, W); one of complex
        numbers, (H, W) or (B, H, W), is of complex pictures
    range : (lo, hi), the values that are 0 and 1: x = (values − lo)/(hi − lo). Then numbers of
        any type are what they are, and no brightness. "auto" is from the least to the greatest
        finite value of all images together; of complex pictures from 0 to the greatest size
    clip : take values outside the range for the nearest inside
    dataset, slice : which one of files that hold several, where the path doesn't say

    Raises BadInputError for anything that isn't a picture, NaN, values out of range, arrays with
    masked entries, and files of several images of which none is picked.
    """
    known = kind_of(shape, kind)
    pick = Pick(dataset, slice)
    if clip and range is None:
        raise BadInputError("clip is about values outside of a range.", try_="range=(lo, hi)")
    if clip and known is COMPLEX:
        raise BadInputError("Complex pictures are scaled by their range, not clipped.")
    scale: Range | None = None
    if isinstance(range, str):
        if range != "auto":
            raise BadInputError("range is (lo, hi) or 'auto'.", got=repr(range))
        scale = extent_of(source, pick, known)
    elif range is not None:
        scale = _range(range)
    found = _load(source, shape, _How(resize, kind, Scaling(scale, clip), pick))
    return found if scale is None else replace(found, range=scale)


def _range(ends: Any) -> Range:
    """A range that somebody said. Raises BadInputError."""
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError) as error:
        raise BadInputError(
            "range is (lo, hi), two numbers, or 'auto'.", got=repr(ends)[:60]
        ) from error
    return Range(low, high)


def _load(source: Any, shape: Shaped, how: _How) -> Pictures:
    known = kind_of(shape, how.kind)
    if isinstance(source, (list, tuple)):
        if not source and known is PICTURE:
            raise BadInputError("No pictures given.", got="an empty list")
        paths = source and all(isinstance(item, (str, os.PathLike)) for item in source)
        if paths or (known is PICTURE and not _is_nested(source)):
            return _batch([_load(item, shape, how) for item in source])
    if isinstance(source, (str, os.PathLike)):
        path, own = place(source)
        return _from_path(path, shape, replace(how, pick=own.over(how.pick)))
    require_nothing(f"a {type(source).__name__}", how.pick)
    if known is not PICTURE:
        refuse_picture(source, known, shape)
        return _named(images_of(source, known, shape, how.scaling), known)
    if isinstance(source, Image.Image):
        x = framed(frame(source, shape, how.scaling), None, _done(how.scaling))
        return Pictures(x[None], ["image"])
    try:
        given = numbers(source, "A picture")
    except BadInputError as error:
        if isinstance(source, (list, tuple, np.ndarray, Tensor)):
            raise
        raise _no_picture(source) from error
    if given.ndim == 0:
        raise _no_picture(source)
    told = COMPLEX if given.is_complex() else VOLUME if given.ndim == VOLUME_BATCH else PICTURE
    if told is PICTURE or how.kind is not None:
        return _from_array(given, shape, how)
    if shape is not None and not told.fits(shape):
        raise BadInputError(
            f"x must be {PICTURE}, of {dimensions(shape)} here.",
            got=f"{told}, an array of {dimensions(given.shape)}",
            try_="another prior, or another shape",
        )
    return _named(images_of(given, told, shape, how.scaling), told)


def to_pil(x: Tensor) -> Image.Image:
    """A picture (1, H, W) or (3, H, W) in [0, 1] → PIL, rounded to 8 bits."""
    count, height, width = x.shape
    values = torch.empty(height, width, count, dtype=torch.uint8)
    rows = max(1, BAND // width)
    for part, into in zip(x.detach().split(rows, 1), values.split(rows), strict=True):
        part = part.float().cpu().clamp(0, 1).mul_(255).round_()
        into.copy_(part.permute(1, 2, 0))
    array = values.numpy()
    return Image.fromarray(array[..., 0] if count == 1 else array)


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


def _done(scaling: Scaling) -> Scaling:
    """Those of what was brought to [0, 1] already."""
    return replace(scaling, range=None)


def _from_array(x: Tensor, shape: Shaped, how: _How) -> Pictures:
    x = layout(x, shape, how.scaling)
    check_range(x)
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        if not how.resize or x.shape[1] not in (1, 3) or shape[0] not in (1, 3):
            raise BadInputError(
                f"An array of pictures must be {dimensions(shape)} here.",
                got=dimensions(x.shape[1:]),
                try_="resize=True, to crop and resize it",
            )
        x = resized(x, shape)
    return _named(x.contiguous(), PICTURE)


def _named(x: Tensor, kind: Kind, name: str | None = None) -> Pictures:
    """A batch of a kind; several have numbers as names."""
    alone = name or ("image" if kind is PICTURE else kind.name)
    return Pictures(x, [f"{i:04d}" for i in range(len(x))] if len(x) > 1 else [alone], kind)


def _from_path(path: Path, shape: Shaped, how: _How) -> Pictures:
    known, name = kind_of(shape, how.kind), name_of(path, how.pick)
    if is_folder(path):
        return _from_folder(path, shape, how)
    if path.suffix == ".npy":
        require_nothing(path, how.pick)
        return _load(read_array(path), shape, replace(how, pick=Pick()))
    if known is VOLUME:
        return _volume(*volume_in(path, how.pick), shape, how, name)
    if known is not PICTURE:
        if format_of(path) is None:
            refuse_picture(path, known, shape)
        x = images_of(array_in(path, how.pick), known, shape, how.scaling)
        return _named(x, known, name)
    found = picture_in(path, how.pick, shape, how.scaling)
    if isinstance(found, Held):
        if how.kind is None:
            require_clear(found, shape)
        made = _load(found.numbers, shape, replace(how, pick=Pick()))
        return replace(made, names=[name]) if len(made.names) == 1 else made
    x, source = found
    return Pictures(x[None], [name], sources=[source])


def _volume(x: Tensor, source: Source | None, shape: Shaped, how: _How, name: str) -> Pictures:
    """One volume, its numbers (C, D, H, W) as they are in its file."""
    found = _named(images_of(x[None], VOLUME, shape, how.scaling), VOLUME, name)
    return replace(found, sources=[source])


def _from_folder(folder: Path, shape: Shaped, how: _How) -> Pictures:
    """The files that can be read; the others are listed. Raises where none can. DICOM files are
    the slices of one volume, where volumes are asked for."""
    files, others = images_in(folder)
    if kind_of(shape, how.kind) is VOLUME and all(is_dicom(path) for path in files):
        return _volume(*volume_of(files, how.pick), shape, how, text(folder.name))
    parts = []
    skipped = {
        text(path.name): f"{path.suffix} files are not read out of a folder. "
        f"Try: {', '.join(PICTURES)}"
        for path in others
    }
    errors = []
    for path in files:
        try:
            parts.append(_from_path(path, shape, how))
        except BadInputError as error:
            errors.append(error)
            skipped[text(path.name)] = str(error)
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
    sources = [s for p in parts for s in p.sources or [None] * len(p.x)]
    kind = parts[0].kind
    return Pictures(torch.cat([p.x for p in parts]), names, kind, skipped, sources=sources)
