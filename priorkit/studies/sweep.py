"""Running the cells of a study that have no result yet, on one machine or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from joblib import Parallel, cpu_count, delayed, parallel_config

from priorkit.errors import BadInputError, needed
from priorkit.studies.cell import Row, run
from priorkit.studies.results import Results, Store
from priorkit.studies.study import Cell, Study

__all__ = ["Engine", "Progress", "sweep"]

Engine = Literal["local", "dask"]
Progress = Callable[[list[Row], int, int], None]


def sweep(
    study: str | os.PathLike[str] | Mapping[str, Any] | Study,
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    engine: Engine = "local",
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
    engine : "local", or "dask": the processes of a Dask cluster, which must have priorkit and
        see the files that the study names
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
    if engine not in ("local", "dask"):
        raise BadInputError("The engine is 'local' or 'dask'.", got=repr(engine))
    if scheduler is not None and engine != "dask":
        raise BadInputError("A scheduler is for the engine 'dask' only.", try_="engine='dask'")
    if jobs is not None and jobs < 1:
        raise BadInputError("jobs must be at least 1.", got=jobs)
    with Store.opened(Path(out)) as store:
        left = [cell for cell in cells if not store.done(cell)]
        if not left:
            return store.results.of(cells)
        interrupted = False
        try:
            with _processes(engine, scheduler, wait, jobs, left) as count:
                # In larger batches, cells that are done would wait for the slowest of theirs.
                work = Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1)
                told = {"pictures": plan.pictures, "driver": os.getpid()}
                with closing(work(delayed(run)(cell, **told) for cell in left)) as found:
                    for done, rows in enumerate(found, start=len(cells) - len(left) + 1):
                        store.add(rows)
                        if progress is not None:
                            progress(rows, done, len(cells))
        except KeyboardInterrupt:
            interrupted = True
        return Results(store.results.of(cells).rows, interrupted)


@contextmanager
def _processes(
    engine: Engine, scheduler: str | None, wait: float, jobs: int | None, cells: list[Cell]
) -> Iterator[int]:
    """Set the processes that joblib uses; gives their number."""
    if engine == "local":
        on_gpu = any(str(cell.settings.get("device", "cpu")) != "cpu" for cell in cells)
        count = min(jobs or (1 if on_gpu else cpu_count()), len(cells))
        share = max(1, cpu_count() // count)
        with parallel_config(backend="loky", inner_max_num_threads=share):
            yield count
        return
    with needed("distributed", "The engine 'dask' needs", "studies"):
        from distributed import Client
    try:
        client = Client(scheduler, timeout=wait)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        raise BadInputError(
            "The scheduler can't be reached.", got=scheduler, try_="tcp://HOST:8786"
        ) from error
    with client, parallel_config(backend="dask", client=client):
        yield jobs or -1
