"""Images in: files, folders, PIL, numpy, torch → (B, *shape), of pictures in [0, 1]. And out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from priorkit.counted import a_or_an
from priorkit.errors import BadInputError
from priorkit.interfaces.kinds import COMPLEX, PICTURE, VOLUME, Kind, kind_of
from priorkit.interfaces.units import Range
from priorkit.io.arrays import is_nested, is_npy, read_array
from priorkit.io.brightness import PLAIN, Scaling
from priorkit.io.decoded import frame
from priorkit.io.files import distinct, numbered
from priorkit.io.formats import Npz, format_of
from priorkit.io.held import Held
from priorkit.io.listing import is_dicom, is_folder, is_image, text
from priorkit.io.of_kind import (
    images_of,
    images_told,
    refuse_picture,
)
from priorkit.io.opening import (
    array_in,
    name_of,
    picture_in,
    require_clear,
    volume_in,
    volume_of,
)
from priorkit.io.places import Files, Pick, place
from priorkit.io.raw import extent_of, raw, raw_from, require_nothing
from priorkit.io.sources import Source
from priorkit.io.together import in_folder, read_each
from priorkit.io.values import dimensions, framed, require_one_size
from priorkit.linear import CACHE

__all__ = [
    "Pictures",
    "astronaut",
    "dimensions",
    "images_of",
    "is_image",
    "load",
    "raw",
    "raw_from",
    "to_pil",
]

Shaped = tuple[int, ...] | None


@dataclass(frozen=True)
class Pictures:
    """A batch of images (B, *shape), of pictures and volumes in [0, 1], a name for each, their
    kind, and the files of a folder that were left out, with the reason.

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
    if isinstance(range, str) and range == "auto":
        scale = extent_of(source, pick, known, shape)
    elif range is not None:
        scale = Range.of(range)
    how = _How(resize, kind, Scaling(scale, clip), pick)
    return replace(_load(source, shape, how), range=scale)


def _load(source: Any, shape: Shaped, how: _How) -> Pictures:
    known = kind_of(shape, how.kind)
    if isinstance(source, Files):
        return _from_files(source, {}, shape, how)
    if isinstance(source, (list, tuple)):
        if not source and known is PICTURE:
            raise BadInputError("No pictures given.", got="an empty list")
        paths = source and all(isinstance(item, (str, os.PathLike)) for item in source)
        if paths or (known is PICTURE and not is_nested(source)):
            return _batch([_load(item, shape, how) for item in source])
    if isinstance(source, (str, os.PathLike)):
        path, own = place(source)
        return _from_path(path, shape, replace(how, pick=own.over(how.pick)))
    require_nothing(a_or_an(type(source).__name__), how.pick)
    if known is not PICTURE:
        refuse_picture(source, known, shape)
        return _named(images_of(source, known, shape, how.scaling), known)
    if isinstance(source, Image.Image):
        x = framed(frame(source, shape, how.scaling), None, PLAIN)
        return Pictures(x[None], ["image"])
    return _named(*images_told(source, shape, how.kind, how.scaling, resize=how.resize))


def to_pil(x: Tensor) -> Image.Image:
    """A picture (1, H, W) or (3, H, W) in [0, 1] → PIL, rounded to 8 bits; of (2, H, W) the second
    channel is the opacity of the first."""
    count, height, width = x.shape
    values = torch.empty(height, width, count, dtype=torch.uint8)
    rows = max(1, CACHE // width)
    for part, into in zip(x.detach().split(rows, 1), values.split(rows), strict=True):
        part = part.float().cpu().clamp(0, 1).mul_(255).round_()
        into.copy_(part.permute(1, 2, 0))
    array = values.numpy()
    return Image.fromarray(array[..., 0] if count == 1 else array)


def _named(x: Tensor, kind: Kind, name: str | None = None) -> Pictures:
    """A batch of a kind; several have numbers as names."""
    alone = name or ("image" if kind is PICTURE else kind.name)
    return Pictures(x, numbered(len(x), alone), kind)


def _from_path(path: Path, shape: Shaped, how: _How) -> Pictures:
    known, name = kind_of(shape, how.kind), name_of(path, how.pick)
    if is_folder(path):
        return _from_folder(path, shape, how)
    how = replace(how, scaling=replace(how.scaling, of=path.name))
    if is_npy(path):
        require_nothing(path, how.pick)
        return _called(name, _load(read_array(path), shape, how))
    if isinstance(format_of(path), Npz):  # as it would be in a .npy file
        values = array_in(path, how.pick)
        return _called(name, _load(values, shape, replace(how, pick=Pick())))
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
        return _called(name, _load(found.numbers, shape, replace(how, pick=Pick())))
    x, source = found
    return Pictures(x[None], [name], sources=[source])


def _called(name: str, made: Pictures) -> Pictures:
    """What is from one file; a batch keeps its numbers as names."""
    return replace(made, names=[name]) if len(made.names) == 1 else made


def _volume(x: Tensor, source: Source | None, shape: Shaped, how: _How, name: str) -> Pictures:
    """One volume, its numbers (C, D, H, W) as they are in its file."""
    found = _named(images_of(x[None], VOLUME, shape, how.scaling), VOLUME, name)
    return replace(found, sources=[source])


def _from_folder(folder: Path, shape: Shaped, how: _How) -> Pictures:
    """The files that can be read; the others are listed. Raises where none can. DICOM files are
    the slices of one volume, where volumes are asked for."""
    files, left = in_folder(folder)
    if kind_of(shape, how.kind) is VOLUME and all(is_dicom(Path(file)) for file in files):
        return _volume(*volume_of(list(map(Path, files)), how.pick), shape, how, text(folder.name))
    return _from_files(files, left, shape, how)


def _from_files(files: Files, left: dict[str, str], shape: Shaped, how: _How) -> Pictures:
    parts, skipped = read_each(files, lambda file: _load(file, shape, how), left)
    return replace(_batch(parts), skipped=skipped)


def _batch(parts: list[Pictures]) -> Pictures:
    """One batch of all parts, with distinct names. Raises BadInputError for several sizes."""
    require_one_size(
        [tuple(picture.shape) for part in parts for picture in part.x],
        "shape=(3, 64, 64) to crop and resize them all, with resize=True where they are arrays",
    )
    names = distinct([n for p in parts for n in p.names])
    skipped = {name: reason for p in parts for name, reason in p.skipped.items()}
    sources = [s for p in parts for s in p.sources or [None] * len(p.x)]
    return Pictures(torch.cat([p.x for p in parts]), names, parts[0].kind, skipped, None, sources)
