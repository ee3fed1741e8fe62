"""The one loop: everything of an iteration that isn't mathematics.

A solver gives ``init`` and ``step``. Budget, the best finite iterate, images that are done
leaving the batch, draws being averaged, and Ctrl-C are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from priorkit.errors import PluginError
from priorkit.interfaces import Problem, Snapshot, Solver, State, Status
from priorkit.interfaces.answers import answer, refusal
from priorkit.interfaces.draws import Average

__all__ = ["Ledger", "company", "iterate", "solve"]


def company(rows: Sequence[int], everyone: Sequence[int]) -> list[int]:
    """The rows, and where that is one of several, another one beside it.

    Libraries round a batch of one otherwise than a larger one, and a result mustn't depend on how
    many rows are still running, or were when a run was cut. So whatever is computed of one row of
    several is computed of two; nobody looks at what comes of the second.
    """
    others = (row for row in everyone if row not in rows)
    return [*rows, *([next(others)] if len(rows) == 1 and len(everyone) > 1 else [])]


def solve(
    solver: Solver[Any],
    problem: Problem,
    u0: Tensor,
    budget: int,
    *,
    ledger: Ledger | None = None,
    watch: Callable[[Snapshot], None] | None = None,
    ended: Callable[[Ledger, list[int]], None] | None = None,
    mark: Callable[[Ledger], None] | None = None,
) -> tuple[Ledger, BaseException | None]:
    """Run a solver to its end: what was found of each row, and what cut it short, Ctrl-C or what a
    component raised; None where nothing did.

    Parameters
    ----------
    problem : with its data, see :meth:`priorkit.interfaces.Problem.at`
    u0 : the first u, (B, n)
    budget : evaluations per image at most, in the solver's unit
    ledger : of a batch that has guests, or goes on from where it was cut; by default a new one
    watch : called after each step; what it raises, other than Ctrl-C, goes through
    ended : called with the rows that have come to their end, as they do
    mark : called after each step with all that is needed to go on from there
    """
    u0 = u0.to(problem.y.device, problem.y.real.dtype)
    ledger = ledger or Ledger(problem, u0, solver.descends)
    steps = iterate(solver, problem, u0, budget, ledger)
    told: set[int] = set()
    try:
        while (now := _next(steps)) is not None:
            if isinstance(now, BaseException):
                ledger.close("stopped", f"{type(now).__name__}: {now}"[:200])
                return ledger, now
            if watch is not None:
                watch(now.snapshot())
            rows = [i for i in range(ledger.count) if ledger.status[i] and i not in told]
            if ended is not None and rows:
                told.update(rows)
                ended(ledger, rows)
            if mark is not None:
                mark(ledger)
    except KeyboardInterrupt as stop:
        ledger.close("stopped", "interrupted")
        return ledger, stop
    return ledger, None


def _next(steps: Iterator[Ledger]) -> Ledger | BaseException | None:
    """The next step, what a component raised in it, or None after the last."""
    try:
        return next(steps, None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # even SystemExit: what was done is kept
        return error


def iterate(
    solver: Solver[Any], problem: Problem, u0: Tensor, budget: int, ledger: Ledger | None = None
) -> Iterator[Ledger]:
    """The steps of a solver, one by one; the ledger is up to date at each.

    A solver around another goes through its steps with this. Raises PluginError where a
    solver neither counts an evaluation nor ends an image in a step.
    """
    ledger = ledger or Ledger(problem, u0, solver.descends)
    state = ledger.state
    if state is None:
        state = _state(solver, "init", solver.init(problem, u0, budget), u0)
    before = (-1, 0)  # evaluations of all images, and how many run
    while True:
        state.end(state.evaluations >= budget, "stopped", "budget")
        ledger.take(state)
        running = [row for row, i in enumerate(ledger.which) if ledger.status[i] is None]
        now = (ledger.total, len(running))
        if now == before:
            raise PluginError(
                f"The solver {type(solver).__name__} took a step without counting an evaluation "
                "or ending an image.",
                try_="state.evaluations += 1, or state.end(…)",
            )
        keep = company(running, range(len(ledger.which)))  # the last keeps one that has ended
        if running and keep != list(range(len(ledger.which))):
            rows = torch.tensor(keep, device=u0.device)
            state, problem = state.rows(rows), problem.rows(rows)
            ledger.keep(keep, state)
        before = now
        if now[0]:
            yield ledger
        if not running:
            return
        like = u0[: len(ledger.which)]
        state = _state(solver, "step", solver.step(problem, state), like)


def _state(solver: Solver[Any], method: str, found: object, like: Tensor) -> State:
    """What a solver returned, a State whose u is as ``like`` (b, n). Raises PluginError where it
    isn't, naming the field."""
    if not isinstance(found, State):
        raise refusal(solver, f"{method} must return the state", found)
    b = len(like)
    answer(solver, f"{method}, as state.u,", found.u, like.shape)
    if found.u.dtype != like.dtype:
        promise = f"{method} must leave state.u in the precision of u0, {like.dtype}"
        raise refusal(solver, promise, found.u.dtype)
    for name in ("value", "misfit", "evaluations", "drawn", "expected"):
        answer(solver, f"{method}, as state.{name},", getattr(found, name), (b,))
    for item in fields(found):
        value = getattr(found, item.name)
        several = isinstance(value, (Tensor, list)) and not item.metadata.get("shared")
        if several and not (getattr(value, "ndim", 1) and len(value) == b):
            promise = f"{method}: state.{item.name} must have a row per image, or be shared()"
            raise refusal(solver, promise, value)
    return found


class Ledger:
    """What is kept of every image of a batch, whether it still runs or not: u (B, n), and (B,)
    value, misfit, expected error, evaluations, status with the reason, and what was drawn.

    ``guests`` of the last rows are there for the :func:`company` of the others, and nobody asks for
    them. ``state`` is that of the solver, None before its first, and ``which`` the images that are
    its rows. On a device everything is noted there, and what the loop decides by comes from there
    all at once, in one table.
    """

    def __init__(self, problem: Problem, u0: Tensor, descends: bool, *, guests: int = 0) -> None:
        self.problem, self.descends = problem, descends
        b = len(u0)
        self.count = b - guests
        self.u = u0.to(problem.y.device, problem.y.real.dtype, copy=True)
        self.value = self.u.new_full((b,), torch.inf, dtype=torch.float64)
        self.misfit = self.value.clone()
        self.expected = torch.full_like(self.value, torch.nan)
        self.evaluations = torch.zeros_like(self.value, dtype=torch.long)
        self._numbers = torch.zeros(4, b, dtype=torch.float64)  # of the last taken, see snapshot
        self.status: list[Status | None] = [None] * self.count
        self.status += ["stopped"] * guests
        self.reason = [""] * self.count + ["a guest"] * guests
        self.draws: Average | None = None
        self.state: State | None = None
        self._seat(list(range(b)))

    @property
    def total(self) -> int:
        """The evaluations of all images together."""
        return int(sum(self._numbers[0].tolist()))

    def keep(self, rows: Sequence[int], state: State) -> None:
        """From now on ``state`` has these rows of the one before alone."""
        self._seat([self.which[row] for row in rows])
        self.state = state

    def _seat(self, which: list[int]) -> None:
        self.which, where = which, self.u.device
        self._index = torch.tensor(which, dtype=torch.long, device=where)
        self._everyone = which == list(range(len(self.u)))
        self._look()

    def _look(self) -> None:
        """Which rows of the state still run: one that has ended may stay, as company."""
        runs = [self.status[i] is None for i in self.which]
        self._runs = torch.tensor(runs, device=self.u.device)

    def take(self, state: State) -> None:
        """Note a state whose rows are the images ``which``. One that has ended is as it was."""
        self.state, runs = state, self._runs
        finite = (state.u.abs().amax(1) < torch.inf) & runs
        if self.descends:
            better = finite & (state.value < self._of(self.value))
        else:  # a value that isn't a number says nothing against the iterate
            better = finite & (state.evaluations > 0)
        drawn = state.drawn & finite
        for name in ("u", "value", "misfit", "expected"):
            self._note(name, better, getattr(state, name))
        self._note("evaluations", runs, state.evaluations)
        numbers = [self._of(each) for each in (self.evaluations, self.value, self.misfit)]
        numbers.append(self._of(self.u).norm(dim=1))
        asked = torch.stack([*numbers, drawn, *state.ends.asked]).cpu()
        self._numbers = self._numbers.index_copy(1, torch.tensor(self.which), asked[:4])
        state.ends.read(asked[5:])
        ended = False
        for i, status, reason in zip(self.which, state.status, state.reason, strict=True):
            if status is not None and self.status[i] is None:
                self.status[i], self.reason[i] = status, reason
                ended = True
        if ended:
            self._look()
        if rows := [row for row, draws in enumerate(asked[4].tolist()) if draws]:
            self._average(rows, self._image(state.u))

    def _of(self, kept: Tensor) -> Tensor:
        """What is kept of the images that are rows of the state."""
        return kept if self._everyone else kept[self._index]

    def _note(self, name: str, which: Tensor, now: Tensor) -> None:
        """Keep what these rows have ``now``, in place of what is kept by that name."""
        kept = getattr(self, name)
        each = which if now.ndim == 1 else which[:, None]
        now = torch.where(each, now.to(kept.dtype), self._of(kept))
        setattr(self, name, now if self._everyone else kept.index_copy(0, self._index, now))

    def _average(self, rows: list[int], x: Tensor) -> None:
        """Add the images x of some rows to the draws."""
        if len(rows) < len(x):
            x = x[torch.tensor(rows, device=x.device)]
        self.draws = self.draws or Average(len(self.u), x)
        self.draws.add([self.which[row] for row in rows], x)

    def close(self, status: Status, reason: str) -> None:
        """Give every image that still runs this status."""
        for i, given in enumerate(self.status):
            if given is None:
                self.status[i], self.reason[i] = status, reason

    def snapshot(self) -> Snapshot:
        """The present, for whoever watches to keep."""
        count, u = self.count, self.u
        evaluations, value, misfit, norm = self._numbers[:, :count]
        draws = [0] * count if self.draws is None else self.draws.counts[:count]
        image = lambda: self._image(u)[:count]  # noqa: E731
        drawn = torch.tensor(draws)
        return Snapshot(evaluations.long(), value, misfit, u[:count], image, norm, drawn)

    def _image(self, u: Tensor) -> Tensor:
        with torch.no_grad():
            return self.problem.image(u)
