"""A few pictures of a folder, solved together and kept as a saved run of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from priorkit import __version__
from priorkit.errors import BadInputError, PriorkitError
from priorkit.io.folders import discard, set_aside, unfinished
from priorkit.io.listing import text
from priorkit.io.manifest import MANIFEST, PARTS, lacking
from priorkit.io.pictures import raw
from priorkit.io.places import Part
from priorkit.settings.config import RunConfig
from priorkit.studies.cell import FAILED, LEFT_OUT, Row, reason_of
from priorkit.studies.study import Cell
from priorkit.verbs.prepare import load_framed
from priorkit.verbs.recover import recover

__all__ = ["failed", "is_there", "key_of", "place_of", "require_readable", "solve"]


def key_of(k: int) -> str:
    """What a part is called, by its number."""
    return f"{k:06d}"


def place_of(out: Path, key: str) -> Path:
    """The folder of a part."""
    return out / PARTS / key


def is_there(place: Path) -> bool:
    """Whether a part is saved, with every file that its run wrote, as large as it was."""
    return not unfinished(place).exists() and not lacking(place)


def solve(cell: Cell, *, out: Path) -> list[Row]:
    """The rows of a part, one per picture, once its run is saved: those of pictures that can't be
    read are the last. ``image`` of a cell, or ``y``, is the list of its files. One of which a file
    is missing is solved again: see :func:`is_there`.

    A part that is there isn't solved again, and one that was cut short goes on with the pictures
    that it hadn't finished. It computes with one thread, so that its numbers are the same wherever
    it is solved. A part that fails has a row per picture with the reason, and files that can't be
    read are left out, each for its own.

    Raises KeyboardInterrupt where Ctrl-C cut it short.
    """
    place = place_of(out, cell.key)
    try:
        if not is_there(place):
            if lacking(place) == [MANIFEST] and place.exists() and any(place.iterdir()):
                set_aside(place)  # nothing says whose it is
            with _one_thread():
                _run(cell, place)
        return _rows(cell, place)
    except Exception as error:  # of any kind: the other parts go on
        own = error.each if isinstance(error, PriorkitError) else {}
        if own:  # nothing of it can be read
            return [_left_out(cell, file, own[text(Path(file).name)]) for file in _files(cell)]
        return failed(cell, reason_of(error))


def failed(cell: Cell, reason: str) -> list[Row]:
    """A row for each picture of a part that has no result."""
    return [_head(cell, f) | {"status": FAILED, "reason": reason} for f in _files(cell)]


def require_readable(file: str, what: str, config: RunConfig) -> None:
    """Read a file of a folder of pictures, or with ``what`` "y" of measurements. Raises
    BadInputError."""
    if what == "y":
        raw(
            file,
            "The measurement y",
            kind=config.kind,
            dataset=config.dataset,
            slice=config.slice,
            shape=config.shape,
        )
    else:
        load_framed(file, config.shape, config)


def _run(cell: Cell, place: Path) -> None:
    """Solve a part, and save it. Files that can't be read are left out, unless none can. What isn't
    finished isn't saved, but kept to go on with."""
    settings = dict(cell.settings)
    given = {"x": settings.pop("image", None), "y": settings.pop("y", None)}
    given = {name: value and Part(value) for name, value in given.items()}
    finished = False
    try:
        found = recover(**given, config=settings, out=place, resume=unfinished(place).exists())
        finished = not found.interrupted
    finally:
        if not finished:
            discard(place)
    if not finished:
        raise KeyboardInterrupt


def _rows(cell: Cell, place: Path) -> list[Row]:
    """What the record of a saved part says of each of its pictures."""
    record = json.loads((place / "record.json").read_text(encoding="utf-8"))
    images, told = record["images"], record.get("skipped", {})
    names = {file: text(Path(file).name) for file in _files(cell)}
    read = [file for file, name in names.items() if name not in told]
    if len(images) != len(read):
        raise BadInputError(
            "A picture of a folder is one file here.", got=f"{len(images)} of {len(read)} files"
        )
    each = {"seconds": record["seconds"] / len(images)}
    scalars = [{k: v for k, v in image.items() if not isinstance(v, list)} for image in images]
    rows = [_head(cell, f) | own | each for f, own in zip(read, scalars, strict=True)]
    return rows + [_left_out(cell, f, told[name]) for f, name in names.items() if name in told]


def _head(cell: Cell, file: str) -> Row:
    return {"cell": cell.key, "label": cell.label, "image": file, "version": __version__}


def _left_out(cell: Cell, file: str, reason: str) -> Row:
    return _head(cell, file) | {"status": LEFT_OUT, "reason": reason}


def _files(cell: Cell) -> list[str]:
    return list(cell.settings["y" if "y" in cell.settings else "image"])


@contextmanager
def _one_thread() -> Iterator[None]:
    """A block in which torch computes with one thread: sums are rounded otherwise by several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
