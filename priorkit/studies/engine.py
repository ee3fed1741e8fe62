"""Work in many processes, of this machine or of a cluster: what each piece gives, as it ends."""

from __future__ import annotations

import logging
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from joblib import cpu_count

from priorkit.errors import BadInputError, needed
from priorkit.studies.pool import Found, Item, Lost, Pool, Result

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Engine", "Lost", "Processes"]

log = logging.getLogger("priorkit")

Engine = Literal["processes", "dask", "local"]  # the last until 2.0: the first was called that

AHEAD_FAR = 4  # per thread of a cluster, whose answers take longer
GLANCE = 1.0  # seconds after which the threads of a cluster are counted again
# Libraries that compute read these when they are loaded.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


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
        pool = Pool(count, dict.fromkeys(THREADS, str(threads)))
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
