"""Work in processes of this machine, any of which may die at any moment."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from joblib.externals.loky import get_reusable_executor

__all__ = ["Found", "Item", "Lost", "Pool", "Result"]

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # pieces per process that are handed out: one is done while another waits
DEATHS = 2  # of processes at a piece, before it is tried with nothing beside it
IDLE = 60.0  # seconds that a process waits for more


@dataclass(frozen=True)
class Lost:
    """What a piece gives whose process dies each time."""

    reason: str = (
        "the process that worked at it died, each time that it was tried: of a lack of memory, "
        "or of a fault in what it called"
    )


Found: TypeAlias = Generator[tuple[Item, Result | Lost], None, None]


@dataclass(frozen=True)
class Pool:
    """Processes of this machine, and what is set in their environment."""

    count: int
    environment: dict[str, str]

    def results(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Found[Item, Result]:
        """Each piece and what it gives, as :meth:`priorkit.studies.engine.Processes.working`.

        Of the pieces that were handed out when a process died, nobody knows which was at fault:
        those that met two deaths are tried one at a time."""
        left = deque((item, 0) for item in items)
        running: dict[Future[Result], tuple[Item, int]] = {}
        try:
            while left or running:
                while left and len(running) < self._room([left[0], *running.values()]):
                    item, deaths = left.popleft()
                    try:
                        running[self._executor().submit(function, item)] = item, deaths
                    except BrokenProcessPool:  # a process died this very moment: of another piece
                        left.appendleft((item, deaths))
                        break
                done = wait(running, return_when=FIRST_COMPLETED).done
                if any(_died(future) for future in done):
                    done = wait(running).done  # all others end with it
                alone = len(running) == 1
                for future in done:
                    item, deaths = running.pop(future)
                    if not _died(future):
                        yield item, future.result()
                    elif alone and deaths >= DEATHS:
                        yield item, Lost()
                    else:
                        left.append((item, deaths + 1))
        finally:
            if left or running:
                _settle(running)
                self._executor().shutdown(wait=True, kill_workers=True)

    def _room(self, pieces: Sequence[tuple[object, int]]) -> int:
        """How many pieces may be handed out at a time."""
        return 1 if any(deaths >= DEATHS for _, deaths in pieces) else AHEAD * self.count

    def _executor(self) -> Any:
        """The processes of the last call, where they are such as these and none has died."""
        return get_reusable_executor(
            self.count, timeout=IDLE, env=self.environment, initializer=_deaf
        )


def _settle(futures: Iterable[Future[Any]]) -> None:
    """Wait until the processes have what was handed out: a thread of loky fails on what it still
    finds in a queue when they are killed."""
    until = time.monotonic() + 1.0
    while time.monotonic() < until and not all(f.running() or f.done() for f in futures):
        time.sleep(0.001)


def _died(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _deaf() -> None:
    """Ctrl-C in a terminal reaches every process: the one that hands out the pieces answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
