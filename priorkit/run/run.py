"""All rows of a run: tries tile the images, chunks go through the loop, and rows are kept as they
end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from priorkit.counted import counted, spelt
from priorkit.errors import PriorkitError
from priorkit.interfaces import Problem, Snapshot
from priorkit.interfaces.answers import answer
from priorkit.io.sources import Source
from priorkit.loop import Ledger, company
from priorkit.loop import solve as solve_batch
from priorkit.run.bookmark import Bookmark, Keeper
from priorkit.run.journal import Journal
from priorkit.run.memory import Plan
from priorkit.run.rows import Row, Trace, best, ended
from priorkit.run.setup import Setup
from priorkit.settings.given import GivenStart
from priorkit.settings.select import Selection, blaming

__all__ = ["Outcome", "Progress", "Solve", "Task", "solve"]

Progress = Callable[[Snapshot, int], None]
SLOW = 5.0  # seconds that a call of a denoiser takes which is told of
CALLS = "calls of the denoiser"  # what solvers that call one alone count
log = logging.getLogger("priorkit")


@dataclass(frozen=True)
class Task:
    """Measurements that are to be solved, and who hears of it.

    Attributes
    ----------
    y : (B, *y_shape), on the device and in the precision of the setup
    truth : the images (B, *shape) that were measured, where they are known
    names : of the images
    planned : among others how many rows are solved together
    progress : called after each step with a Snapshot, and how many rows were done before its batch
    journal : rows that it holds aren't solved again, and those that end are written to it
    restarts : the numbers of the tries, by default 0, 1, … as many as the setup says
    level : at which what is planned is logged
    sources : per image the file that it was read from; empty where there is none
    skipped : files of a folder that were left out, with the reason
    given : y as it came, in the user's units; None where it wasn't given, or these are those of y
    """

    setup: Setup
    y: Tensor
    truth: Tensor | None
    names: list[str]
    planned: Plan
    progress: Progress | None = None
    journal: Journal | None = None
    restarts: Sequence[int] | None = None
    level: int = logging.INFO
    sources: Sequence[Source | None] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    given: Tensor | None = None


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
    def noise_misfit(self) -> Tensor:
        """E ℓ at A x̂ of noise alone, (B,) in float64; 0 where nobody knows how much there is."""
        return torch.tensor([row.noise_misfit for row in self.best], dtype=torch.float64)

    @property
    def failure(self) -> str | None:
        """What a component did that ended the run, naming it; None for an end of its own, and for
        Ctrl-C."""
        if self.cut is None or isinstance(self.cut, KeyboardInterrupt):
            return None
        if isinstance(self.cut, PriorkitError):
            return str(self.cut)
        who = _blamed(self.cut.__traceback__, self.setup)
        return f"The {who} failed, and ended the run: {type(self.cut).__name__}: {self.cut}"


Solve = Callable[[Task], Outcome]


def solve(task: Task) -> Outcome:
    """Recover from y: all tries of all images in one batch, cut into chunks."""
    setup, b = task.setup, len(task.y)
    if isinstance(setup.start, GivenStart):
        setup.start.require(b, setup.problem.shape)
    run = _Run(task)
    if task.journal is not None:
        run.load(task.journal)
    if run.pending:
        log.log(task.level, "Solving %s.", task.planned)
    run.solve()
    rows = [run.rows[i] for i in range(len(run.traces))]
    by_try = [rows[i : i + b] for i in range(0, len(rows), b)]
    if run.cut is not None:  # a restart that never began says nothing
        by_try = [t for r, t in enumerate(by_try) if not r or any(row.evaluations for row in t)]
    chosen = [best(each) for each in zip(*by_try, strict=True)]
    kept = [row for each in by_try for row in each]
    return Outcome(setup, chosen, kept, time.perf_counter() - run.started, run.cut)


class _Run:
    """A run on its way: ``rows`` is what is known of each row so far, by its number."""

    def __init__(self, task: Task) -> None:
        self.task, self.started = task, time.perf_counter()
        tries = range(task.setup.restarts) if task.restarts is None else task.restarts
        self.traces = [Trace(i, restart) for restart in tries for i in range(len(task.y))]
        images = [trace.image for trace in self.traces]
        restarts = [trace.restart for trace in self.traces]
        truth = None if task.truth is None else task.truth[images]
        self.numbers = task.setup.numbers(len(task.y))
        numbers = [self.numbers[image] for image in images]
        whole = task.setup.problem.at(task.y[images], truth, numbers, restarts)
        self.whole = replace(whole, heard=self._heard)
        self.slow: bool | None = None  # whether calls of a denoiser are, once there was one
        self.rows: dict[int, Row] = {}
        self.bookmark: Bookmark | None = None
        self.cut: BaseException | None = None

    @property
    def pending(self) -> list[int]:
        """The rows that aren't finished."""
        return [row for row in range(len(self.traces)) if row not in self.rows]

    def load(self, journal: Journal) -> None:
        """Take what is finished from a journal, and where the others stand."""
        for row, trace in enumerate(self.traces):
            found = journal.row(self._number(trace), self.whole)
            if found is not None:
                self.rows[row], self.traces[row] = found, found.trace
        if self.rows:
            log.info("Finished before: %d of %s.", len(self.rows), self._counted(self.traces))
        self.bookmark = Bookmark.found(journal, self.traces, self.pending)
        if self.bookmark is not None:
            log.info("Going on where the last run stood: %s.", self._counted(self.bookmark.traces))
            for row, trace in zip(self.bookmark.own, self.bookmark.traces, strict=True):
                self.traces[row] = trace
        self.started -= max([0.0, *(s for trace in self.traces for s in trace.seconds[-1:])])

    def solve(self) -> None:
        """Solve the rows that aren't finished."""
        setup, together = self.task.setup, self.task.planned.together
        # One row has another's company, unless memory allows one at a time.
        everyone = range(len(self.traces) if together > 1 else 1)
        ahead = [] if self.bookmark is None else self.bookmark.own
        later = [row for row in self.pending if row not in ahead]
        chunks = [ahead] if ahead else []
        chunks += [later[i : i + together] for i in range(0, len(later), together)]
        self.batches = len(chunks)
        begun, batches = self.bookmark, []
        for own in chunks:
            rows = company(own, everyone) if begun is None else begun.rows
            problem = self.whole.rows(torch.tensor(rows, device=self.whole.y.device))
            with blaming(setup.selections["start"]):
                found, start = setup.start.make(problem), setup.start
                u0 = answer(start, "make", found, (len(rows), problem.size))
            batches.append((own, problem, u0.to(problem.y.device, problem.y.real.dtype), begun))
            begun = None
        done = 0
        for own, problem, u0, begun in batches:
            if self.cut is None:
                self._batch(own, problem, u0, begun, done)
            else:  # what follows is left at its start
                ledger = Ledger(problem, u0, setup.solver.descends)
                ledger.close("stopped", "never begun")
                self._take(ledger, own, range(len(own)), None)
            done += len(own)

    def _batch(
        self, own: list[int], problem: Problem, u0: Tensor, begun: Bookmark | None, done: int
    ) -> None:
        """Solve some rows together, ``done`` rows after others; from where they stood, if they
        were begun."""
        setup, journal = self.task.setup, self.task.journal
        solver, budget = setup.solver, setup.budget
        traces = [self.traces[row] for row in own]
        pairs = zip(problem.images, problem.restarts, strict=True)
        guests = [Trace(self.numbers.index(i), r) for i, r in list(pairs)[len(own) :]]
        if begun is None:
            ledger = Ledger(problem, u0, solver.descends, guests=len(guests))
        else:
            ledger = begun.ledger(solver, problem, u0, budget)
        ledger, self.cut = solve_batch(
            solver,
            problem,
            u0,
            budget,
            ledger=ledger,
            watch=partial(self._watch, traces, done),
            ended=lambda ledger, places: self._take(ledger, own, places, journal),
            mark=None if journal is None else Keeper(journal, solver, traces + guests),
        )
        left = [i for i, row in enumerate(own) if row not in self.rows]
        if left:
            self._take(ledger, own, left, None)
        elif journal is not None:
            journal.unmark()

    def _heard(self, seconds: float) -> None:
        """Say how long all may take where the first call of a denoiser took long: a step is several
        of them, and nothing is shown until its end."""
        if self.slow is not None:
            return
        setup, self.slow = self.task.setup, seconds > SLOW
        if not self.slow:
            return
        said = f"The first call of the denoiser took {spelt(seconds)}"
        if setup.solver.unit == CALLS:
            most = setup.budget * self.batches
            said += f", and there are at most {most:,} of them: {spelt(most * seconds)}"
        log.log(self.task.level, "%s.", said)

    def _watch(self, traces: list[Trace], done: int, now: Snapshot) -> None:
        """Note a step of a batch, in the trace of every row that was evaluated in it."""
        seconds = time.perf_counter() - self.started
        kept = (now.evaluations, now.objective, now.misfit, now.norm)
        numbers = zip(*(values.tolist() for values in kept), strict=True)
        for trace, (count, objective, misfit, norm) in zip(traces, numbers, strict=True):
            before = trace.evaluations[-1] if trace.evaluations else 0
            if count == before:  # not evaluated yet, or it has left the batch
                continue
            trace.evaluations.append(count)
            trace.objective.append(objective)
            trace.misfit.append(misfit)
            trace.norm.append(norm)
            trace.seconds.append(seconds)
        if self.task.progress is not None:
            self.task.progress(now, done)

    def _take(
        self, ledger: Ledger, own: list[int], places: Sequence[int], journal: Journal | None
    ) -> None:
        """The rows at some places of a batch, written where there is a journal."""
        traces, kind = [self.traces[own[place]] for place in places], self.task.setup.kind
        for place, row in zip(places, ended(ledger, places, traces, kind), strict=True):
            self.rows[own[place]] = row
            if journal is not None:
                journal.keep(self._number(row.trace), row)

    def _counted(self, traces: Sequence[Trace]) -> str:
        """How many they are, in words: images, or tries of images where one has several."""
        return counted(len(traces), "images" if self.task.setup.tries == 1 else "tries of images")

    def _number(self, trace: Trace) -> int:
        """The number of a row in its journal, whichever tries this run is of."""
        return trace.restart * len(self.task.y) + trace.image


def _blamed(trace: TracebackType | None, setup: Setup) -> Selection:
    """Whose code raised: the innermost frame that is a method of a component, or else lies in
    the package of one."""
    kinds = ("prior", "operator", "noise", "penalty")
    components = {kind: getattr(setup.problem, kind) for kind in kinds} | {"solver": setup.solver}
    packages = {kind: type(c).__module__.split(".")[0] for kind, c in components.items()}
    blamed = "solver"
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        package = str(frame.f_globals.get("__name__", "")).split(".")[0]
        owner = frame.f_locals.get("self")
        own = [kind for kind, component in components.items() if owner is component]
        near = [kind for kind, name in packages.items() if name == package != "priorkit"]
        blamed = own[0] if own else near[0] if len(near) == 1 else blamed
    return setup.selections[blamed]
