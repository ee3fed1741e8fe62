"""One run of a study, wherever it takes place, as rows of its table."""

from __future__ import annotations

import json
from typing import Any

from priorkit import __version__
from priorkit.discovery import describe
from priorkit.draw.tiles import png
from priorkit.errors import PriorkitError
from priorkit.io.saved import number
from priorkit.results.recovery import Recovery
from priorkit.studies.columns import SCORES
from priorkit.studies.study import Cell
from priorkit.verbs.recover import recover

__all__ = ["FAILED", "LEFT_OUT", "Row", "failed", "reason_of", "run"]

Row = dict[str, Any]
FAILED = "failed"  # a run
LEFT_OUT = "left out"  # a file that can't be read


def run(cell: Cell, *, pictures: bool) -> list[Row]:
    """The rows of a cell, one per image: its settings and its results.

    A run that fails has one row, with the status "failed" and the reason. Raises KeyboardInterrupt
    where Ctrl-C cut the run short.
    """
    settings = dict(cell.settings)
    try:
        found = recover(settings.pop("image", None), config=settings)
    except Exception as error:  # of any kind: the other cells go on
        return failed(cell, reason_of(error))
    if found.interrupted:
        raise KeyboardInterrupt
    return [{**_head(cell), **_result(found, i, pictures)} for i in range(len(found.x))]


def failed(cell: Cell, reason: str) -> list[Row]:
    """The one row of a run that has no result."""
    return [{**_head(cell), "status": FAILED, "reason": reason}]


def reason_of(error: Exception) -> str:
    """An error in one line."""
    return str(error) if isinstance(error, PriorkitError) else describe(error)


def _head(cell: Cell) -> Row:
    """What all rows of a cell have."""
    told = {name: _plain(value) for name, value in cell.settings.items()}
    return {"cell": cell.key, "label": cell.label, **told, "version": __version__}


def _result(found: Recovery, i: int, pictures: bool) -> Row:
    u = found.x if found.z is None else found.z
    scores = {name: getattr(found, name) for name in SCORES}
    row: Row = {
        "name": found.names[i],
        "status": found.status[i],
        "reason": found.reason[i],
        **{name: None if v is None else number(v[i]) for name, v in scores.items()},
        "misfit": number(found.misfit[i]),
        "objective": number(found.objective[i]),
        "u_norm": number(u[i].norm()),
        "evaluations": found.evaluations[i],
        "seconds": found.seconds / len(found.x),
    }
    return row | ({"png": png(found.image(i))} if pictures else {})


def _plain(value: Any) -> Any:
    """A setting as a value of a table: a component by its name alone where it has no options."""
    if isinstance(value, dict) and list(value) == ["name"]:
        return value["name"]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
