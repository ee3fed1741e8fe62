"""L-BFGS for a batch in which every image is its own problem.

Each image has its own history, its own line search and its own end; only the evaluation of
the objective is shared. An image that is done leaves the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Evaluation, Problem, Requires, Solver, State, shared
from priorkit_solvers.history import History, dots

__all__ = ["LBFGS"]

ARMIJO, WOLFE = 1e-4, 0.9  # Nocedal & Wright, section 3.1
MAX_TRIALS = 25  # evaluations in one line search
ROUGH_PART = 0.8  # of the budget, at most, that is spent in mixed precision
ROUGH_FALL = 0.1  # mixed precision has done its part when the objective falls by less,
ROUGH_LEFT = 3e-3  # or to this fraction of the first: rounding is soon as large


@dataclass(kw_only=True)
class _Search(State):
    """A point accepted, u with value f, and a line search from it along d."""

    g: Tensor  # (b, n) gradient at u
    d: Tensor  # (b, n) search direction and its slope gᵀd
    slope: Tensor
    t: Tensor  # (b,) trial step; it lies between low (too short) and high (too long)
    low: Tensor
    high: Tensor
    trials: Tensor  # (b,) evaluations in this line search
    fresh: Tensor  # (b,) whether d is the plain gradient
    first: Tensor  # (b,) value at the start
    past: Tensor  # (b, patience) values of the last iterations
    pairs: History
    rough: Tensor  # (b,) whether it is still evaluated in mixed precision
    exact_from: float = shared()  # evaluations after which none is


class LBFGS(Solver[_Search]):
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

    Where the prior says in which scale s each entry of u is measured, the search is in u / s:
    of all that fits the measurement, it finds what is near in that scale.

    In mixed precision an image is evaluated roughly until it would have converged, its
    objective falls by less than 10% over ``patience`` iterations or to 0.3% of the first, a
    line search fails, or 80% of the budget is spent; then exactly, from the same point with the
    same pairs.

    References: Liu & Nocedal, "On the limited memory BFGS method", Math. Prog. 1989; Lewis &
    Overton, "Nonsmooth optimization via quasi-Newton methods", Math. Prog. 2013 (the search).
    """

    requires = Requires(smooth=True)
    mixes = True

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

    def memory(self, problem: Problem) -> tuple[int, int]:
        fixed, per_image = super().memory(problem)
        return fixed, per_image + 4 * 2 * self.history * problem.size

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Search:
        # The point that a rough search ends at is evaluated once more, exactly.
        rough = torch.full((len(u0),), problem.mixed and budget > 2, device=u0.device)
        first = problem.value_grad(u0, rough)
        b, zero = len(u0), torch.zeros_like(first.value)
        state = _Search.begin(
            u0,
            g=first.grad,
            d=torch.zeros_like(u0),
            slope=zero.clone(),
            t=zero.clone(),
            low=zero.clone(),
            high=zero.clone(),
            trials=torch.zeros(b, dtype=torch.long, device=u0.device),
            fresh=torch.ones(b, dtype=torch.bool, device=u0.device),
            first=first.value.clone(),
            past=torch.full((b, self.patience), torch.inf).to(first.value),
            pairs=History(self.history, _scaled(problem, first.grad)),
            rough=rough,
            exact_from=min(ROUGH_PART * budget, budget - 1),
        )
        state.value, state.misfit = first.value, first.misfit
        state.evaluations += 1
        finite = torch.isfinite(first.value) & torch.isfinite(first.grad).all(1)
        state.diverge(~finite, problem, u0)
        state.end(first.grad.abs().amax(1) == 0, "converged", "the gradient is zero")
        _aim(problem, state, torch.ones_like(finite))
        return state

    def step(self, problem: Problem, state: _Search) -> _Search:
        """One trial point of every line search, and what follows from it."""
        point = state.u + state.t.to(state.u.dtype)[:, None] * state.d
        again = state.t == 0  # the same point, now evaluated exactly
        now = problem.value_grad(point, state.rough)
        state.evaluations = state.evaluations + 1
        state.trials = state.trials + 1
        finite = torch.isfinite(now.value) & torch.isfinite(now.grad.sum(1))
        slope = dots(now.grad, state.d)
        worse = now.value > state.value + ARMIJO * state.t * state.slope
        too_long = ~finite | (worse & ~again)
        too_short = ~too_long & (slope < WOLFE * state.slope)
        exhausted = state.trials >= MAX_TRIALS
        accept = ~too_long & (~too_short | exhausted)
        retreat = too_long & exhausted & (state.low > 0)  # a good point, if not a perfect one
        failed = too_long & exhausted & ~retreat

        state.high = torch.where(too_long, state.t, state.high)
        state.low = torch.where(too_short, state.t, state.low)
        middle = torch.where(state.high.isinf(), 2 * state.t, 0.5 * (state.low + state.high))
        state.t = torch.where(~finite, state.low + 0.1 * (state.t - state.low), middle)
        state.t = torch.where(retreat, state.low, state.t)
        stuck = failed & state.fresh  # no step along the gradient itself improves
        sharper = failed & state.rough
        state.pairs.forget(failed & ~sharper)
        state.diverge(stuck & ~finite, problem, point)
        state.end(stuck & ~sharper, "converged", "no step along the gradient improves")
        if bool(accept.any()):
            sharper |= self._accept(problem, state, accept, point, now)
        sharper |= state.rough & (state.evaluations >= state.exact_from)
        state.anew = again & accept
        _aim(problem, state, accept | failed)
        _sharpen(state, sharper)
        return state

    def _accept(
        self, problem: Problem, state: _Search, rows: Tensor, point: Tensor, now: Evaluation
    ) -> Tensor:
        """Move the rows to their trial points, and end those that have converged.

        Returns which rows have converged in mixed precision, or soon will.
        """
        column = rows[:, None]
        step, scale = point - state.u, problem.scale
        step = step if scale is None else step / scale
        state.pairs.move(step, _scaled(problem, now.grad), rows)
        state.u = torch.where(column, point, state.u)
        state.g = torch.where(column, now.grad, state.g)
        state.value = torch.where(rows, now.value, state.value)
        state.misfit = torch.where(rows, now.misfit, state.misfit)
        oldest = state.past[:, 0]
        fall = oldest - state.value
        least = torch.where(state.rough, max(ROUGH_FALL, self.tolerance), self.tolerance)
        shifted = torch.cat([state.past[:, 1:], state.value[:, None]], 1)
        state.past = torch.where(column, shifted, state.past)
        # A penalty can be negative, and then a small objective says nothing.
        small = (state.value == state.misfit) & (state.value <= self.tolerance**2 * state.first)
        ends = {
            "noise level reached": state.misfit < self.discrepancy * problem.noise_energy,
            "the measurement is fitted": small,
            "the objective no longer falls": oldest.isfinite() & (fall <= least * oldest.abs()),
            "the gradient is zero": (state.g == 0).all(1),
        }
        sharper = torch.zeros_like(rows)
        for reason, which in ends.items():
            state.end(rows & which & ~state.rough, "converged", reason)
            sharper |= rows & which & state.rough
        return sharper | (rows & state.rough & (state.value < ROUGH_LEFT * state.first))


def _sharpen(state: _Search, rows: Tensor) -> None:
    """The rows are evaluated exactly from now on, first where they are."""
    if not bool(rows.any()):
        return
    state.rough = state.rough & ~rows
    state.past = torch.where(rows[:, None], torch.inf, state.past)
    state.d = torch.where(rows[:, None], 0, state.d)
    for name in ("t", "slope", "low", "trials"):
        setattr(state, name, torch.where(rows, 0, getattr(state, name)))


def _scaled(problem: Problem, u: Tensor) -> Tensor:
    """s·u, which takes a gradient to that in u / s, and a step in u / s to one in u."""
    return u if problem.scale is None else problem.scale * u


def _aim(problem: Problem, state: _Search, rows: Tensor) -> None:
    """A new direction and line search for the rows."""
    if not bool(rows.any()):
        return
    steepest = -_scaled(problem, _scaled(problem, state.g))
    d = -_scaled(problem, state.pairs.directions())
    slope = dots(d, state.g)
    bad = ~(slope < 0) | ~torch.isfinite(d.sum(1))  # rounding has spoilt the history
    d = torch.where(bad[:, None], steepest, d)
    slope = torch.where(bad, dots(steepest, state.g), slope)
    state.pairs.forget(bad & rows)
    fresh = state.pairs.empty()
    first = torch.clamp(1 / (-dots(steepest, state.g)).sqrt(), max=1.0)
    state.d = torch.where(rows[:, None], d, state.d)
    state.slope = torch.where(rows, slope, state.slope)
    state.fresh = torch.where(rows, fresh, state.fresh)
    state.t = torch.where(rows, torch.where(fresh, first, torch.ones_like(first)), state.t)
    state.low = torch.where(rows, 0.0, state.low)
    state.high = torch.where(rows, torch.inf, state.high)
    state.trials = torch.where(rows, 0, state.trials)
