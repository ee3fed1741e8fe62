"""Work in many processes, of this machine or of a cluster: what each piece gives, as it ends."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor

from priorkit.errors import BadInputError, needed

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Engine", "Lost", "Processes"]

log = logging.getLogger("priorkit")

Engine = Literal["processes", "dask", "local"]  # the last until 2.0: the first was called that
Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # pieces per process that are handed out: one is done while another waits
AHEAD_FAR = 4  # per thread of a cluster, whose answers take longer
DEATHS = 2  # of processes at a piece, before it is tried with nothing beside it
IDLE = 60.0  # seconds that a process waits for more
GLANCE = 1.0  # seconds after which the threads of a cluster are counted again
# Libraries that compute read these when they are loaded.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Lost:
    """What a piece gives whose process dies each time."""

    reason: str = (
        "the process that worked at it died, each time that it was tried: of a lack of memory, "
        "or of a fault in what it called"
    )


Found: TypeAlias = Generator[tuple[Item, Result | Lost], None, None]


@dataclass(frozen=True)
class Processes:
    """Processes that work at pieces, each of which is one call of a function.

    Attributes
    ----------
    engine : "processes", of this machine, or "dask", those of a Dask cluster
    jobs : how many, default: as many as the machine has cores, or the cluster threads
    threads : of each process on this machine; default: its share of the cores
    scheduler : address of the cluster's scheduler; without one, a cluster on this machine
    wait : seconds to wait for its answer

    Raises BadInputError for anything else.
    """

    engine: Engine = "processes"
    jobs: int | None = None
    threads: int | None = None
    scheduler: str | None = None
    wait: float = 10.0

    def __post_init__(self) -> None:
        if not (isinstance(self.engine, str) and self.engine in get_args(Engine)):
            raise BadInputError(
                "The engine is 'processes' or 'dask'.",
                got=repr(self.engine),
                try_="engine='processes'",
            )
        if self.engine == "local":
            said = "The engine 'local' is 'processes' now, and goes with priorkit 2.0."
            warnings.warn(said, DeprecationWarning, stacklevel=4)
        if self.scheduler is not None and self.engine != "dask":
            raise BadInputError("A scheduler is for the engine 'dask' only.", try_="engine='dask'")
        if self.jobs is not None and not (isinstance(self.jobs, int) and self.jobs >= 1):
            raise BadInputError("jobs must be at least 1.", got=repr(self.jobs), try_="jobs=2")

    @contextmanager
    def working(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Found[Item, Result]]:
        """Each piece and what it gives, in the order in which they end. Where the block ends
        before all have, no further ones are begun.

        A process that dies costs nothing but its pieces, which others do again; a piece at which
        they die each time gives :class:`Lost`. What the function raises is raised. A single process
        of this machine is this one.

        Raises BadInputError where the scheduler can't be reached, or is lost.
        """
        if self.engine == "dask":
            with self._client() as client, closing(self._on_cluster(client, function, items)) as f:
                yield f
            return
        count = min(self.jobs or cpu_count(), len(items))
        if count == 1:
            yield ((item, function(item)) for item in items)
            return
        threads = self.threads or max(1, cpu_count() // count)
        pool = _Pool(count, dict.fromkeys(THREADS, str(threads)))
        with closing(pool.results(function, items)) as found:
            yield found

    def require_scheduler(self) -> None:
        """Raise BadInputError where there is the address of a scheduler that can't be reached."""
        if self.scheduler is not None:
            with self._client():
                pass

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with needed("distributed", "The engine 'dask' needs", "studies"):
            from distributed import Client
        try:
            client = Client(self.scheduler, timeout=self.wait)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TimeoutError) as error:
            raise BadInputError(
                "The scheduler can't be reached.", got=self.scheduler, try_="tcp://HOST:8786"
            ) from error
        with _silent("distributed.client"), client:
            yield client

    def _on_cluster(
        self, client: Client, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Found[Item, Result]:
        """On a cluster, whose scheduler gives what a dead worker had to others, three times.

        Pieces are handed out a few for each thread, so that neither this process nor the scheduler
        holds all of them. What a worker had waiting when another piece killed it counts as tried
        too, so that a piece that is given up is tried once more, with nothing beside it.
        """
        from distributed import KilledWorker, as_completed

        room = _Room(client, self.jobs)
        left, doubted, running = iter(items), deque[Item](), dict[Any, Item]()
        found = as_completed()  # type: ignore[no-untyped-call]

        def submit(item: Item) -> None:
            future = client.submit(function, item, pure=False)
            running[future] = item
            found.add(future)  # type: ignore[no-untyped-call]

        alone = False
        try:
            while True:
                for _, item in zip(range(room.now() - len(running)), left, strict=False):
                    submit(item)
                if not running:
                    if not doubted:
                        return
                    alone = True  # from here on, since nothing else is left
                    submit(doubted.popleft())
                ended = next(found)
                item = running.pop(ended)
                try:
                    yield item, ended.result()
                except KilledWorker:
                    if alone:
                        yield item, Lost()
                    else:
                        doubted.append(item)
                except CancelledError as error:
                    raise BadInputError(
                        "The scheduler was lost.", got=self.scheduler, try_="the same again"
                    ) from error
        finally:
            client.cancel(list(running))  # type: ignore[no-untyped-call]


class _Room:
    """How many pieces a cluster is given at a time; workers come and go."""

    def __init__(self, client: Client, jobs: int | None) -> None:
        self._client, self._jobs = client, jobs
        self._count, self._counted, self._warned = 0, float("-inf"), False

    def now(self) -> int:
        if self._jobs is not None:
            return self._jobs
        if time.monotonic() - self._counted > GLANCE:
            threads: dict[str, int] = self._client.nthreads()  # type: ignore[no-untyped-call]
            if not threads and not self._warned:
                log.warning("The cluster has no workers: this waits for the first.")
            self._warned = not threads
            self._count, self._counted = max(1, sum(threads.values())), time.monotonic()
        return AHEAD_FAR * self._count


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """A block without what a library logs of a scheduler that is lost, which is raised here."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@dataclass(frozen=True)
class _Pool:
    """Processes of this machine, and what is set in their environment."""

    count: int
    environment: dict[str, str]

    def results(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Found[Item, Result]:
        """As :meth:`Processes.working`. Of the pieces that were handed out when a process died,
        nobody knows which was at fault: those that met two deaths are tried one at a time."""
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
