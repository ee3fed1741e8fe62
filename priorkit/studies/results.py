"""The rows of studies, and a Parquet file of them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from priorkit.counted import counted
from priorkit.errors import BadInputError, needed
from priorkit.io.files import write_atomic
from priorkit.io.places import near
from priorkit.settings.called import called_as
from priorkit.studies.cell import FAILED, LEFT_OUT, Row
from priorkit.studies.study import Cell
from priorkit.studies.summary import Mean, grouped, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SUFFIX", "Results", "pyarrow"]

MARK = {"priorkit": "study 1"}
MIXED = "mixed"  # beside the mark: the columns that hold JSON
MAX_FILE, MAX_UNPACKED = 1 << 30, 8 << 30  # bytes of a file of results
SUFFIX = ".parquet"


@dataclass(repr=False)
class Results:
    """The rows of a study: a dict per image of each run, its settings and its result.

    The columns of a result are ``name``, ``psnr`` in dB, ``ssim``, ``error``, of samplers
    ``within_90``, the share of the truth's values within their 90% interval, ``misfit``,
    ``objective``, ``u_norm`` = ‖u‖, ``evaluations``, ``seconds``, ``status``, ``reason`` and,
    where pictures are kept, ``png``; all others are settings, with ``cell``, the key of the run,
    and its ``label``.
    """

    rows: list[Row] = field(default_factory=list)
    interrupted: bool = False

    def __repr__(self) -> str:
        counts = {status: len(self._of(status)) for status in (FAILED, LEFT_OUT)}
        more = "".join(f", {count} {status}" for status, count in counts.items() if count)
        runs, rows = counted(len(self.by_cell()), "runs"), counted(len(self.rows), "rows")
        return f"<Results: {runs}, {rows}{more}>"

    @property
    def failed(self) -> list[Row]:
        """The rows of runs that failed, with their reason."""
        return self._of(FAILED)

    @property
    def left_out(self) -> list[Row]:
        """The rows of files of a folder that can't be read, with their reason."""
        return self._of(LEFT_OUT)

    def _of(self, status: str) -> list[Row]:
        return [row for row in self.rows if row["status"] == status]

    def by_cell(self) -> dict[str, list[Row]]:
        """The rows of each run, under its key."""
        return grouped(self.rows, lambda row: str(row["cell"]))

    def of(self, cells: Iterable[Cell]) -> Results:
        """The rows of these cells, in their order and under their labels."""
        own = self.by_cell()
        kept = [{**row, "label": cell.label} for cell in cells for row in own.get(cell.key, [])]
        return Results(kept, self.interrupted)

    @called_as("results.where(m=500)")
    def where(self, **settings: Any) -> Results:
        """The rows that have these values."""
        kept = [row for row in self.rows if all(row.get(k) == v for k, v in settings.items())]
        return Results(kept, self.interrupted)

    @called_as('results.summary(by=["label"], across="m")')
    def summary(
        self, *, by: Sequence[str] = ("label",), across: str | None = None, value: str = "psnr"
    ) -> list[Mean]:
        """Mean and 95% interval per group, see :func:`priorkit.studies.summary.summary`."""
        return summary(self.rows, by=by, across=across, value=value)

    @called_as('results.plot(across="m")')
    def plot(
        self,
        *,
        across: str,
        value: str = "psnr",
        by: str = "label",
        log: bool = False,
        title: str = "",
    ) -> Figure:
        """Lines over a setting with their 95% bands, as a figure of matplotlib, drawn where it is
        called in a notebook, see :func:`priorkit.studies.plot.lines`."""
        from priorkit.studies.plot import lines

        means = self.summary(by=(by,), across=across, value=value)
        return lines(means, across=across, value=value, log=log, title=title).drawn()

    @called_as('results.save("study.parquet")')
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as a Parquet file, in one step. A column that mixes numbers and words, as
        γ = 0.1 and "sure", is one of JSON. Raises BadInputError."""
        pa, pq = pyarrow()
        names = dict.fromkeys(name for row in self.rows for name in row)
        columns = {name: [row.get(name) for row in self.rows] for name in names}
        mixed = [name for name, values in columns.items() if _is_mixed(values)]
        for name, values in columns.items():
            columns[name] = _as_json(values) if name in mixed else _of_one_kind(values)
        buffer = io.BytesIO()
        marks = MARK | {MIXED: json.dumps(mixed)}
        pq.write_table(pa.table(columns).replace_schema_metadata(marks), buffer)
        write_atomic(Path(path), buffer.getvalue())

    @classmethod
    @called_as('Results.read("study.parquet")')
    def read(cls, path: str | os.PathLike[str]) -> Results:
        """The rows of a file that :meth:`save` wrote. Raises BadInputError."""
        pa, pq = pyarrow()
        path = Path(path)
        if not path.exists():
            raise BadInputError(f"There is no file {path}.", try_=near(path, (".parquet",)))
        try:
            if path.stat().st_size > MAX_FILE:
                raise BadInputError(f"{path} is larger than {MAX_FILE >> 30} GiB.")
            data = path.read_bytes()  # at once: another process may replace the file meanwhile
            file = pq.ParquetFile(pa.BufferReader(data))
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > MAX_UNPACKED:
                raise BadInputError(f"{path} unpacks to more than {MAX_UNPACKED >> 30} GiB.")
            marks = file.schema_arrow.metadata or {}
            known = marks.get(b"priorkit") == MARK["priorkit"].encode()
            # In this thread: another, which lets go of the bytes while Python ends, aborts it.
            rows = file.read(use_threads=False).to_pylist() if known else None
            for name in json.loads(marks.get(MIXED.encode(), b"[]")) if rows else ():
                for row in rows or ():
                    row[name] = None if row[name] is None else json.loads(row[name])
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise BadInputError(
                f"{path} is no Parquet file that can be read.",
                got=str(error).partition("\n")[0],
                try_="the results of a study, a file .parquet"
                if path.suffix.lower() != SUFFIX
                else "the study again with another out, or with this file moved away: what it "
                "held is lost",
            ) from error
        if rows is None or not all(row.get("cell") and row.get("status") for row in rows):
            raise BadInputError(f"{path} holds no results of priorkit.", try_="another file")
        return cls([{k: v for k, v in row.items() if v is not None} for row in rows])


def _kinds(values: list[Any]) -> set[type]:
    return {type(value) for value in values} - {type(None)}


def _is_mixed(values: list[Any]) -> bool:
    """Whether no type of a column holds all values; that of floats holds integers too."""
    kinds = _kinds(values)
    return len(kinds) > 1 and kinds != {int, float}


def _of_one_kind(values: list[Any]) -> list[Any]:
    if _kinds(values) != {int, float}:
        return values
    return [None if v is None else float(v) for v in values]


def _as_json(values: list[Any]) -> list[str | None]:
    return [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]


def pyarrow() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet. Raises MismatchError without the package."""
    with needed("pyarrow", "Studies need", "studies"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    return pa, pq
