"""Numbers of measurements and starts, as they are: not scaled, whatever holds them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from priorkit.errors import BadInputError, PriorkitError, did_you_mean
from priorkit.interfaces.kinds import COMPLEX, VOLUME, Kind
from priorkit.interfaces.units import Range
from priorkit.io.arrays import is_npy, numbers, read_array
from priorkit.io.brightness import ends, extent
from priorkit.io.decoded import frame
from priorkit.io.files import distinct, numbered
from priorkit.io.formats import format_of
from priorkit.io.listing import images_in, is_dicom, is_folder, text
from priorkit.io.opening import channels_of, name_of, numbers_in, volume_of
from priorkit.io.places import Files, Pick, exists, picked, place
from priorkit.io.sources import Source
from priorkit.io.together import in_folder, read_each
from priorkit.io.values import require_one_size

__all__ = ["Raw", "extent_of", "numbers_or_picture", "raw", "raw_from", "require_nothing"]


NAMED = 3  # files
AXES = 3  # of one picture; what has more is a batch


@dataclass(frozen=True)
class Raw:
    """Numbers as they are, and of each that is from a file what that is called, and the file
    itself where results can go back into one like it. ``of`` names the file of all, or the first
    few; ``skipped`` are files of a folder that were left out, with the reason."""

    numbers: Tensor
    names: list[str] = field(default_factory=list)
    sources: list[Source | None] = field(default_factory=list)
    of: str = ""
    skipped: dict[str, str] = field(default_factory=dict)

    def named(self, count: int) -> list[str]:
        """What as many measurements are called as these numbers turned out to be."""
        return self.names if len(self.names) == count else numbered(count, "image")


@dataclass(frozen=True)
class _How:
    """What is read of a file that holds several: what is picked, all as a volume, or as so many
    channels."""

    pick: Pick
    volume: bool = False
    channels: int | None = None


def raw(
    source: Any,
    what: str,
    *,
    kind: str | None = None,
    dataset: str | None = None,
    slice: int | None = None,
    shape: Sequence[int] | None = None,
) -> Tensor:
    """The numbers of a measurement or a start, not scaled, since their meaning depends on the
    operator. A picture file or a PIL image gives (1, C, H, W), a list of these a batch; so does a
    file of an instrument that says where its rows and columns are. Of others, such as HDF5, it is
    the dataset as it is, of complex numbers too.

    ``what`` names it in errors: "The measurement y". ``dataset`` and ``slice`` pick one where a
    path doesn't say which itself; ``kind`` "volume" keeps slices together, and the ``shape`` of x
    says how many channels the pages of a TIFF file are. Raises BadInputError,
    of a folder also where one of its files can't be read.
    """
    if isinstance(source, (str, os.PathLike)) and is_folder(place(source)[0]):
        path, own = place(source)
        source = picked([str(file) for file in images_in(path)[0]], own)
    return raw_from(source, what, kind=kind, dataset=dataset, slice=slice, shape=shape).numbers


def raw_from(
    source: Any,
    what: str,
    *,
    kind: str | None = None,
    dataset: str | None = None,
    slice: int | None = None,
    shape: Sequence[int] | None = None,
) -> Raw:
    """The same, and the files that it is from. Of a folder those that can't be read are left out
    and listed, with a warning."""
    how = _How(Pick(dataset, slice), kind == VOLUME.name, channels_of(shape, kind))
    found = _raw(source, what, how)
    if not found.numbers.numel():
        raise BadInputError(
            f"{what} is empty: it holds no number.", got=f"shape {tuple(found.numbers.shape)}"
        )
    return found


def numbers_or_picture(source: Any, what: str, names: Sequence[str]) -> Any:
    """What an operator's option is read from: the numbers in a .npy file, or in an instrument's
    without leading axes of length 1; the path of a picture, and what is no path, as it is.

    ``names`` are the words that it may be instead. Raises BadInputError for a file that isn't
    there, or can't be read.
    """
    if not isinstance(source, (str, os.PathLike)):
        return source
    path, _ = place(source)
    if not exists(path) and not path.suffix:  # a word, and no file that isn't there
        raise BadInputError(
            f"{what} is {', '.join(names)}, a file or an array.",
            got=repr(str(source)),
            try_=did_you_mean(str(source), names),
        )
    if is_folder(path):
        held = [file for file in sorted(path.iterdir()) if file.is_file()]
        one = f"{held[0]}, which is in it, or another file" if held else "a file"
        raise BadInputError(f"{what} is one file.", got=f"the folder {path}", try_=one)
    if not is_npy(path) and format_of(path) is None:
        return source
    found = raw(source, what)
    while found.ndim > AXES and len(found) == 1:
        found = found[0]
    return found


def _raw(source: Any, what: str, how: _How) -> Raw:
    if isinstance(source, (str, os.PathLike)):
        path, own = place(source)
        how = replace(how, pick=own.over(how.pick))
        if is_folder(path):
            files, left = in_folder(path)
            if how.volume and all(is_dicom(Path(file)) for file in files):
                x, origin = volume_of(list(map(Path, files)), how.pick)
                return Raw(numbers(x[None], what), [text(path.name)], [origin], text(path.name))
            return _of_files(files, left, what, how)
        if is_npy(path):
            require_nothing(path, how.pick)
            return Raw(
                numbers(read_array(path), what), [name_of(path, how.pick)], [None], path.name
            )
        x, origin = numbers_in(path, how.pick, volume=how.volume, channels=how.channels)
        return Raw(numbers(x, what), [name_of(path, how.pick)], [origin], path.name)
    if isinstance(source, Files):
        return _of_files(source, {}, what, how)
    if isinstance(source, Image.Image):
        require_nothing("a PIL image", how.pick)
        return Raw(frame(source, None)[None])
    if isinstance(source, (list, tuple)) and all(
        isinstance(item, (str, os.PathLike, Image.Image)) for item in source
    ):
        return _together([_raw(item, what, how) for item in source], what)
    require_nothing("an array", how.pick)
    return Raw(numbers(source, what))


def _of_files(files: Files, left: dict[str, str], what: str, how: _How) -> Raw:
    """The files that can be read; the others are listed."""
    parts, skipped = read_each(files, lambda file: _raw(file, what, how), left)
    return replace(_together(parts, what), skipped=skipped)


def _together(parts: list[Raw], what: str) -> Raw:
    """All parts as one, with distinct names. Raises BadInputError for several shapes."""
    arrays = [part.numbers for part in parts]
    require_one_size([tuple(p.shape) for part in arrays if part.ndim == 4 for p in part])
    found = numbers([x[0] if len(x) == 1 and x.ndim > AXES else x for x in arrays], what)
    names = [name for part in parts for name in part.names or ["image"]]
    sources = [s for part in parts for s in part.sources or [None]]
    files = [part.of for part in parts if part.of]
    more = [f"{len(files) - NAMED} more"] if len(files) > NAMED else []
    return Raw(found, distinct(names), sources, ", ".join(files[:NAMED] + more))


def require_nothing(thing: object, pick: Pick) -> None:
    """Raise BadInputError where something is picked of a ``thing`` that holds one array."""
    if pick:
        raise BadInputError(
            f"dataset, slice and frame pick from a file that holds several; {thing} is one array.",
            got=str(pick),
        )


def extent_of(source: Any, pick: Pick, kind: Kind, shape: Sequence[int] | None = None) -> Range:
    """The range from the least to the greatest finite value of all images together; of complex
    pictures from 0 to the greatest size. Raises BadInputError where all are one number.

    Files are read once for this and once more for what they hold, so that of a folder that is
    brought to a small size no more than one file is in memory as it is.
    """
    how = _How(pick, kind is VOLUME, channels_of(shape, kind.name))
    return extent(list(_ends(source, how, kind)))


def _ends(source: Any, how: _How, kind: Kind) -> Iterator[tuple[float, float] | None]:
    for x in _each(source, how):
        if kind is COMPLEX or x.is_complex():
            size = ends(x.abs())
            yield None if size is None else (0.0, size[1])
        else:
            yield ends(x)


def _each(source: Any, how: _How) -> Iterator[Tensor]:
    """The numbers of every image, one file after the other; of a folder those that can be read."""
    if isinstance(source, (str, os.PathLike)) and is_folder(place(source)[0]):
        path, own = place(source)
        how = replace(how, pick=own.over(how.pick))
        read, first = 0, None
        for file in images_in(path)[0]:
            try:
                found = _raw(file, "A picture", how).numbers
            except PriorkitError as error:  # it is named where the folder is read
                first = first or error
                continue
            read += 1
            yield found
        if first is not None and not read:
            raise first
    elif isinstance(source, (list, tuple)) and any(
        not isinstance(item, (int, float, complex)) for item in source
    ):
        for item in source:
            yield from _each(item, how)
    else:
        yield _raw(source, "A picture", how).numbers
