"""Running the cells of a study that have no result yet, on one machine or on a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from priorkit.settings.called import called_as
from priorkit.studies.cell import Row, failed, run
from priorkit.studies.engine import Engine, Lost, Processes
from priorkit.studies.results import Results
from priorkit.studies.store import Store
from priorkit.studies.study import Cell, Study
from priorkit.verbs.bars import of_pieces

__all__ = ["Engine", "Progress", "sweep", "swept"]

Progress = Callable[[list[Row], int, int], None]


@called_as(
    'priorkit.sweep({"settings": {"op": "gaussian", "m": 500}, '
    '"grid": {"prior": ["dct", "wavelet"]}}, out="study.parquet")'
)
def sweep(
    study: str | os.PathLike[str] | Mapping[str, Any] | Study,
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    engine: Engine = "processes",
    scheduler: str | None = None,
    wait: float = 10.0,
    progress: Progress | None = None,
) -> Results:
    """Run a study: one :func:`priorkit.recover` per cell, except for those that ``out`` has.

    Rows go to ``out`` as their cells end: the study can be killed at any moment, and the same call
    continues it. A cell that failed has a row with the reason, and is tried again by the next
    call. Ctrl-C ends the study; the cells that are done are returned.

    Parameters
    ----------
    study : a TOML file, a dict or a :class:`~priorkit.studies.study.Study`
    out : a Parquet file, which may hold other studies too
    jobs : processes on this machine, default: as many as it has cores, one where a run is on a
        GPU; each takes its share of the cores
    engine : "processes", of this machine, or "dask": those of a Dask cluster, which must have
        priorkit and see the files that the study names
    scheduler : address of the cluster's scheduler, such as tcp://10.0.0.1:8786; without one, a
        cluster on this machine
    wait : seconds to wait for the answer of the scheduler
    progress : called with the rows of each cell as it ends, the number of cells that are done
        and of all

    Raises a :class:`~priorkit.errors.PriorkitError` before any compute: as :meth:`Study.cells`,
    for an ``out`` that can't be written or holds something else, and for a cluster that can't be
    reached.
    """
    plan = Study.read(study)
    cells = plan.cells()
    processes = Processes(engine, jobs, scheduler=scheduler, wait=wait)
    work = partial(run, pictures=plan.pictures)
    with of_pieces(progress, "runs") as told:
        return swept(cells, work, Path(out), processes, told, failed)


def swept(
    cells: Sequence[Cell],
    work: Callable[[Cell], list[Row]],
    out: Path,
    processes: Processes,
    progress: Progress | None,
    failed: Callable[[Cell, str], list[Row]],
    kept: Callable[[Cell], bool] = lambda cell: True,
) -> Results:
    """The rows that ``work`` gives of each cell, those of a file ``out`` and new ones, which are
    added to it as they end; those that ``failed`` gives with a reason of a cell that is lost.
    A cell that has rows is done again where what belongs to them isn't ``kept``.
    Where nobody says how many processes of this machine, a GPU has one. Interrupted where Ctrl-C
    ended it."""
    on_gpu = any(str(cell.settings.get("device", "cpu")) != "cpu" for cell in cells)
    if on_gpu and processes.jobs is None and processes.engine != "dask":
        processes = replace(processes, jobs=1)
    work = partial(_worked, work, os.getpid())
    with Store.opened(out) as store:
        left = [cell for cell in cells if not (store.done(cell) and kept(cell))]
        if not left:
            return store.results.of(cells)
        interrupted = False
        try:
            with processes.working(work, left) as found:
                for done, (cell, rows) in enumerate(found, start=len(cells) - len(left) + 1):
                    new = failed(cell, rows.reason) if isinstance(rows, Lost) else rows
                    store.add(new)
                    if progress is not None:
                        progress(new, done, len(cells))
        except KeyboardInterrupt:
            interrupted = True
        return Results(store.results.of(cells).rows, interrupted)


def _worked(work: Callable[[Cell], list[Row]], driver: int, cell: Cell) -> list[Row]:
    """The rows of a cell; what is less than an error is logged by the process ``driver`` alone,
    which began it all."""
    if os.getpid() != driver:
        logging.getLogger("priorkit").setLevel(logging.ERROR)
    return work(cell)
