"""Means of a study's rows with confidence intervals, and paired differences."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from scipy import stats

from priorkit.errors import BadInputError, UnknownNameError
from priorkit.studies.columns import RESULT

__all__ = ["Mean", "axes", "difference", "differs", "grouped", "mean", "mixed", "summary"]

log = logging.getLogger("priorkit")

CONFIDENCE = 0.95
Rows = Sequence[Mapping[str, Any]]
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
REPEATS = ("seed", "image")  # settings that means are taken over


@dataclass(frozen=True)
class Mean:
    """A mean with the ends of its 95% interval, which are NaN for a single value.

    ``group`` holds the values of the settings that its rows share, ``at`` that of the axis,
    ``count`` the number of independent values.
    """

    group: tuple[Any, ...]
    at: Any
    value: float
    low: float
    high: float
    count: int

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        return f"{self.value:.2f}" + ("" if math.isnan(self.half) else f" ± {self.half:.2f}")


def summary(
    rows: Rows, *, by: Sequence[str] = ("label",), across: str | None = None, value: str = "psnr"
) -> list[Mean]:
    """The mean of a column per group and value of the axis, in the order of the rows.

    Rows of one image, for example of several seeds, are averaged first, and the images are then
    the independent values: v̄ ± t·s/√B, with Student's t of B − 1 degrees of freedom. Where there
    is a single image, its rows are the independent values. The log warns where a mean is over
    rows that differ in other settings than seed and image, such as γ; see :func:`mixed`.

    Raises UnknownNameError for a column that doesn't exist, BadInputError for one that holds no
    numbers.
    """
    if isinstance(by, str) or not isinstance(by, Sequence):
        raise BadInputError("by is a list of columns.", got=repr(by)[:60], try_='by=["label"]')
    columns = {column for row in rows for column in row}
    for name in (*by, across, value):
        if name is not None and columns and name not in columns:
            told = f"Its columns: {', '.join(sorted(columns))}"
            what = f"The study has no column {name!r}."
            raise UnknownNameError.nearest(what, name, columns, told)
    if over := mixed(rows, by=by, across=across):
        log.warning(
            "A mean is taken over different %s. Try: by=%s", " and ".join(over), (*by, *over)
        )
    known = [row for row in rows if row.get(value) is not None]
    if words := [row[value] for row in known if not isinstance(row[value], (int, float))]:
        raise BadInputError(f"{value!r} is no column of numbers.", got=repr(words[0])[:60])
    groups = grouped(known, lambda row: (tuple(map(row.get, by)), across and row.get(across)))
    means = []
    for (group, at), own in groups.items():
        images = list(_per_image(own, value).values())
        independent = images[0] if len(images) == 1 else [float(np.mean(v)) for v in images]
        means.append(mean(independent, group, at))
    return means


def difference(rows: Rows, others: Rows, *, value: str = "psnr") -> Mean:
    """The mean of row − other over the images that both have, and its interval.

    Rows are paired by image, so that differences between images don't widen the interval.
    """
    ours, theirs = _per_image(rows, value), _per_image(others, value)
    both = [name for name in ours if name in theirs]
    return mean([np.mean(ours[name]) - np.mean(theirs[name]) for name in both])


def mean(values: Sequence[Any], group: tuple[Any, ...] = (), at: Any = None) -> Mean:
    """v̄ ± t·s/√B of independent values (B,)."""
    found = np.asarray(values, float)
    count = len(found)
    if not count:
        return Mean(group, at, math.nan, math.nan, math.nan, 0)
    middle, half = float(found.mean()), math.nan
    if count > 1:
        t = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1))
        half = t * float(found.std(ddof=1)) / math.sqrt(count)
    return Mean(group, at, middle, middle - half, middle + half, count)


def axes(rows: Rows) -> list[str]:
    """The settings that differ between the rows, those of most values first."""
    names = dict.fromkeys(name for row in rows for name in row if name not in RESULT)
    counts = {name: len({str(row.get(name)) for row in rows}) for name in names}
    return sorted((n for n, count in counts.items() if count > 1), key=lambda n: -counts[n])


def mixed(rows: Rows, *, by: Sequence[str], across: str | None = None) -> list[str]:
    """What has to be added to ``by`` so that the rows of a mean differ in seed and image only:
    the label, and settings, those of most values first."""
    found: list[str] = []
    for name in ("label", *axes(rows)):
        told = (*by, *found, *([across] if across else []))
        if name not in (*REPEATS, *told) and differs(rows, name, within=told):
            found.append(name)
    return found


def differs(rows: Rows, name: str, *, within: Sequence[str]) -> bool:
    """Whether a column has several values in rows that are alike in other columns."""
    groups = grouped(rows, lambda row: tuple(str(row.get(other)) for other in within))
    return any(len({str(row.get(name)) for row in own}) > 1 for own in groups.values())


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The items under their keys, in their order."""
    found: dict[Key, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def _per_image(rows: Rows, value: str) -> dict[tuple[Any, Any], list[float]]:
    known = [row for row in rows if row.get(value) is not None]
    images = grouped(known, lambda row: (row.get("image"), row.get("name")))
    return {image: [row[value] for row in own] for image, own in images.items()}
