"""Processes that work at pieces: what each gives comes back, whoever dies meanwhile."""

import logging
import os
import signal
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from priorkit.errors import BadInputError
from priorkit.studies.engine import Lost, Processes, _Room
from priorkit.studies.pool import Pool


def squared(number):
    return number * number


def kills_once(piece):
    """The process that comes to it first is killed."""
    number, mark = piece
    if mark and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def kills_always(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number):
    raise ValueError(f"no {number}")


def threads(_):
    return os.environ["OMP_NUM_THREADS"]


def results(function, items, **more):
    with Processes(**more).working(function, items) as found:
        return dict(found)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_piece_comes_back_once(jobs):
    with Processes(jobs=jobs).working(squared, range(20)) as found:
        assert sorted(found) == [(i, i * i) for i in range(20)]


def test_a_process_that_dies_costs_nothing(tmp_path):
    pieces = [(i, str(tmp_path / "mark") if i == 4 else "") for i in range(12)]
    found = results(kills_once, pieces, jobs=2)
    assert found == {piece: piece[0] for piece in pieces}


def test_a_piece_at_which_all_die_is_lost_alone():
    found = results(kills_always, range(8), jobs=2)
    lost = found.pop(3)
    assert isinstance(lost, Lost)
    assert "died, each time" in lost.reason
    assert found == {i: i for i in range(8) if i != 3}


def test_a_process_that_dies_while_a_piece_is_handed_out(monkeypatch):
    """The piece is handed out again, and no death is its own."""
    executor, handed = Pool._executor, []

    class Dying:
        def __init__(self, own):
            self.own = own

        def submit(self, function, item):
            handed.append(item)
            if len(handed) in (1, 4, 5, 6, 7):  # at the first of all, and many times in a row
                raise BrokenProcessPool
            return self.own.submit(function, item)

        def shutdown(self, **told):
            self.own.shutdown(**told)

    monkeypatch.setattr(Pool, "_executor", lambda pool: Dying(executor(pool)))
    assert results(squared, range(6), jobs=2) == {i: i * i for i in range(6)}
    assert len(handed) == 11


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_piece_raises_is_raised(jobs):
    with pytest.raises(ValueError, match="no "):
        results(refuses, range(4), jobs=jobs)
    assert len(results(squared, range(4), jobs=jobs)) == 4  # and others work afterwards


def test_processes_have_the_threads_that_were_said():
    assert set(results(threads, range(2), jobs=2, threads=3).values()) == {"3"}


@pytest.mark.slow
def test_a_piece_that_kills_the_workers_of_a_cluster(tmp_path):
    """The scheduler gives it to four, and the others' pieces to whoever is left."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = results(
            kills_always, range(8), engine="dask", scheduler=cluster.scheduler_address, wait=60
        )
    assert isinstance(found.pop(3), Lost)
    assert found == {i: i for i in range(8) if i != 3}


def test_a_cluster_without_workers_is_said_once(caplog, monkeypatch):
    """Again where there were some meanwhile."""
    told = [{}, {}, {"a": 2}, {}]
    client = type("Client", (), {"nthreads": lambda _: told.pop(0)})()
    monkeypatch.setattr("priorkit.studies.engine.GLANCE", -1.0)
    room = _Room(client, None)
    assert [room.now() for _ in range(4)] == [4, 4, 8, 4]
    assert caplog.messages == ["The cluster has no workers: this waits for the first."] * 2


def test_what_a_cluster_logs_of_its_end_is_raised_instead():
    from distributed import LocalCluster

    heard = logging.getLogger("distributed.client").isEnabledFor
    assert heard(logging.ERROR)
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        processes = Processes("dask", scheduler=cluster.scheduler_address)
        with processes.working(squared, [1]) as found:
            assert not heard(logging.ERROR)
            assert list(found) == [(1, 1)]
    assert heard(logging.ERROR)


def test_the_name_that_processes_had():
    with pytest.warns(DeprecationWarning, match="'local' is 'processes' now"):
        processes = Processes("local", jobs=1)
    with processes.working(squared, [2]) as found:
        assert list(found) == [(2, 4)]


def test_what_is_refused():
    with pytest.raises(BadInputError, match=r"'processes' or 'dask'\. Got 'ray'"):
        Processes("ray")
    with pytest.raises(BadInputError, match="A scheduler is for the engine 'dask' only"):
        Processes(scheduler="127.0.0.1:1")
    with pytest.raises(BadInputError, match=r"jobs must be at least 1\. Got 0"):
        Processes(jobs=0)
