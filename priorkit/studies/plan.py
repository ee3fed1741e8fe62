"""The parts of a folder: how it is cut into them, and whose parts a folder of results holds."""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from priorkit.counted import counted, few
from priorkit.errors import BadInputError
from priorkit.interfaces.component import Shape
from priorkit.io.files import require_writable, unwritable, write_atomic
from priorkit.io.folders import discard, require_named_as_folder
from priorkit.io.manifest import PARTS, PLAN, listed_in
from priorkit.studies.part import is_there, key_of, place_of

__all__ = ["TABLE", "Parts", "agreed", "cuts", "replace_earlier"]

TABLE = "results.parquet"
Parts = list[list[int]]  # the files of each part, by their places in the folder
EARLIER = "earlier"  # the result of the run before, until this one has one
log = logging.getLogger("priorkit")


def cuts(sizes: Sequence[Shape | None], most: int) -> Parts:
    """Parts of about ``most`` pictures. Those of a part are of one size, wherever in the folder
    they are, None of that before; and none is alone where it needn't be: libraries round a batch of
    one otherwise.

    >>> cuts([None] * 7, 3)
    [[0, 1], [2, 3], [4, 5, 6]]
    >>> cuts([(1, 8, 8), None, (1, 6, 8), (1, 8, 8), (1, 6, 8)], 3)
    [[0, 1, 3], [2, 4]]
    """
    known = next((size for size in sizes if size is not None), None)
    alike: dict[Shape | None, list[int]] = {}
    for k, size in enumerate(sizes):
        known = known if size is None else size
        alike.setdefault(known, []).append(k)
    found: Parts = []
    for places in alike.values():
        count = len(places)
        parts = math.ceil(count / most)
        if most > 1:
            parts = min(parts, max(1, count // 2))
        ends = [k * count // parts for k in range(parts + 1)]
        found += [places[a:b] for a, b in pairwise(ends)]
    return found


def agreed(
    out: Path,
    planned: dict[str, Any],
    said: int | None,
    cut: Callable[[], tuple[int, Parts]],
    folder: Path,
    *,
    resume: bool,
) -> Parts:
    """The parts as a run that begins is ``cut``, noted in ``out`` beside the plan with the number
    of pictures in one, or as they were noted there.

    Raises BadInputError for a folder that can't be written or holds anything else, for one that
    has some of a run's parts unless they go on, and for parts of another plan, or of another size
    than was said. Those of a run that has all are set aside.
    """
    if folder.is_relative_to(out):
        raise BadInputError(f"{out} holds the input of this run.", try_="another folder")
    require_named_as_folder(out)
    require_writable(out)
    try:
        before = json.loads((out / PLAN).read_text(encoding="utf-8"))
        size = int(before.pop("batch"))
        noted = before.pop("parts", None)
        cut_at = before.pop("cuts", None)  # of a version whose parts were of files in a row
        parts = _noted(
            noted if cut_at is None else [[c] for c in cut_at], len(before["files"]), size
        )
    except FileNotFoundError:
        before = None
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadInputError(
            f"{out / PLAN} can't be read.", got=str(error)[:100], try_="another folder"
        ) from error
    if before is None and listed_in(out) is not None:
        raise BadInputError(
            f"{out} holds a run without an engine, and this one is of one: it isn't replaced.",
            try_="another folder",
        )
    held = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if before is None and held:
        raise BadInputError(f"{out} holds something else.", got=few(held), try_="another folder")
    begun = before is not None and (out / PARTS).exists()
    if resume and not begun:
        raise BadInputError(f"There is no unfinished run of {out}.", try_="no resume")
    if not resume and begun:
        if not all(is_there(place_of(out, key_of(k))) for k in range(len(parts))):
            raise BadInputError(
                f"{out} holds parts of a run that isn't done.",
                try_="resume=True, or another folder",
            )
        _set_aside(out)
        begun = False
    if not begun:
        size, parts = cut()
        try:
            (out / PARTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(out, error) from error
        write_atomic(
            out / PLAN, json.dumps(planned | {"batch": size, "parts": _runs(parts)}).encode()
        )
        return parts
    for name, value in json.loads(json.dumps(planned)).items():
        if before.get(name) != value:
            raise BadInputError(
                f"The run in {out} had other {name}.",
                got=_changes(before.get(name), value),
                try_="what it began with, or another folder",
            )
    if said not in (None, size):
        raise BadInputError(
            f"The run in {out} has parts of {counted(size, 'pictures')}.",
            got=f"batch={said}",
            try_="no batch, or another folder",
        )
    return parts


def _changes(before: Any, now: Any) -> str:
    """How what a run has now differs from what it had before: settings by their values, files by
    their names."""
    if isinstance(now, dict) and isinstance(before, dict):
        names = sorted(n for n in before.keys() | now.keys() if before.get(n) != now.get(n))
        return few(f"{_said(now, n)} in place of {_said(before, n)}" for n in names)
    if not (isinstance(now, list) and isinstance(before, list)):
        return f"{now}, not {before}"
    was, own = ({state[0]: state for state in files} for files in (before, now))
    groups = {
        "new": [name for name in own if name not in was],
        "gone": [name for name in was if name not in own],
        "changed": [name for name, state in own.items() if was.get(name, state) != state],
    }
    told = [f"{len(names):,} {what} ({few(names)})" for what, names in groups.items() if names]
    return ", ".join(told) or "another order"


def _said(settings: Mapping[str, Any], name: str) -> str:
    return f"{name}={settings[name]!r}" if name in settings else f"no {name}"


def _runs(parts: Parts) -> list[list[list[int]]]:
    """Parts as a plan has them: where each run of files in a row begins and ends."""
    return [
        [
            [run[0], run[-1] + 1]
            for run in (
                [place for _, place in group]
                for _, group in groupby(enumerate(places), lambda pair: pair[1] - pair[0])
            )
        ]
        for places in parts
    ]


def _noted(parts: Any, count: int, most: int) -> Parts:
    """The parts of a plan, of so many files. Raises ValueError or TypeError where they aren't."""
    if parts is None:  # of a version whose parts were all of one size
        return cuts([None] * count, most)
    found = [[k for a, b in runs for k in range(int(a), int(b))] for runs in parts]
    if sorted(itertools.chain(*found)) != list(range(count)) or not all(found):
        raise ValueError(f"parts {parts} of {counted(count, 'files')}")
    return found


def _set_aside(out: Path) -> None:
    """Move the result in ``out`` to where it stays until there is another. The plan goes last:
    where this is cut short, what is left is still that of a run."""
    aside = out / EARLIER
    try:
        discard(aside)
        aside.mkdir()
        for name in (TABLE, PARTS, PLAN):
            with suppress(FileNotFoundError):
                os.replace(out / name, aside / name)
    except OSError as error:
        raise unwritable(out, error) from error


def replace_earlier(out: Path, *, cut: bool) -> None:
    """Remove the result of an earlier run, unless this one was ``cut`` short."""
    if not (out / EARLIER / PLAN).exists():
        return
    if cut:
        log.warning(
            "%s has the result of the earlier run, as this one was cut short.", out / EARLIER
        )
    else:
        discard(out / EARLIER)
        log.warning("The earlier result in %s was replaced.", out)
