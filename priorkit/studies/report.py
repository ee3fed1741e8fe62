"""The results of a study as a table, a CSV file and a plot."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from priorkit.io.files import write_atomic
from priorkit.studies.cell import Row
from priorkit.studies.columns import NUMBERS
from priorkit.studies.plot import lines
from priorkit.studies.results import Results
from priorkit.studies.summary import REPEATS, Mean, axes, differs, mixed

__all__ = ["View", "cells", "comma_separated", "save", "view"]

GAMMA = "gamma"


@dataclass(frozen=True)
class View:
    """What is shown of a study: ``value`` over the setting ``across``, a line per ``by``."""

    by: tuple[str, ...]
    across: str | None
    value: str


def view(
    rows: Sequence[Row],
    *,
    across: str | None = None,
    by: Sequence[str] | None = None,
    value: str | None = None,
) -> View:
    """The view asked for; by default of the PSNR, or where no truth was known of the misfit, over
    the numeric setting of most values, a line per label.

    Settings that differ within a line are added to ``by``, so that no mean is over different γ.
    """
    if across is None:
        for name in axes(rows):
            free = name not in (*REPEATS, *(by or ()))
            numeric = all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
            if free and numeric and differs(rows, name, within=["label"]):
                across = name
                break
    by = by or ["label"]
    return View((*by, *mixed(rows, by=by, across=across)), across, value or _usual(rows))


def _usual(rows: Sequence[Row]) -> str:
    """The column that is shown where nobody says which."""
    told = (name for name in NUMBERS if any(row.get(name) is not None for row in rows))
    return next(told, NUMBERS[0])


def cells(found: Results, view: View) -> tuple[list[str], list[list[str]]]:
    """The table as text: a row per line, a column per value of the axis."""
    means = found.summary(by=view.by, across=view.across, value=view.value)
    groups = list(dict.fromkeys(mean.group for mean in means))
    places = list(dict.fromkeys(mean.at for mean in means))
    if all(isinstance(at, (int, float)) for at in places):
        places.sort()
    heads = [view.value if view.across is None else f"{view.across} = {_said(p)}" for p in places]
    table = {(mean.group, mean.at): mean for mean in means}
    rows = [
        [*map(_said, group), *(str(table.get((group, at), "—")) for at in places)]
        for group in groups
    ]
    return [*view.by, *heads], rows


def save(found: Results, shown: View, place: Path) -> list[Path]:
    """Write the means as NAME.csv and their plot as NAME.svg beside the results, of another value
    than is usual as NAME-VALUE. Where γ has several values of a label and isn't the axis,
    NAME-gamma.csv and .svg are the same over γ."""
    if shown.value != _usual(found.rows):
        place = place.with_name(f"{place.stem}-{shown.value}{place.suffix}")
    written = _written(found, shown, place)
    if shown.across != GAMMA and differs(found.rows, GAMMA, within=["label"]):
        beside = place.with_name(f"{place.stem}-{GAMMA}{place.suffix}")
        by = [name for name in shown.by if name != GAMMA]
        over = view(found.rows, across=GAMMA, by=by, value=shown.value)
        written += _written(found, over, beside)
    return written


def _written(found: Results, view: View, place: Path) -> list[Path]:
    means = found.summary(by=view.by, across=view.across, value=view.value)
    table, plot = place.with_suffix(".csv"), place.with_suffix(".svg")
    write_atomic(table, comma_separated(means, view).encode())
    positive = [m.at for m in means if isinstance(m.at, (int, float)) and m.at > 0]
    log = bool(positive) and max(positive) > 20 * min(positive)
    named = [replace(m, group=_named(m, view)) for m in means]
    figure = lines(named, across=view.across or "", value=view.value, log=log)
    write_atomic(plot, figure.svg())
    return [table, plot]


def _named(mean: Mean, view: View) -> tuple[str, ...]:
    """What the legend calls a line: its label, and settings with their names."""
    pairs = zip(view.by, mean.group, strict=True)
    return tuple(_said(v) if name == "label" else f"{name} = {_said(v)}" for name, v in pairs)


def comma_separated(means: Sequence[Mean], view: View) -> str:
    """The means as the text of a CSV file: group, axis, mean, interval, count."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*view.by, view.across or "all", view.value, "low", "high", "count"])
    for m in means:
        numbers = ["" if math.isnan(v) else f"{v:.6g}" for v in (m.value, m.low, m.high)]
        writer.writerow([*m.group, "" if m.at is None else m.at, *numbers, m.count])
    return buffer.getvalue()


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "—" if value is None else str(value)
