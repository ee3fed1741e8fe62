"""The runs of a session: one at a time, the others in a queue, each with an address."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any, Literal

import torch

from priorkit.app.order import Order
from priorkit.app.result import Panel, archive, panels
from priorkit.app.store import Store
from priorkit.app.watched import Watched
from priorkit.discovery import describe
from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces import Snapshot
from priorkit.io.arrays import write_array
from priorkit.io.folders import unfinished
from priorkit.registry import registry
from priorkit.results.comparison import Comparison
from priorkit.results.recovery import Recovery, RunError
from priorkit.settings.select import class_of
from priorkit.verbs.compare import compare
from priorkit.verbs.recover import recover

__all__ = ["Run", "Runs"]

State = Literal["queued", "running", "done", "stopped", "failed"]
MOST_QUEUED = 20
PATIENCE = 10.0  # seconds that a run has to end when the session does
MOST_KEPT = 50  # finished runs; the oldest are forgotten


class Run:
    """A run of a session: what was asked for, where it stands, and what came of it.

    ``result`` is what came back once it is done or stopped, with its ``panels``; ``error`` why
    nothing did. ``follows`` is the run that it goes on from, and ``followed`` the one that goes on
    from it.
    """

    def __init__(self, number: int, order: Order, out: Path, follows: Run | None = None) -> None:
        self.id, self.number = secrets.token_hex(4), number
        self.order, self.out, self.follows = order, out, follows
        self.followed: Run | None = None
        self.resumes = False
        self.state: State = "queued"
        self.watched = Watched(order.settings.get("kind"))
        self.result: Recovery | Comparison | None = None
        self.panels: list[Panel] = []
        self.error: str | None = None
        self.seconds = 0.0
        self.stopping = False
        self.ended = threading.Event()

    @property
    def title(self) -> str:
        """Its number, and what it recovers from what with what."""
        said = self.order.settings
        priors = ", ".join(self.order.priors) or _name(said.get("prior")) or "the usual prior"
        source = self.order.source.name if self.order.source else "sample photograph"
        op = _name(said.get("op"))
        return f"{self.number} · {source}{f' · {op}' if op else ''} · {priors}"

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")

    @property
    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The table of a comparison, a head and rows."""
        found = self.result
        return found.cells() if isinstance(found, Comparison) else ([], [])

    def picture(self, panel: int, image: int, what: str) -> bytes | None:
        """A picture of its result as a PNG; None where there is none."""
        if not 0 <= panel < len(self.panels) or not 0 <= image < len(self.panels[panel].images):
            return None
        card = self.panels[panel].card(image, what)
        return None if card is None else card.picture

    def archive(self) -> bytes:
        """The folder of a run that has a result as a zip file."""
        assert self.result is not None, "there is no result yet"
        return archive(self.order, self.result)

    def goes_on(self) -> str | None:
        """How it would go on: "resume" the very run, "start" another where it has come to; None
        where neither can be."""
        if self.followed is not None or not isinstance(self.result, Recovery):
            return None
        if self.state == "stopped" and unfinished(self.out).exists():
            return "resume"
        config = self.result.record["config"]
        entry = registry().find("solver", config["solver"]["name"])
        descends = entry is not None and class_of(entry).descends
        stands = "stopped" in self.result.status and config["averaging"] == 1
        return "start" if descends and stands else None

    def do(self, seconds: float, store: Store) -> None:
        """Run it, in the thread that calls."""
        self.state, begun = "running", time.monotonic()
        ends = begun + seconds
        self.watched.say("setting up")

        def progress(now: Snapshot, done: int, label: str = "") -> None:
            """Ends the run as Ctrl-C does, which keeps the best so far."""
            if self.stopping or time.monotonic() > ends:
                raise KeyboardInterrupt
            self.watched(now, done, label)

        result: Recovery | Comparison | None = None
        try:
            result = self._computed(progress)
        except Exception as error:
            self.error = store.hide(
                str(error) if isinstance(error, PriorkitError) else describe(error)
            )
            result = error.recovery if isinstance(error, RunError) else None
        try:
            self.panels = [] if result is None else panels(result)
            self.result = result
        except Exception as error:
            self.error = store.hide(describe(error))
        self.seconds = time.monotonic() - begun
        interrupted = result is not None and result.interrupted
        self.state = "failed" if self.error else "stopped" if interrupted else "done"
        self.watched.say(self.error or ("stopped" if interrupted else "done"))
        self.ended.set()

    def _computed(self, progress: Any) -> Recovery | Comparison:
        order, source = self.order, self.order.source
        x = None if order.measured else source
        if order.priors:
            told = lambda label, now, done: progress(now, done, label)  # noqa: E731
            return compare(x, progress=told, **order.keywords())
        keywords = order.keywords()
        return recover(x, out=self.out, resume=self.resumes, progress=progress, **keywords)


class Runs:
    """All runs of a session, newest last, and the thread that takes one after the other.

    Parameters
    ----------
    seconds : after which a run is ended; the best so far is kept
    """

    def __init__(self, store: Store, *, seconds: float) -> None:
        self.store, self.seconds = store, seconds
        self.version = 0  # grows with every change of the list
        self._runs: dict[str, Run] = {}
        self._queue: list[Run] = []
        self._count, self._closed = 0, False
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Any:
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
                run.watched.say("left the queue")
                run.ended.set()
            self.version += 1

    def go_on(self, run: Run, budget: int | None = None) -> Run:
        """Queue a run that goes on from where another stopped: the very same where its solver
        can, else a descent that begins where it has come to, with a ``budget`` of its own.

        Raises BadInputError where neither can be.
        """
        how = run.goes_on()
        if how is None or not isinstance(run.result, Recovery):
            raise BadInputError(
                "This run can't go on from where it ended.", try_="another with a larger budget"
            )
        if how == "resume":
            new = self._add(run.order, run, out=run.out)
        else:
            place = self.store.folder("file") / "start.npy"
            write_array(place, _start(run.result).numpy())
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
            self.version += 1
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
                self.version += 1
            run.do(self.seconds, self.store)
            self.version += 1

    def _forget(self) -> None:
        """Drop the oldest of too many finished runs."""
        over = [run for run in self._runs.values() if run.over]
        for run in over[: max(0, len(over) - MOST_KEPT)]:
            del self._runs[run.id]
            if not any(other.out == run.out for other in self._runs.values()):
                self.store.forget(run.out.parent)


def _start(recovery: Recovery) -> torch.Tensor:
    """Where a recovery has come to: its latents, or in pixel space its images."""
    found = recovery.x if recovery.z is None else recovery.z
    return found.detach().cpu()


def _name(component: Any) -> str:
    """What a component in settings is called."""
    return str(component.get("name", "")) if isinstance(component, dict) else str(component or "")
