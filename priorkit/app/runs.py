"""The runs of a session: one at a time, and the others in a queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from priorkit.app.order import Order
from priorkit.app.run import Run
from priorkit.app.store import Store
from priorkit.errors import BadInputError
from priorkit.io.arrays import write_array

__all__ = ["MOST_KEPT", "Runs"]

MOST_QUEUED = 20
PATIENCE = 10.0  # seconds that a run has to end when the session does
MOST_KEPT = 50  # finished runs; the oldest are forgotten


class Runs:
    """All runs of a session, newest last, and the thread that takes one after the other.

    Parameters
    ----------
    seconds : after which a run is ended; the best so far is kept
    """

    def __init__(self, store: Store, *, seconds: float) -> None:
        self.store, self.seconds = store, seconds
        self._runs: dict[str, Run] = {}
        self._queue: list[Run] = []
        self._count, self._closed = 0, False
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def find(self, id: str) -> Run | None:
        """The run of that address."""
        return self._runs.get(id)

    def place(self, run: Run) -> int:
        """How many runs are before a queued one, the one that is on among them."""
        with self._lock:
            on = any(other.state == "running" for other in self._runs.values())
            return self._queue.index(run) + on if run in self._queue else 0

    def add(self, order: Order) -> Run:
        """Queue a run. Raises BadInputError for an order that can't be, or where the queue is
        full."""
        order.check()
        return self._add(order)

    def stop(self, run: Run) -> None:
        """Ask a run to end at its next step; one in the queue leaves it."""
        with self._lock:
            run.stopping = True
            if run in self._queue:
                self._queue.remove(run)
                run.state = "stopped"
                if run.follows is not None:  # which may go on yet
                    run.follows.followed = None
                run.watched.say("left the queue")
                run.ended.set()

    def go_on(self, run: Run, budget: int | None = None) -> Run:
        """Queue a run that goes on from where another stopped: the very same where its solver
        can, else a descent that begins where it has come to, with a ``budget`` of its own.

        Raises BadInputError where neither can be.
        """
        how = run.goes_on()
        if how is None:
            raise BadInputError(
                "This run can't go on from where it ended.", try_="another with a larger budget"
            )
        if how == "resume":
            new = self._add(run.order, run, out=run.out)
        else:
            place = self.store.folder("file") / "start.npy"
            write_array(place, run.reached().numpy())
            new = self._add(run.order.going_on(place, budget), run)
        run.followed = new
        return new

    def close(self) -> None:
        """End what is on, and take nothing more."""
        with self._lock:
            self._queue.clear()
            for run in self._runs.values():
                run.stopping = True
            thread, self._closed = self._thread, True
            self._lock.notify()
        if thread is not None:
            thread.join(PATIENCE)

    def _add(self, order: Order, follows: Run | None = None, out: Path | None = None) -> Run:
        """Queue a run; ``out`` is the folder of the one that is resumed."""
        with self._lock:
            if len(self._queue) >= MOST_QUEUED:
                raise BadInputError(
                    f"{MOST_QUEUED} runs wait already.", try_="later, or stop some of them"
                )
            self.store.hold(order.files)
            self._count += 1
            run = Run(self._count, order, out or self.store.folder("run") / "out", follows)
            run.resumes = out is not None
            self._runs[run.id] = run
            self._queue.append(run)
            self._forget()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._lock.notify()
        return run

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._lock.wait()
                if self._closed:
                    return
                run = self._queue.pop(0)
                run.state = "running"
            run.do(self.seconds, self.store)

    def _forget(self) -> None:
        """Drop the oldest of too many finished runs."""
        over = [run for run in self._runs.values() if run.over]
        for run in over[: max(0, len(over) - MOST_KEPT)]:
            del self._runs[run.id]
            if not any(other.out == run.out for other in self._runs.values()):
                self.store.forget(run.out.parent)
