"""The file of a study while it runs, complete at every moment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from priorkit.errors import BadInputError
from priorkit.io.files import require_writable, unwritable
from priorkit.io.folders import locked
from priorkit.studies.cell import FAILED, LEFT_OUT, Row
from priorkit.studies.results import SUFFIX, Results, pyarrow
from priorkit.studies.study import Cell

__all__ = ["Store"]

SHARE = 20  # at most 1/SHARE of the time goes to writing


class Store:
    """Rows by cell, so that none is there twice, and the file that they are written to."""

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
        pyarrow()
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
