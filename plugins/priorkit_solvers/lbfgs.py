"""L-BFGS for a batch in which every image is its own problem.

Each image has its own history, its own line search and its own end; only the evaluation of
the objective is shared. An image that is done leaves the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import (
    Callback,
    Evaluation,
    Objective,
    Requires,
    Snapshot,
    Solution,
    Solver,
    Status,
)
from priorkit_solvers.history import History

__all__ = ["LBFGS"]

ARMIJO, WOLFE = 1e-4, 0.9  # Nocedal & Wright, section 3.1


class LBFGS(Solver):
    """Limited-memory BFGS with a weak Wolfe line search, per image.

    A trial point u + t·d is too long where the value isn't finite or exceeds
    f + 10⁻⁴·t·gᵀd, too short where the slope is below 0.9·gᵀd; t is bisected between the
    two, or doubled while nothing was too long. A non-finite value anywhere costs one trial.

    Parameters
    ----------
    history : pairs (s, y) kept per image
    tolerance : an image has converged when its objective fell by less than this fraction
        over the last ``patience`` iterations, when its misfit, where that is all there is, is
        below tolerance² of the first, or when no step along its gradient improves it
    patience : iterations over which the fall is measured
    discrepancy : an image has also converged when its misfit is below this fraction of
        E‖η‖², where the noise is known and γ = 0 (Morozov's principle); 0 turns it off

    References: Liu & Nocedal, "On the limited memory BFGS method", Math. Prog. 1989; Lewis &
    Overton, "Nonsmooth optimization via quasi-Newton methods", Math. Prog. 2013 (the search).
    """

    requires = Requires(smooth=True)

    def __init__(
        self,
        *,
        history: Annotated[int, Field(ge=1, le=100)] = 100,
        tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-4,
        patience: Annotated[int, Field(ge=1)] = 10,
        discrepancy: Annotated[float, Field(ge=0)] = 0.5,
    ) -> None:
        self.history, self.tolerance, self.patience = history, tolerance, patience
        self.discrepancy = discrepancy

    def solve(
        self,
        problem: Objective,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        return _Run(self, problem, u0, budget, callback).run()


@dataclass
class _Batch:
    """The images still running; every field has one row per image."""

    index: Tensor  # (b,) which images they are
    u: Tensor  # (b, n) last accepted point, with value, gradient and misfit
    f: Tensor
    g: Tensor
    misfit: Tensor
    d: Tensor  # (b, n) search direction and its slope gᵀd
    slope: Tensor
    t: Tensor  # (b,) trial step; it lies between low (too short) and high (too long)
    low: Tensor
    high: Tensor
    trials: Tensor  # (b,) evaluations in this line search
    fresh: Tensor  # (b,) whether d is the plain gradient
    first: Tensor  # (b,) value at the start
    past: Tensor  # (b, patience) values of the last iterations

    def keep(self, rows: Tensor) -> None:
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name)[rows])


class _Run:
    MAX_TRIALS = 25

    def __init__(
        self,
        options: LBFGS,
        problem: Objective,
        u0: Tensor,
        budget: int,
        callback: Callback | None,
    ) -> None:
        self.options, self.problem, self.budget, self.callback = options, problem, budget, callback
        first = problem.value_grad(u0)
        b = len(u0)
        self.u, self.f, self.misfit = u0.clone(), first.value.clone(), first.misfit.clone()
        self.evaluations = torch.ones(b, dtype=torch.long, device=u0.device)
        self.status: list[Status] = ["stopped"] * b
        scalar = torch.zeros_like(first.value)
        self.batch = _Batch(
            index=torch.arange(b, device=u0.device),
            u=u0.clone(),
            f=first.value,
            g=first.grad,
            misfit=first.misfit,
            d=torch.zeros_like(u0),
            slope=scalar.clone(),
            t=scalar.clone(),
            low=scalar.clone(),
            high=scalar.clone(),
            trials=torch.zeros_like(self.evaluations),
            fresh=torch.ones(b, dtype=torch.bool, device=u0.device),
            first=first.value.clone(),
            past=torch.full((b, options.patience), torch.inf).to(first.value),
        )
        self.pairs = History(b, u0.shape[1], options.history, u0)

    def run(self) -> Solution:
        batch = self.batch
        finite = torch.isfinite(batch.f) & torch.isfinite(batch.g).all(1)
        self._leave(~finite, "diverged")
        self._leave(self.batch.g.abs().amax(1) == 0, "converged")
        self._aim(torch.ones_like(self.batch.fresh))
        self._report()
        rounds = 1
        while len(self.batch.index) and rounds < self.budget:
            self._trial()
            rounds += 1
            self._report()
        self._store()
        return Solution(self.u, self.f, self.misfit, self.status, self.evaluations.tolist())

    def _trial(self) -> None:
        """One evaluation of every running image, and what follows from it."""
        batch = self.batch
        t = batch.t.to(batch.u.dtype)[:, None]
        point = batch.u + t * batch.d
        now = self.problem.value_grad(point, batch.index)
        self.evaluations[batch.index] += 1
        batch.trials += 1
        finite = torch.isfinite(now.value) & torch.isfinite(now.grad).all(1)
        slope = (now.grad.double() * batch.d.double()).sum(1)
        too_long = ~finite | (now.value > batch.f + ARMIJO * batch.t * batch.slope)
        too_short = ~too_long & (slope < WOLFE * batch.slope)
        exhausted = batch.trials >= self.MAX_TRIALS
        accept = ~too_long & (~too_short | exhausted)
        retreat = too_long & exhausted & (batch.low > 0)  # a good point, if not a perfect one
        failed = too_long & exhausted & ~retreat

        batch.high = torch.where(too_long, batch.t, batch.high)
        batch.low = torch.where(too_short, batch.t, batch.low)
        middle = torch.where(batch.high.isinf(), 2 * batch.t, 0.5 * (batch.low + batch.high))
        batch.t = torch.where(~finite, batch.low + 0.1 * (batch.t - batch.low), middle)
        done = failed & batch.fresh  # no step along the gradient itself improves
        if bool(failed.any()):
            self.pairs.forget(failed)
        batch.t = torch.where(retreat, batch.low, batch.t)
        if bool(accept.any()):
            done |= self._accept(accept, point, now)
        self._aim(accept | failed)
        lost = done & failed & ~finite
        self._leave(lost, "diverged")
        self._leave((done & ~lost)[~lost], "converged")

    def _accept(self, rows: Tensor, point: Tensor, now: Evaluation) -> Tensor:
        """Move the rows to their trial points; which of them have converged?"""
        batch, column = self.batch, rows[:, None]
        s = torch.where(column, point - batch.u, 0)
        y = torch.where(column, now.grad - batch.g, 0)
        batch.u = torch.where(column, point, batch.u)
        batch.g = torch.where(column, now.grad, batch.g)
        batch.f = torch.where(rows, now.value, batch.f)
        batch.misfit = torch.where(rows, now.misfit, batch.misfit)
        self.pairs.add(s, y, rows)
        oldest = batch.past[:, 0]
        fall = oldest - batch.f
        stalled = oldest.isfinite() & (fall <= self.options.tolerance * oldest.abs())
        shifted = torch.cat([batch.past[:, 1:], batch.f[:, None]], 1)
        batch.past = torch.where(column, shifted, batch.past)
        # A penalty can be negative, and then a small objective says nothing.
        small = (batch.f == batch.misfit) & (batch.f <= self.options.tolerance**2 * batch.first)
        fitted = batch.misfit < self.options.discrepancy * self.problem.noise_energy
        return rows & (stalled | small | fitted | (batch.g == 0).all(1))

    def _aim(self, rows: Tensor) -> None:
        """A new direction and line search for the rows."""
        batch = self.batch
        if not bool(rows.any()):
            return
        d = -self.pairs.apply(batch.g)
        slope = (d.double() * batch.g.double()).sum(1)
        bad = ~(slope < 0) | ~torch.isfinite(d).all(1)  # rounding has spoilt the history
        d = torch.where(bad[:, None], -batch.g, d)
        slope = torch.where(bad, -batch.g.double().square().sum(1), slope)
        self.pairs.forget(bad & rows)
        fresh = self.pairs.empty()
        first = torch.clamp(1 / batch.g.double().norm(dim=1), max=1.0)
        column = rows[:, None]
        batch.d = torch.where(column, d, batch.d)
        batch.slope = torch.where(rows, slope, batch.slope)
        batch.fresh = torch.where(rows, fresh, batch.fresh)
        batch.t = torch.where(rows, torch.where(fresh, first, torch.ones_like(first)), batch.t)
        batch.low = torch.where(rows, 0.0, batch.low)
        batch.high = torch.where(rows, torch.inf, batch.high)
        batch.trials = torch.where(rows, 0, batch.trials)

    def _leave(self, rows: Tensor, status: Status) -> None:
        """Take finished images out of the batch."""
        if not bool(rows.any()):
            return
        self._store()
        for i in self.batch.index[rows].tolist():
            self.status[i] = status
        self.batch.keep(~rows)
        self.pairs.keep(~rows)

    def _store(self) -> None:
        batch = self.batch
        self.u[batch.index], self.f[batch.index] = batch.u, batch.f
        self.misfit[batch.index] = batch.misfit

    def _report(self) -> None:
        if self.callback is not None:
            self._store()
            self.callback(
                Snapshot(
                    self.evaluations.clone(),
                    self.f.clone(),
                    self.misfit.clone(),
                    self.u.clone(),
                )
            )
