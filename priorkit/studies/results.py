"""The rows of studies in one Parquet file, which is complete at every moment."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from priorkit.counted import counted
from priorkit.errors import BadInputError, needed
from priorkit.io.files import require_writable, unwritable, write_atomic
from priorkit.io.folders import locked
from priorkit.io.places import near
from priorkit.settings.called import called_as
from priorkit.studies.cell import FAILED, LEFT_OUT, Row
from priorkit.studies.study import Cell
from priorkit.studies.summary import Mean, grouped, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Results", "Store"]

MARK = {"priorkit": "study 1"}
MIXED = "mixed"  # beside the mark: the columns that hold JSON
MAX_FILE, MAX_UNPACKED = 1 << 30, 8 << 30  # bytes of a file of results
SUFFIX = ".parquet"
SHARE = 20  # at most 1/SHARE of the time goes to writing


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
        pa, pq = _pyarrow()
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
        pa, pq = _pyarrow()
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


class Store:
    """The file of a study while it runs: rows are stored by cell, so that none is there twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells = Results.read(path).by_cell() if os.path.exists(path) else {}
        self._written, self._took, self._new = time.monotonic(), 0.0, False
        self._lock, self._later = threading.RLock(), threading.Timer(0, self.flush)

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[Store]:
        """A store that this process alone writes, complete on the disk when the block ends.

        Raises BadInputError where the place can't be written, holds something else, or is in
        use by another process.
        """
        _pyarrow()
        if os.path.isdir(path) or path.suffix.lower() not in ("", SUFFIX):
            what = "a folder" if os.path.isdir(path) else "no name of a Parquet file"
            raise BadInputError(f"{path} is {what}.", try_=f"the file {path.with_suffix(SUFFIX)}")
        require_writable(path.parent)
        lock = path.with_name(f".{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.touch()
        except OSError as error:
            raise unwritable(path, error) from error
        with ExitStack() as after:
            try:
                after.enter_context(locked(lock))
            except BadInputError as error:  # which names the lock
                raise BadInputError(
                    f"Another process is writing to {path}.", try_="another file, or wait for it"
                ) from error
            after.callback(lock.unlink, missing_ok=True)
            store = cls(path)
            after.callback(store.close)
            yield store

    def done(self, cell: Cell) -> bool:
        """Whether a cell has a result; one that failed, or whose files are all left out, hasn't."""
        rows = self.cells.get(cell.key)
        return rows is not None and rows[0]["status"] not in (FAILED, LEFT_OUT)

    def add(self, rows: list[Row]) -> None:
        """Add the rows of one cell, and write the file: at once, or where writing takes long,
        by a timer."""
        with self._lock:
            self.cells[rows[0]["cell"]] = rows
            self._new = True
            wait = self._written + SHARE * self._took - time.monotonic()
            if wait <= 0:
                self.flush()
            elif not self._later.is_alive():
                self._later = threading.Timer(wait, self.flush)
                self._later.daemon = True
                self._later.start()

    def flush(self) -> None:
        """Write what isn't on the disk yet."""
        with self._lock:
            if not self._new:
                return
            started = time.monotonic()
            self.results.save(self.path)
            self._written = time.monotonic()
            self._took, self._new = self._written - started, False

    def close(self) -> None:
        """Write the rest, after which nothing is left to wait for."""
        with self._lock:
            self._later.cancel()
            self.flush()

    @property
    def results(self) -> Results:
        """All rows."""
        return Results([row for rows in self.cells.values() for row in rows])


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


def _pyarrow() -> tuple[Any, Any]:
    with needed("pyarrow", "Studies need", "studies"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    return pa, pq
