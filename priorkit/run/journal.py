"""What is finished of a run that isn't over: a file for each row, written as it ends.

A run that is killed loses only the rows that it was working on, and of a sampler's the last
seconds, see :mod:`priorkit.run.bookmark`; the next one takes the others from here. The folder
goes when the results are saved.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces import Draws, Problem, Shape, Status
from priorkit.io.files import unwritable, write_atomic
from priorkit.io.folders import discard, locked, require_place, unfinished
from priorkit.io.manifest import listed_in
from priorkit.run.rows import Row, Trace

__all__ = ["Journal", "digest", "opened"]

log = logging.getLogger("priorkit")

# What a row says in words, and of what kind that is.
WORDS: dict[str, Callable[[Any], Any]] = {
    "value": float,
    "misfit": float,
    "noise_misfit": float,
    "expected": float,
    "outside": int,
    "status": str,
    "reason": str,
    "evaluations": int,
}


class Journal:
    """The finished rows of a run in a folder; a row is one restart of one image. ``replaces`` is
    the folder with an earlier result that this run is to replace, where there is one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replaces: Path | None = None
        self._mark = folder / "unfinished.mark"
        self._full = False

    def keep(self, number: int, row: Row) -> None:
        """Write a finished row. A disk that is full is said once, and the run goes on."""
        tensors = {"u": row.u, "x": row.x}
        if row.draws is not None:
            known = {name: each for name, each in vars(row.draws).items() if each is not None}
            tensors |= {f"draws.{name}": each for name, each in known.items()}
        words = {name: getattr(row, name) for name in WORDS} | {"trace": asdict(row.trace)}
        self._save(self._path(number), tensors, words)

    def row(self, number: int, problem: Problem) -> Row | None:
        """A finished row of a problem; None where it isn't finished, or its file is damaged."""
        with _damage_told("A finished row is damaged and is solved again"):
            return _row(*_load(self._path(number)), problem)
        return None

    def mark(self, tensors: Mapping[str, Tensor], words: Mapping[str, Any]) -> None:
        """Write where the rows stand that are being solved, over what was written before."""
        self._save(self._mark, tensors, words)

    def marked(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What :meth:`mark` wrote; None where there is nothing, or it is damaged."""
        with _damage_told("The rows that were being solved begin anew"):
            return _load(self._mark)
        return None

    def unmark(self) -> None:
        """Forget it: its rows are finished."""
        self._mark.unlink(missing_ok=True)

    def note(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a table that belongs to the run."""
        self._write(self.folder / f"{name}.json", json.dumps(values).encode())

    def noted(self, name: str) -> dict[str, Any] | None:
        """What :meth:`note` wrote; None where there is nothing that can be read."""
        try:
            found = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def agree(self, settings: Mapping[str, Any]) -> None:
        """Note the settings of a new run that nothing refuses; raise BadInputError where they
        aren't those that an unfinished one began with. Warns of a result that will be replaced."""
        now = json.loads(json.dumps(settings))
        before = self.noted("settings")
        if self.replaces is not None:
            said = "%s holds the result of an earlier run: this one replaces it when done."
            log.warning(said, self.replaces)
        if before is None:
            self.note("settings", now)
            return
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise BadInputError(
                    f"The unfinished run had another {name}, {_short(before.get(name))}.",
                    got=_short(now.get(name)),
                    try_="the settings that it began with, or another folder",
                )
        if not self.holds:
            log.info("Nothing was finished before: all begins anew.")

    def clear(self) -> None:
        """Forget everything."""
        discard(self.folder)

    @property
    def holds(self) -> str:
        """What there is to go on with, in words; nothing where there is nothing."""
        count = sum(1 for _ in self.folder.rglob("*.safetensors"))
        if count:
            return f"{counted(count, 'rows')} that were finished"
        return "the draws so far" if self._mark.exists() else ""

    def _path(self, row: int) -> Path:
        return self.folder / f"{row:06d}.safetensors"

    def _save(self, path: Path, tensors: Mapping[str, Tensor], words: Mapping[str, Any]) -> None:
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        self._write(path, save(kept, {"words": json.dumps(words)}))

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomic(path, data)
        except BadInputError as error:
            if not self._full:
                log.warning("What is finished can't be kept meanwhile. %s", error)
            self._full = True


@contextmanager
def opened(
    out: str | os.PathLike[str] | None, *, resume: bool, inputs: list[Any]
) -> Iterator[Journal | None]:
    """The journal of the run that will be saved to ``out``, held by this process; None of None.

    Refuses an ``out`` as :func:`priorkit.io.folders.require_place`, and without ``resume`` one
    that has finished rows: nothing is thrown away that took work. The journal
    goes by :meth:`Journal.clear`, and where a run that had none was refused or never began; one
    that was cut short keeps it, and goes on or, where nothing was finished, begins anew. Raises
    BadInputError.

    Parameters
    ----------
    inputs : settings at any depth; what is the path of something mustn't lie in ``out``
    """
    if out is None:
        if resume:
            raise BadInputError("Say which run is to go on.", try_="out='FOLDER'")
        yield None
        return
    require_place(Path(out), _paths(inputs))
    journal = Journal(unfinished(Path(out)))
    place = journal.folder
    strange = place.exists() and not place.is_dir()
    strange = strange or any(path.suffix != ".partial" for path in place.glob("*"))
    if strange and journal.noted("settings") is None:
        raise BadInputError(f"{place} is not a run that was cut short.", try_="another folder")
    if resume and not place.exists():
        raise BadInputError(f"There is no unfinished run of {out}.", try_="no resume")
    if not resume and journal.holds:
        raise BadInputError(
            f"{place} holds {journal.holds} of a run that was cut short.",
            try_=f"resume=True, another folder, or remove {place.name}",
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(place, error) from error
    if not resume and listed_in(Path(out)) is not None:
        journal.replaces = Path(out)
    with locked(place):
        if not resume:  # what a run noted that had finished nothing
            for path in place.glob("*.json"):
                path.unlink()
        refused = False
        try:
            yield journal
        except PriorkitError:
            refused = not resume  # what is to go on stays, whoever asked wrongly for it
            raise
        finally:
            if not journal.holds and (refused or journal.noted("settings") is None):
                journal.clear()


def digest(tensor: Tensor | None) -> str | None:
    """sha256 of the numbers of a tensor; None of None."""
    if tensor is None:
        return None
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def _paths(value: Any) -> list[Path]:
    """Everything in settings that is the path of something."""
    if isinstance(value, dict):
        return _paths(list(value.values()))
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in _paths(item)]
    if not isinstance(value, (str, os.PathLike)):
        return []
    try:
        return [Path(value)] if Path(value).exists() else []
    except (OSError, ValueError):  # no name of a file
        return []


@contextmanager
def _damage_told(said: str) -> Iterator[None]:
    """A file that isn't there is passed over, and one that is damaged too, with a warning."""
    try:
        yield
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        log.warning("%s: %s", said, error)


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, dict(json.loads(file.metadata()["words"]))


def _row(tensors: dict[str, Tensor], told: dict[str, Any], problem: Problem) -> Row:
    """A row from its file. Raises KeyError, ValueError or TypeError."""
    shape = problem.shape
    shapes: dict[str, Shape] = {"u": (problem.size,), "x": shape}
    draws = {key: (1, *shape) for key in tensors if key.startswith("draws.")}
    shapes |= draws | {"draws.count": (1,)} if draws else {}
    found = {key: tensor.to(problem.y.device) for key, tensor in tensors.items()}
    for key, expected in shapes.items():
        given = tuple(found[key].shape)
        each = given[1:] if key == "draws.samples" else given  # which are of any number
        if each != expected:
            raise ValueError(f"{key} has the shape {given}")
    if told["status"] not in get_args(Status):
        raise ValueError("its status is missing")
    drawn: dict[str, Any] = {key.removeprefix("draws."): found[key] for key in draws}
    return Row(
        u=found["u"],
        x=found["x"],
        **{name: kind(told[name]) for name, kind in WORDS.items()},
        draws=Draws(**{"spread": None} | drawn) if drawn else None,
        trace=Trace(**told["trace"]),
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 80 else f"{text[:77]}…"
