"""All rows of a run: tries tile the images, chunks go through the loop, rows are kept as they
end, and the best of each image's tries, or their mean, is what came back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from types import TracebackType

import torch
from torch import Tensor

from priorkit.engine import record
from priorkit.engine.bookmark import Bookmark, Keeper
from priorkit.engine.components import blaming
from priorkit.engine.given import GivenStart
from priorkit.engine.journal import Journal
from priorkit.engine.loop import solve as run
from priorkit.engine.memory import Plan
from priorkit.engine.parts import Part, apart, averaged, joined, lower
from priorkit.engine.result import Attempt, Recovery, RunError, Trace, peak, score
from priorkit.engine.setup import Setup
from priorkit.errors import PriorkitError
from priorkit.interfaces import Problem, Snapshot, Solution
from priorkit.io.pictures import dimensions

__all__ = ["Progress", "solve"]

Progress = Callable[[Snapshot, int], None]
log = logging.getLogger("priorkit")


def solve(
    setup: Setup,
    y: Tensor,
    truth: Tensor | None,
    names: list[str],
    progress: Progress | None,
    planned: Plan,
    journal: Journal | None = None,
    *,
    level: int = logging.INFO,
) -> Recovery:
    """Recover from y (B, *y_shape): all tries of all images in one batch, cut into chunks.

    What is planned is logged at ``level``.

    Rows that a ``journal`` holds aren't solved again, and those that end are written to it.
    Raises RunError where a component failed meanwhile; what was done is its ``recovery``.
    """
    started = time.perf_counter()
    b = len(y)
    images = torch.arange(b, device=y.device).repeat(setup.tries)
    restarts = [row // b for row in range(len(images))]
    tiled = None if truth is None else truth[images]
    if isinstance(setup.start, GivenStart):
        setup.start.require(b, setup.problem.shape)
    alone = min(planned.together, len(images)) == 1
    whole = setup.problem.at(y[images], tiled, images.tolist(), restarts, alone=alone)
    rows = _Rows(whole, [Trace(i, r) for i, r in zip(images.tolist(), restarts, strict=True)])
    if journal is not None:
        started -= rows.load(journal)
    if rows.pending:
        log.log(level, "Solving %s, each %s.", planned, dimensions(setup.problem.shape))
    cut = _solve(setup, whole, rows, progress, planned, journal, started)
    recovery = _recovery(setup, y, truth, names, rows, cut, time.perf_counter() - started)
    if cut is not None and not isinstance(cut, KeyboardInterrupt):
        raise _failure(cut, setup, recovery) from cut
    return recovery


@dataclass
class _Rows:
    """What is known of each row so far."""

    problem: Problem
    traces: list[Trace]
    parts: dict[int, Part] = field(default_factory=dict)
    bookmark: Bookmark | None = None

    def load(self, journal: Journal) -> float:
        """Take what is finished from a journal; the seconds that it took, at least."""
        for row in range(len(self.traces)):
            found = journal.row(row, self.problem)
            if found is not None:
                self.parts[row], self.traces[row] = found
        if self.parts:
            log.info("%d of %d rows were finished before.", len(self.parts), len(self.traces))
        self.bookmark = Bookmark.found(journal, self.pending)
        if self.bookmark is not None:
            log.info("%d rows go on from where they stood.", len(self.bookmark.rows))
            for row, trace in zip(self.bookmark.rows, self.bookmark.traces, strict=True):
                self.traces[row] = trace
        return max([0.0, *(s for trace in self.traces for s in trace.seconds[-1:])])

    @property
    def pending(self) -> list[int]:
        """The rows that aren't finished."""
        return [row for row in range(len(self.traces)) if row not in self.parts]

    def take(self, rows: list[int], solution: Solution, journal: Journal | None = None) -> None:
        """The solution of some rows, written where there is a journal."""
        index = torch.tensor(rows, device=self.problem.y.device)
        pair = self.problem.paired(torch.arange(len(rows)))
        whole = Part.of(self.problem.rows(index[pair]), solution.rows(pair.tolist()))
        for i, row in enumerate(rows):
            self.parts[row] = whole.rows([i])
            if journal is not None:
                journal.keep(row, self.parts[row], self.traces[row])


def _solve(
    setup: Setup,
    whole: Problem,
    rows: _Rows,
    progress: Progress | None,
    planned: Plan,
    journal: Journal | None,
    started: float,
) -> BaseException | None:
    """Solve the rows that aren't finished; what cut it short, or None."""
    pending = rows.pending
    if not pending:
        return None
    place = rows.bookmark
    ahead = [] if place is None else place.rows
    pending = [*ahead, *(row for row in pending if row not in ahead)]
    index = torch.tensor(pending, device=whole.y.device)
    both = (index[: len(ahead)], *index[len(ahead) :].split(planned.together))
    chunks = [chunk for chunk in both if len(chunk)]
    with blaming(f"start {setup.selections['start'].name!r}"):
        u0 = torch.cat(
            [setup.start.make(whole.rows(whole.paired(own)))[: len(own)] for own in chunks]
        )
    if whole.averaged:
        u0 = apart(whole.rows(index), u0)
    cut: BaseException | None = None
    first = 0  # rows of the chunks before
    for chunk, begin in zip(chunks, u0.split([len(chunk) for chunk in chunks]), strict=True):
        own = chunk.tolist()
        if cut is not None:  # what follows is left at its start
            unsolved = Part.unsolved(whole.rows(chunk), begin)
            rows.parts |= {row: unsolved.rows([i]) for i, row in enumerate(own)}
            continue
        watch = _Watch([rows.traces[row] for row in own], first, started, progress)

        def ended(which: list[int], solution: Solution, own: list[int] = own) -> None:
            rows.take([own[i] for i in which], solution, journal)

        problem, solver = whole.rows(chunk), setup.solver
        mark = None if journal is None else Keeper(journal, solver, own, watch.traces)
        begun = place.begin(solver, problem, begin, setup.budget) if place and not first else None
        found, cut = run(
            solver, problem, begin, setup.budget, watch=watch, ended=ended, mark=mark, begun=begun
        )
        left = [i for i, row in enumerate(own) if row not in rows.parts]
        if left:
            rows.take([own[i] for i in left], found.rows(left))
        elif journal is not None:
            journal.unmark()
        first += len(own)
    return cut


def _recovery(
    setup: Setup,
    y: Tensor,
    truth: Tensor | None,
    names: list[str],
    rows: _Rows,
    cut: BaseException | None,
    seconds: float,
) -> Recovery:
    """Per image the restart of the lowest objective, or the mean of all, scored."""
    b = len(y)
    lanes = joined([rows.parts[row] for row in range(len(rows.traces))])
    tries = [lanes.rows(list(range(r * b, (r + 1) * b))) for r in range(setup.tries)]
    if cut is not None:  # a restart that never began says nothing
        tries = [p for i, p in enumerate(tries) if not i or any(p.solution.evaluations)]
    best = averaged(setup.problem.at(y), tries) if setup.averaging > 1 else reduce(lower, tries)
    found = best.solution
    recovery = Recovery(
        x=best.x,
        z=found.u if setup.problem.space == "latent" and setup.averaging == 1 else None,
        y=y,
        operator=setup.problem.operator,
        status=found.status,
        reason=found.reason,
        names=names,
        truth=truth,
        scores=score(best.x, truth),
        evaluations=found.evaluations,
        objective=found.value,
        misfit=found.misfit,
        outside=best.outside.tolist(),
        expected_error=None if bool(found.expected.isnan().all()) else found.expected,
        seconds=seconds,
        trace=rows.traces,
        attempts=[Attempt(p.solution.value, p.solution.misfit, peak(p.x, truth)) for p in tries],
        start=setup.start.value if isinstance(setup.start, GivenStart) else None,
        record={},
        draws=found.draws,
        interrupted=cut is not None,
    )
    recovery.record = record.make(setup, recovery)
    return recovery


def _failure(error: BaseException, setup: Setup, recovery: Recovery) -> RunError:
    """The error of a run that a component ended, naming it."""
    if isinstance(error, PriorkitError):
        return RunError(str(error), recovery=recovery)
    kind, name = _blamed(error.__traceback__, setup)
    return RunError(
        f"The {kind} {name!r} failed, and ended the run: {type(error).__name__}: {error}",
        recovery=recovery,
    )


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
