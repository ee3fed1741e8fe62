"""All rows of a run: tries tile the images, chunks go through the loop, and rows are kept as they
end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from priorkit.errors import PriorkitError
from priorkit.interfaces import Problem, Snapshot
from priorkit.io.pictures import dimensions
from priorkit.loop import Ledger, company
from priorkit.loop import solve as solve_batch
from priorkit.run.bookmark import Bookmark, Keeper
from priorkit.run.journal import Journal
from priorkit.run.memory import Plan
from priorkit.run.rows import Row, Trace, best, ended
from priorkit.run.setup import Setup
from priorkit.settings.given import GivenStart
from priorkit.settings.select import blaming

__all__ = ["Outcome", "Progress", "Solve", "solve"]

Progress = Callable[[Snapshot, int], None]
log = logging.getLogger("priorkit")


@dataclass
class Outcome:
    """How a run ended.

    Attributes
    ----------
    setup : of the run, its γ a number
    best : a row per image, what comes back of it
    rows : every try: of all images, then of all again …
    seconds : how long it took, or has taken since it was begun
    cut : what ended it early, Ctrl-C or what a component raised; None where nothing did
    weight : what a search for γ found besides γ; None where there was none
    """

    setup: Setup
    best: list[Row]
    rows: list[Row]
    seconds: float
    cut: BaseException | None = None
    weight: dict[str, Any] | None = None

    @property
    def x(self) -> Tensor:
        """What came back, (B, *shape)."""
        return torch.stack([row.x for row in self.best])

    @property
    def misfit(self) -> Tensor:
        """ℓ(A x̂, y) per image, (B,) in float64."""
        return torch.tensor([row.misfit for row in self.best], dtype=torch.float64)

    @property
    def failure(self) -> str | None:
        """What a component did that ended the run, naming it; None for an end of its own, and for
        Ctrl-C."""
        if self.cut is None or isinstance(self.cut, KeyboardInterrupt):
            return None
        if isinstance(self.cut, PriorkitError):
            return str(self.cut)
        kind, name = _blamed(self.cut.__traceback__, self.setup)
        return (
            f"The {kind} {name!r} failed, and ended the run: {type(self.cut).__name__}: {self.cut}"
        )


Solve = Callable[..., Outcome]  # with the parameters of :func:`solve`


def solve(
    setup: Setup,
    y: Tensor,
    truth: Tensor | None,
    progress: Progress | None,
    planned: Plan,
    journal: Journal | None = None,
    *,
    restarts: Sequence[int] | None = None,
    level: int = logging.INFO,
) -> Outcome:
    """Recover from y (B, *y_shape): all tries of all images in one batch, cut into chunks.

    Rows that a ``journal`` holds aren't solved again, and those that end are written to it.

    Parameters
    ----------
    restarts : the numbers of the tries, by default 0, 1, … as many as the setup says
    level : at which what is planned is logged
    """
    started = time.perf_counter()
    b, numbers = len(y), range(setup.restarts) if restarts is None else restarts
    if isinstance(setup.start, GivenStart):
        setup.start.require(b, setup.problem.shape)
    images = torch.arange(b, device=y.device).repeat(len(numbers))
    each = [number for number in numbers for _ in range(b)]
    tiled = None if truth is None else truth[images]
    whole = setup.problem.at(y[images], tiled, images.tolist(), each)
    traces = [Trace(i, r) for i, r in zip(images.tolist(), each, strict=True)]
    run = _Run(setup, whole, b, traces, progress, planned, journal, started)
    if journal is not None:
        run.load(journal)
    if run.pending:
        log.log(level, "Solving %s, each %s.", planned, dimensions(setup.problem.shape))
    run.solve()
    rows = [run.rows[i] for i in range(len(traces))]
    by_try = [rows[r * b : (r + 1) * b] for r in range(len(numbers))]
    if run.cut is not None:  # a restart that never began says nothing
        by_try = [t for r, t in enumerate(by_try) if not r or any(row.evaluations for row in t)]
    chosen = [best(tries) for tries in zip(*by_try, strict=True)]
    kept = [row for tries in by_try for row in tries]
    return Outcome(setup, chosen, kept, time.perf_counter() - run.started, run.cut)


@dataclass
class _Run:
    """A run on its way: what is known of each row so far, by its number."""

    setup: Setup
    whole: Problem
    images: int
    traces: list[Trace]
    progress: Progress | None
    planned: Plan
    journal: Journal | None
    started: float
    rows: dict[int, Row] = field(default_factory=dict)
    bookmark: Bookmark | None = None
    cut: BaseException | None = None

    @property
    def pending(self) -> list[int]:
        """The rows that aren't finished."""
        return [row for row in range(len(self.traces)) if row not in self.rows]

    @property
    def everyone(self) -> range:
        """The rows that one may have the company of: none where memory allows one at a time."""
        return range(len(self.traces) if self.planned.together > 1 else 1)

    def load(self, journal: Journal) -> None:
        """Take what is finished from a journal, and where the others stand."""
        for row, trace in enumerate(self.traces):
            found = journal.row(self._number(trace), self.whole)
            if found is not None:
                self.rows[row], self.traces[row] = found, found.trace
        if self.rows:
            log.info("%d of %d rows were finished before.", len(self.rows), len(self.traces))
        self.bookmark = Bookmark.found(journal, self.traces, self.pending)
        if self.bookmark is not None:
            log.info("%d rows go on from where they stood.", len(self.bookmark.traces))
            for row, trace in zip(self.bookmark.own, self.bookmark.traces, strict=True):
                self.traces[row] = trace
        self.started -= max([0.0, *(s for trace in self.traces for s in trace.seconds[-1:])])

    def solve(self) -> None:
        """Solve the rows that aren't finished."""
        setup, device = self.setup, self.whole.y.device
        ahead = [] if self.bookmark is None else self.bookmark.own
        later = [row for row in self.pending if row not in ahead]
        together = self.planned.together
        chunks = [ahead] if ahead else []
        chunks += [later[i : i + together] for i in range(0, len(later), together)]
        begun, batches = self.bookmark, []
        for own in chunks:
            rows = company(own, self.everyone) if begun is None else begun.rows
            problem = self.whole.rows(torch.tensor(rows, device=device))
            with blaming(f"start {setup.selections['start'].name!r}"):
                batches.append((own, problem, setup.start.make(problem), begun))
            begun = None
        done = 0
        for own, problem, u0, place in batches:
            if self.cut is None:
                self._batch(own, problem, u0, place, done)
            else:  # what follows is left at its start
                ledger = Ledger(problem, u0, setup.solver.descends)
                ledger.close("stopped", "never begun")
                self._take(ledger, own, range(len(own)), None)
            done += len(own)

    def _batch(
        self, own: list[int], problem: Problem, u0: Tensor, place: Bookmark | None, done: int
    ) -> None:
        """Solve some rows together, ``done`` rows after others; from where they stood, if they
        were begun."""
        setup, solver, journal = self.setup, self.setup.solver, self.journal
        traces = [self.traces[row] for row in own]
        guests = [Trace(i, r) for i, r in zip(problem.images, problem.restarts, strict=True)]
        guests = guests[len(own) :]
        ledger, self.cut = solve_batch(
            solver,
            problem,
            u0,
            setup.budget,
            guests=len(guests),
            watch=_Watch(traces, done, self.started, self.progress),
            ended=lambda ledger, places: self._take(ledger, own, places, journal),
            mark=None if journal is None else Keeper(journal, solver, traces + guests),
            begun=None if place is None else place.begin(solver, problem, u0, setup.budget),
        )
        left = [i for i, row in enumerate(own) if row not in self.rows]
        if left:
            self._take(ledger, own, left, None)
        elif journal is not None:
            journal.unmark()

    def _take(
        self, ledger: Ledger, own: list[int], places: Sequence[int], journal: Journal | None
    ) -> None:
        """The rows at some places of a batch, written where there is a journal."""
        traces = [self.traces[own[place]] for place in places]
        for place, row in zip(places, ended(ledger, places, traces, self.setup.kind), strict=True):
            self.rows[own[place]] = row
            if journal is not None:
                journal.keep(self._number(row.trace), row)

    def _number(self, trace: Trace) -> int:
        """The number of a row in its journal, whichever tries this run is of."""
        return trace.restart * self.images + trace.image


def _blamed(trace: TracebackType | None, setup: Setup) -> tuple[str, str]:
    """Whose code raised: the innermost frame that is a method of a component, or else lies in
    the package of one."""
    problem = setup.problem
    components = {
        "prior": problem.prior,
        "operator": problem.operator,
        "noise": problem.noise,
        "penalty": problem.penalty,
        "solver": setup.solver,
    }
    packages = {kind: type(c).__module__.split(".")[0] for kind, c in components.items()}
    blamed = "solver"
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        package = str(frame.f_globals.get("__name__", "")).split(".")[0]
        owner = frame.f_locals.get("self")
        own = [kind for kind, component in components.items() if owner is component]
        near = [kind for kind, name in packages.items() if name == package != "priorkit"]
        blamed = own[0] if own else near[0] if len(near) == 1 else blamed
    return blamed, setup.selections[blamed].name


class _Watch:
    """What is noted of a chunk at every step: a trace per row, and the user's progress."""

    def __init__(
        self, traces: list[Trace], first: int, started: float, progress: Progress | None
    ) -> None:
        self.traces, self.first, self.started, self.progress = traces, first, started, progress
        self.noted = [max(trace.evaluations, default=0) for trace in traces]

    def __call__(self, now: Snapshot) -> None:
        seconds = time.perf_counter() - self.started
        kept = (now.evaluations, now.objective, now.misfit, now.u.norm(dim=1))
        for i, (count, objective, misfit, norm) in enumerate(
            zip(*(values.tolist() for values in kept), strict=True)
        ):
            if count == self.noted[i]:  # not evaluated yet, or it has left the batch
                continue
            self.noted[i] = count
            trace = self.traces[i]
            trace.evaluations.append(count)
            trace.objective.append(objective)
            trace.misfit.append(misfit)
            trace.norm.append(norm)
            trace.seconds.append(seconds)
        if self.progress is not None:
            self.progress(now, self.first)
