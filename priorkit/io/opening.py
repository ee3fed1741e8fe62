"""Files of images, whatever their format, as numbers and as pictures in [0, 1]."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces.component import Shape
from priorkit.interfaces.kinds import PICTURE, VOLUME
from priorkit.io.brightness import WHITE, Scaling, scaled
from priorkit.io.formats import Dicom, Format, Part, Tiff, format_of
from priorkit.io.formats.base import STACKED
from priorkit.io.frames import Decoded, open_frame, open_stack, size_of
from priorkit.io.held import LYING, Held, held, telling
from priorkit.io.of_kind import refuse_picture
from priorkit.io.places import Pick
from priorkit.io.sources import Source
from priorkit.io.values import dimensions, framed

__all__ = [
    "array_in",
    "channels_of",
    "name_of",
    "numbers_in",
    "picture_in",
    "require_clear",
    "size_told",
    "volume_in",
    "volume_of",
]

log = logging.getLogger("priorkit")

FEW = (1, 3, 4)  # channels that an array whose last axis has as many is a picture of


def channels_of(shape: Sequence[int] | None, kind: str | None = None) -> int | None:
    """How many channels a picture is said to have, where its shape (C, H, W) says so."""
    told = shape is not None and len(shape) == 3 and kind in (None, PICTURE.name)
    return shape[0] if shape is not None and told and shape[0] > 1 else None


def _spectrum_in(path: Path, pick: Pick, channels: int | None) -> Tensor | None:
    """The pages of a TIFF file as one array, (C, H, W) or (H, W, C), where there are as many, or
    they have as many columns, as there are said to be channels; None of any other file."""
    if channels is None or pick or not path.name.lower().endswith(Tiff.suffixes):
        return None
    pages = _pages_told(path)
    if pages is None or channels not in (pages[0], pages[-1]):
        return None
    return volume_in(path, pick)[0][0]


def _pages_told(path: Path) -> Shape | None:
    """(pages, H, W) of a file of several gray pages of which nothing says what they are."""
    told = size_of(path)
    if isinstance(told, Format):
        with telling(path, told):
            parts = told.parts(path)
        alone = len(parts) == 1 and parts[0].axes == ("frame", "row", "column")
        return parts[0].shape if alone else None
    (channels, *sides), count = told
    return (count, *sides) if count > 1 and channels == 1 else None


def picture_in(
    path: Path, pick: Pick, shape: tuple[int, ...] | None, scaling: Scaling
) -> tuple[Tensor, Source | None] | Held:
    """A picture (C, H, W) in [0, 1], brought to ``shape`` where there is one, and the file that
    results go back into one like. An array of which the file doesn't tell what its axes are, or of
    complex numbers, comes as it is.

    Raises BadInputError for what isn't one picture.
    """
    spectrum = _spectrum_in(path, pick, channels_of(shape))
    if spectrum is not None:
        return Held(path, "", spectrum, ("frame", "row", "column"), told=False)
    read = format_of(path) or open_frame(path, shape, pick, scaling)
    if isinstance(read, Decoded):
        x = framed(read.numbers, None, Scaling(of=scaling.of))
        return x, _of_pillow(path, x, read.whole)
    found = held(path, read, pick)
    if found.numbers.is_complex() or not (found.told or found.numbers.ndim == 2):
        return found
    source = found.source
    if source is not None and shape is not None:
        source = source.framed(shape)
    x = _over_white(found.planes(), path) if found.opacity else found.planes()
    return framed(x, shape, scaling), source


def volume_in(path: Path, pick: Pick) -> tuple[Tensor, Source | None]:
    """The numbers of a volume (C, D, H, W) in a file of slices or frames."""
    read = format_of(path) or open_stack(path, pick)
    if isinstance(read, Decoded):
        if read.numbers.shape[1] == 1 and not pick:
            refuse_picture(path, VOLUME, None)
        return read.numbers, _of_pillow(path, read.numbers, read.whole)
    found = held(path, read, pick, stack=True)
    return found.planes(volume=True), found.source


def volume_of(files: Sequence[Path], pick: Pick) -> tuple[Tensor, Source | None]:
    """The numbers of a volume (C, D, H, W) whose slices are DICOM files, in the order in which they
    lie in space. Raises BadInputError where they are of several series or sizes."""
    dicom = Dicom()
    known = []
    for path in files:
        with telling(path, dicom):
            known.append((dicom.place_of(path), path))
    series = {where.series for where, _ in known}
    if len(series) > 1:
        raise BadInputError(
            f"{files[0].parent} holds {len(series)} series of DICOM slices.",
            try_="a folder for each",
        )
    known.sort(key=lambda one: (one[0].along, one[1].name))
    parts = [held(path, dicom, pick) for _, path in known]
    planes = [part.planes() for part in parts]
    if len({tuple(plane.shape) for plane in planes}) > 1:
        sizes = sorted({dimensions(plane.shape) for plane in planes})
        raise BadInputError("The slices of a volume have one size.", got=" and ".join(sizes[:3]))
    first = parts[0].source
    if first is not None:
        headers = tuple(part.source.headers[0] for part in parts if part.source is not None)
        first = replace(first, headers=headers)
    alike = len({plane.dtype for plane in planes}) == 1  # else slices have slopes of their own
    return torch.stack([plane if alike else plane.double() for plane in planes], 1), first


def size_told(path: Path, pick: Pick) -> Shape | None:
    """The size of the image in a file by its header: of pictures that have the same, the numbers
    have one shape. None where the header can't be read."""
    try:
        told = format_of(path) or size_of(path)
        if not isinstance(told, Format):
            return told[0]
        with telling(path, told):
            parts = told.parts(path)
    except PriorkitError:  # whoever reads the file says what is wrong
        return None
    parts = [part for part in parts if part.name == pick.dataset] or parts
    one = pick.slice is not None or pick.frame is not None
    return max((_size_left(part, one) for part in parts), key=math.prod, default=None)


def _size_left(part: Part, one: bool) -> Shape:
    """The size of an upright array, without the axes along which ``one`` is picked."""
    size, axes = list(part.shape), list(part.axes)
    if part.turn in LYING:
        i, k = axes.index("row"), axes.index("column")
        size[i], size[k] = size[k], size[i]
    return tuple(n for n, axis in zip(size, axes, strict=True) if not (one and axis in STACKED))


def array_in(path: Path, pick: Pick) -> Tensor:
    """The numbers of a dataset, of any number of axes. Raises BadInputError."""
    read = format_of(path) or open_frame(path, None, pick)
    if isinstance(read, Decoded):
        return read.numbers
    return held(path, read, pick, stack=True, any_=True).numbers


def numbers_in(
    path: Path, pick: Pick, *, volume: bool = False, channels: int | None = None
) -> tuple[Tensor, Source | None]:
    """The numbers of a file as they are: of a picture (1, C, H, W), of a volume (1, C, D, H, W), of
    a dataset whose axes the file doesn't tell, and of pages that are said to be ``channels``, all
    of them."""
    if volume:
        x, source = volume_in(path, pick)
        return x[None], source
    spectrum = _spectrum_in(path, pick, channels)
    if spectrum is not None:
        return spectrum, None
    read = format_of(path) or open_frame(path, None, pick)
    if isinstance(read, Decoded):
        return read.numbers[None], _of_pillow(path, read.numbers, read.whole)
    found = held(path, read, pick, any_=True)
    if not found.told or "row" not in found.axes:
        return found.numbers, None
    x = _over_white(found.planes(), path) if found.opacity else found.planes()
    return x[None], found.source


def require_clear(found: Held, shape: tuple[int, ...] | None) -> None:
    """Raise BadInputError for an array of three axes or more that could be slices, or channels of
    one picture, where neither its shape nor anybody tells which."""
    given = tuple(found.numbers.shape)
    clear = len(given) < 3 or (len(given) == 3 and (given[0] == 1 or given[-1] in FEW))
    if shape is not None or found.told or clear:
        return
    along = "slice" if "slice" in found.axes else "frame"
    count = given[found.axes.index(along)] if along in found.axes else 1
    sides = [n for n, axis in zip(given, found.axes, strict=True) if axis in ("row", "column")]
    channels = (count, *sides)
    raise BadInputError(
        f"{found.path} holds an array of {dimensions(given)}: {counted(count, 'slices')} of "
        f"{dimensions(sides)}, or a picture of as many channels.",
        try_=f"{found.path}::dataset={found.dataset},{along}={count // 2}, kind='volume', or "
        f"shape={channels}",
    )


def name_of(path: Path, pick: Pick) -> str:
    """What an image is called: the name of its file without the suffix, and what was picked."""
    stem = path.stem.removesuffix(".nii").removesuffix(".fits")
    parts = [stem.encode("utf-8", "replace").decode()]
    if pick.dataset is not None:
        parts.append(pick.dataset.strip("/"))
    parts += [f"{a}{n}" for a, n in (("slice", pick.slice), ("frame", pick.frame)) if n is not None]
    return "-".join(parts)


def _of_pillow(path: Path, x: Tensor, whole: bool) -> Source | None:
    """A TIFF file, of which others can be made like it; None of other pictures."""
    if path.suffix.lower() not in Tiff.suffixes:
        return None
    return Source.plain(path, Tiff(), (int(x.shape[-2]), int(x.shape[-1])), whole)


def _over_white(x: Tensor, path: Path) -> Tensor:
    """A picture (C, H, W) whose last channel is its opacity over white, in the same numbers; with a
    warning where it isn't opaque."""
    colour, opacity = x[:-1], scaled(x[-1:])
    if not bool((opacity < 1).any()):
        return colour
    log.warning("%s is partly transparent: it is taken over white.", path.name)
    white = WHITE.get(x.dtype, 1)
    made = colour.double() * opacity + white * (1 - opacity)
    return (made if x.is_floating_point() else made.round()).to(x.dtype)
