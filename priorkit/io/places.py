"""Where an image is: a file, and which of the datasets, slices or frames in it."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from priorkit.errors import BadInputError, asked

__all__ = ["FOLDERS", "Files", "Part", "Pick", "exists", "near", "picked", "place"]

MARK = "::"  # between a path and what is picked there
EXAMPLE = "scan.nii.gz::slice=90"
MAX_DIGITS = 9
FOLDERS = (os.sep,)  # ends of what only folders are asked for, see near
BESIDE, SAID = 1000, 3  # files among which one that isn't there is looked for, and that are said


@dataclass(frozen=True)
class Pick:
    """What is picked of a file that holds several images; None where nobody said.

    >>> print(Pick(dataset="kspace", slice=3))
    dataset=kspace,slice=3
    """

    dataset: str | None = None
    slice: int | None = None
    frame: int | None = None

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self._said().items())

    def __bool__(self) -> bool:
        return bool(self._said())

    def over(self, usual: Pick) -> Pick:
        """The same, and what ``usual`` says where this says nothing."""
        return Pick(**(usual._said() | self._said()))

    def _said(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


class Files(tuple[str, ...]):
    """Paths of files that are read as those of a folder are: what can't be is left out and listed,
    where a plain list of paths is refused for one of them."""


class Part(Files):
    """Some of those of a folder: whoever reads it in parts says what was left out of all."""


def place(source: str | os.PathLike[str]) -> tuple[Path, Pick]:
    """A path, and what is picked there, as in ``scan.nii.gz::slice=90`` or
    ``raw.h5::dataset=kspace,slice=3``. A file whose name holds '::' is that file.

    Raises BadInputError for picks that aren't.

    >>> place("scan.nii.gz::slice=90")[1]
    Pick(dataset=None, slice=90, frame=None)
    """
    path = Path(source)
    text = os.fspath(path)
    if MARK not in text or exists(path):
        return path, Pick()
    name, _, words = text.rpartition(MARK)
    if not name:
        return path, Pick()
    return Path(name), _parsed(words)


def picked(source: Any, pick: Pick) -> Any:
    """A path, or a list of paths, with what is picked there where it doesn't say; what isn't a
    path as it is, unless something is picked of it, which raises BadInputError.

    >>> picked("scan.nii.gz", Pick(slice=90))
    'scan.nii.gz::slice=90'
    """
    if not pick:
        return source
    if isinstance(source, (list, tuple)) and source:
        each = [picked(item, pick) for item in source]
        return type(source)(each) if isinstance(source, Files) else each
    if not isinstance(source, (str, os.PathLike)):
        raise BadInputError(
            "dataset and slice pick from a file that holds several; an array in memory is one.",
            got=str(pick),
            try_="x[90]",
        )
    path, own = place(source)
    return f"{path}{MARK}{own.over(pick)}"


def exists(path: Path) -> bool:
    """Whether something is at a path, also of one that no file can have."""
    try:
        return os.path.exists(path)
    except ValueError:
        return False


def _parsed(words: str) -> Pick:
    said: dict[str, Any] = {}
    if words and not set(words) & set("=,"):  # scan.h5::kspace is short for dataset=kspace
        return Pick(dataset=words)
    for word in words.split(","):
        key, _, value = (part.strip() for part in word.partition("="))
        whole = value.isdecimal() and len(value) <= MAX_DIGITS
        if key not in vars(Pick()) or key in said or not value or not (key == "dataset" or whole):
            raise BadInputError(
                f"After '{MARK}' come dataset=NAME, slice=NUMBER or frame=NUMBER, counted from 0.",
                got=repr(words[:60]),
                try_=EXAMPLE,
            )
        said[key] = value if key == "dataset" else int(value)
    return Pick(**said)


def near(path: Path, ends: tuple[str, ...] = ()) -> str | None:
    """A question for the file that may be meant by one that isn't there, as :func:`did_you_mean`;
    None where none is near.

    Those are near, up to three, of the same folder, whose names without their ``ends`` are. Only
    folders and files with such an end are asked for, and where ``path`` has no suffix others that
    have none.
    """
    try:
        beside = [(entry.name, entry.is_dir()) for entry in islice(os.scandir(path.parent), BESIDE)]
    except (OSError, ValueError):
        return None
    named: dict[str, list[str]] = {}
    for name, folder in sorted(beside):
        bare = not (Path(name).suffix or path.suffix)
        if name != path.name and (folder or bare or not ends or name.lower().endswith(ends)):
            named.setdefault(_stem(name, ends), []).append(str(path.with_name(name)))
    stems = difflib.get_close_matches(_stem(path.name, ends), named, n=SAID, cutoff=0.6)
    return asked([name for stem in stems for name in named[stem]][:SAID]) or None


def _stem(name: str, ends: tuple[str, ...]) -> str:
    """A name as it is compared."""
    end = max((end for end in ends if name.lower().endswith(end)), key=len, default="")
    return (name[: -len(end)] if end else Path(name).stem).lower()
