"""A real cluster for whatever runs on one."""

import signal
import subprocess
import sys
import time

import pytest

from tests.helpers import PATIENCE


@pytest.fixture
def cluster(tmp_path):
    """A Dask scheduler and two workers, each a process of its own; one thread each."""
    place = tmp_path / "scheduler.json"
    started = []

    def start(*words):
        command = [sys.executable, "-m", *words, "--scheduler-file", str(place)]
        with open(tmp_path / f"{len(started)}.log", "w") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
        return started[-1]

    start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
          "--no-dashboard")  # fmt: skip
    quiet = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path))
    workers = [start("distributed.cli.dask_worker", *quiet) for _ in range(2)]
    try:
        deadline = time.monotonic() + PATIENCE
        while not place.exists():
            assert time.monotonic() < deadline, (tmp_path / "0.log").read_text()
            time.sleep(0.1)
        from distributed import Client

        with Client(scheduler_file=str(place), timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
            address = client.scheduler.address
        yield address, workers
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@pytest.fixture
def dying(cluster):
    """``dying(n)``: the settings of an engine, on a cluster that loses a worker once ``n`` pieces
    are done; by the end of the test it must have."""
    address, workers = cluster

    def at(count):
        def progress(rows, done, total):
            if done == count:
                workers[0].send_signal(signal.SIGKILL)

        return {"engine": "dask", "scheduler": address, "progress": progress}

    yield at
    assert workers[0].wait(PATIENCE) == -signal.SIGKILL
