"""A folder of pictures too many for one run: in parts, by many processes or machines."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces.component import Shape
from priorkit.interfaces.kinds import VOLUME
from priorkit.io.brightness import BeyondError
from priorkit.io.folders import set_aside
from priorkit.io.listing import is_dicom, is_folder
from priorkit.io.opening import size_told
from priorkit.io.pictures import raw_from
from priorkit.io.places import Pick, picked
from priorkit.io.together import in_folder, left_out
from priorkit.results.record import provenance
from priorkit.run.setup import Setup
from priorkit.settings.called import called_as
from priorkit.settings.config import RunConfig, numbers_from, split
from priorkit.settings.files import layer_of
from priorkit.settings.given import GivenStart
from priorkit.settings.keywords import Settings
from priorkit.studies.engine import Engine, Processes
from priorkit.studies.part import failed, is_there, key_of, place_of, require_readable, solve
from priorkit.studies.plan import TABLE, Parts, agreed, cuts, replace_earlier
from priorkit.studies.results import Results
from priorkit.studies.study import Cell, placed
from priorkit.studies.sweep import Progress, swept
from priorkit.verbs.alone import denoised
from priorkit.verbs.bars import of_pieces
from priorkit.verbs.contest import label_of
from priorkit.verbs.prepare import leaves_prior_open, prepare

__all__ = ["MOST", "recover_folder"]

log = logging.getLogger("priorkit")
MOST, BYTES = 48, 64 << 20  # pictures of a part, and bytes of them: more is hardly faster


@called_as('priorkit.recover_folder("FOLDER", out="results", prior="dct", op="gaussian", m=500)')
def recover_folder(
    x: str | os.PathLike[str] | None = None,
    *,
    y: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str],
    engine: Engine = "processes",
    jobs: int | None = None,
    scheduler: str | None = None,
    wait: float = 10.0,
    batch: int | None = None,
    resume: bool = False,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **settings: Unpack[Settings],
) -> Results:
    """Recover every picture of a folder, however many there are: a part of them at a time.

    A part is a :func:`priorkit.recover` of some files that follow each other in the folder, in a
    process of its own, and ends as a saved run ``OUT/parts/NUMBER``; ``OUT/results.parquet`` has a
    row per picture. Pictures of one size are solved together: where that isn't the prior's or said,
    a part ends where the size changes. No process holds more than its part. Noise, start and draws
    of a picture are those of its place in the folder, and every part is computed with one thread:
    the numbers are those of one run of the whole folder, to the last bit, on machines of the same
    kind.

    Parameters
    ----------
    x, y : the folder: of pictures to measure and recover, or of real measurements
    out : a folder that isn't there, or of an earlier call: with ``resume`` that goes on, else what
        has come to an end is replaced, with a warning, and kept in ``OUT/earlier`` until this run
        has come to its own; with "dask" the workers must see it, and x or y, under the same path
    engine, jobs, scheduler, wait, progress : as those of :func:`priorkit.sweep`, "processes" being
        those of this machine
    batch : pictures in a part, default: as many as 64 MiB hold, from 2 to 48; with ``resume`` as
        many as there were
    resume : go on: parts that are there aren't solved again, nor in others the pictures that were
        finished; those that failed, or of which a file is missing or of another size than was
        written, are done again, and so is a table that can't be read
    config, **settings : as those of :func:`priorkit.recover`; values, names and paths, no objects

    Raises a :class:`~priorkit.errors.PriorkitError`, before any compute, as these do; for settings
    that follow from all pictures at once: ``range``, ``sigma`` and ``gamma`` by a rule; with
    ``resume`` for other settings, pictures, weights or sizes of parts; and without it for an
    ``out`` of a run that isn't done. A file that can't be read is a row of the status "left out",
    and a picture of a part that failed one of the status "failed", each with the reason. Ctrl-C
    gives what is done.
    """
    processes = Processes(engine, jobs, threads=1, scheduler=scheduler, wait=wait)
    if batch is not None and not (isinstance(batch, int) and batch >= 1):
        raise BadInputError("batch must be at least 1.", got=repr(batch), try_="batch=2")
    layer = layer_of(config, settings)
    if x is not None or y is not None:  # what is given here goes over the config
        layer |= {"image": x, "y": y}
    both, extra = split(layer, settings)
    if (both.image is None) == (both.y is None):
        raise BadInputError("Give one folder: of pictures x, or of measurements y.")
    if both.y is None and (alone := denoised(both.image, both, extra)) is not None:
        both = alone.model_copy(update={"image": None, "y": both.image})
    _require_apart(both)
    what = "y" if both.y is not None else "image"
    folder = Path(str(both.y or both.image)).resolve()
    files = _files(folder, both)
    setup = _prepared(files, what, both, extra)
    common = _plain(both.model_dump(exclude_unset=True) | extra)
    planned: dict[str, Any] = {
        "settings": {k: v for k, v in common.items() if k not in ("image", "y")},
        "folder": str(folder),
        **provenance(setup),
        "files": [_state(file) for file in files],
    }
    place = Path(out).resolve()
    processes.require_scheduler()
    cut = partial(_cut, files, what, both, setup, batch)
    parts = agreed(place, planned, batch, cut, folder, resume=resume)
    label = label_of(common.get("prior", "default prior"))
    numbers = numbers_from(both.first, len(files))
    cells = []
    for k, places in enumerate(parts):
        own = {what: [str(files[j]) for j in places], "first": _first([numbers[j] for j in places])}
        cells.append(Cell(key_of(k), label, planned["settings"] | own))
    work = partial(solve, out=place)
    _require_table(place / TABLE)

    def saved(cell: Cell) -> bool:
        return is_there(place_of(place, cell.key))

    with of_pieces(progress, "parts") as told:
        found = swept(cells, work, place / TABLE, processes, told, failed, saved)
    replace_earlier(place, cut=found.interrupted)
    order = {str(file): k for k, file in enumerate(files)}
    return Results(sorted(found.rows, key=lambda row: order[row["image"]]), found.interrupted)


def _require_apart(config: RunConfig) -> None:
    """Refuse settings that follow from all pictures together. Raises BadInputError."""
    for name, instead in (("range", "(lo, hi)"), ("sigma", "0.1"), ("gamma", "0.01")):
        if isinstance(value := getattr(config, name), str):
            raise BadInputError(
                f"{name}={value!r} looks at all pictures at once, and here a part of them is read "
                "at a time.",
                try_=f"{name}={instead}, or no engine",
            )


def _files(folder: Path, config: RunConfig) -> list[Path]:
    if not is_folder(folder):
        raise BadInputError("An engine is for a folder of pictures.", got=folder, try_="no engine")
    read, left = in_folder(folder)
    files = list(map(Path, read))
    if left:
        log.warning("%s", left_out(folder, len(files) + len(left), left))
    if config.kind == VOLUME.name and all(is_dicom(file) for file in files):
        raise BadInputError(
            f"The files of {folder} are the slices of one volume.", try_="no engine"
        )
    return files


def _prepared(files: list[Path], what: str, config: RunConfig, extra: dict[str, Any]) -> Setup:
    """What a run of the first picture that can be read is set up with: what is wrong with the
    settings is said here. Raises what the first one does where none can be read, of numbers that
    need a range what all do."""
    unread = []
    for file in map(str, files):
        try:
            setup = _set_up(file, what, config, extra)
        except PriorkitError:  # of the file or of the settings: the file is read again to tell
            try:
                require_readable(file, what, config)
            except PriorkitError as error:
                unread.append(error)
                continue
            raise
        if isinstance(setup.start, GivenStart):
            setup.start.require(1, setup.problem.shape)
        return setup
    every = BeyondError.of_all(unread)
    if every is None:
        raise unread[0]
    low, high = every.ends
    raise BadInputError(every.what, got=every.got, try_=f"range=({low:.6g}, {high:.6g})")


def _set_up(file: str, what: str, config: RunConfig, extra: dict[str, Any]) -> Setup:
    one = picked(file, Pick(config.dataset, config.slice))
    if what == "y":
        given = raw_from(one, "The measurement y", kind=config.kind, shape=config.shape).numbers
        return prepare(None, given, config, extra)[0]
    return prepare(one, None, config, extra)[0]


def _state(file: Path) -> list[str | int]:
    """What a file was when the run began; of a link to one that is gone its name alone."""
    try:
        told = file.stat()
    except OSError:
        return [file.name]
    return [file.name, told.st_size, told.st_mtime_ns]


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as other processes get them, with whole paths. Raises BadInputError for objects."""
    found = {}
    for name, value in placed(settings).items():
        try:
            found[name] = json.loads(json.dumps(value))
        except TypeError as error:
            raise BadInputError(
                "With an engine, settings are values that a file can hold, not objects.",
                got=f"{name}={repr(value)[:80]}",
                try_="a registered name, or the path of a .npy file",
            ) from error
    return found


def _cut(
    files: list[Path], what: str, config: RunConfig, setup: Setup, batch: int | None
) -> tuple[int, Parts]:
    """How many pictures are in a part, and the parts: pictures of one size are solved together,
    which all are that are brought to the shape of the prior or to one that was said."""
    shape = setup.problem.shape
    sizes: list[Shape | None] = [None] * len(files)
    own = setup.problem.prior.shape is not None and not leaves_prior_open(config)
    if what == "y" or not (own or config.shape):
        pick = Pick(config.dataset, config.slice)
        sizes = [size_told(file, pick) for file in files]
    largest = max(map(math.prod, (shape, *filter(None, sizes))))
    size = batch or min(MOST, max(2, BYTES // (4 * largest)))
    return size, cuts(sizes, size)


def _first(numbers: list[int]) -> int | list[int]:
    """The setting ``first`` of pictures with these numbers."""
    in_a_row = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return numbers[0] if in_a_row else numbers


def _require_table(table: Path) -> None:
    """Set a table aside that can't be read: every part has its rows."""
    if table.exists():
        try:
            Results.read(table)
        except BadInputError as error:
            log.warning("%s It is made again from the parts.", error.what)
            set_aside(table)
