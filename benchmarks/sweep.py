"""What the engine of studies costs: a thousand tiny cells beside the same runs in a plain loop.

    python benchmarks/sweep.py [--cells 1000] [--budget 100]

Prints, per cell: the time of a plain loop over ``priorkit.recover``, of ``sweep`` in this process
and in two, whose ratio is how many times faster two are; what four workers of a Dask cluster on
this machine take beside the cells themselves, which here only sleep; and what is left after
`kill -9` of a driver in the middle, and after the next call. A cell of 100 evaluations takes
0.1 to 0.2 s, so that two processes have loaded torch before the first tenth is done.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

import priorkit
from priorkit.studies.engine import Processes
from priorkit.studies.results import Results
from priorkit.studies.study import Study

WORKERS, SLEEP = 4, 0.02  # of the cluster, and seconds of its cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=100)
    options = parser.parse_args()
    count = options.cells
    settings: dict[str, Any] = {
        **{"prior": "none", "op": "gaussian", "m": 60, "penalty": "tv", "gamma": 1e-3},
        **{"shape": [3, 8, 8], "budget": options.budget},
        **{"solver": {"name": "lbfgs", "tolerance": 0.0}},
    }
    study = Study(settings=settings, grid={"seed": list(range(count))})
    torch.set_num_threads(1)
    priorkit.recover(config=settings)
    started = time.perf_counter()
    for cell in study.cells():
        priorkit.recover(config=cell.settings)
    loop = (time.perf_counter() - started) / count
    print(f"{count} cells, per cell:\nplain loop           {1000 * loop:6.2f} ms")
    with tempfile.TemporaryDirectory() as folder:
        each = {}
        for jobs in (1, 2):
            started = time.perf_counter()
            priorkit.sweep(study, out=Path(folder) / f"{jobs}.parquet", jobs=jobs)
            took = (time.perf_counter() - started) / count
            each[jobs], over = took, took - loop / jobs
            print(f"sweep, {jobs} process{'es' if jobs > 1 else '  '}   {1000 * took:6.2f} ms, "
                  f"{1000 * over:.2f} ms above the loop's share", flush=True)  # fmt: skip
        print(f"two processes: {each[1] / each[2]:.2f} times one", flush=True)
        scheduled(count)
        out = Path(folder) / "killed.parquet"
        driver = multiprocessing.get_context("spawn").Process(target=_drive, args=(study, out))
        driver.start()
        while not out.exists() or len(Results.read(out).rows) < count // 2:
            time.sleep(0.01)
        os.kill(driver.pid or 0, signal.SIGKILL)
        driver.join()
        kept = len(Results.read(out).rows)
        ran: list[int] = []
        priorkit.sweep(study, out=out, jobs=2, progress=lambda rows, *_: ran.append(len(rows)))
        found = Counter(row["cell"] for row in Results.read(out).rows)
        lost = sum(cell.key not in found for cell in study.cells())
        twice = sum(number > 1 for number in found.values())
        print(f"kill -9 of the driver: {kept} cells kept, {len(ran)} run by the next call, "
              f"{lost} lost, {twice} twice")  # fmt: skip


def scheduled(count: int) -> None:
    """Cells that sleep, on a cluster of this machine: whatever is above their share is overhead."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster:
        processes = Processes("dask", scheduler=cluster.scheduler_address, wait=60)
        with processes.working(_sleep, [SLEEP] * WORKERS) as found:
            list(found)
        started = time.perf_counter()
        with processes.working(_sleep, [SLEEP] * count) as found:
            list(found)
        took = (time.perf_counter() - started) / count
    over = 1000 * (took - SLEEP / WORKERS)
    print(f"Dask, {WORKERS} workers     {1000 * took:6.2f} ms, {over:.2f} ms above the share of "
          f"cells that sleep {1000 * SLEEP:.0f} ms", flush=True)  # fmt: skip


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _drive(study: Study, out: Path) -> None:
    os.setsid()
    priorkit.sweep(study, out=out, jobs=2)


if __name__ == "__main__":
    main()
