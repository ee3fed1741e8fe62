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
from priorkit.linear import dots, some
from priorkit_solvers.deflation import Deflation
from priorkit_solvers.history import History

__all__ = ["LBFGS", "Search"]

ARMIJO, WOLFE = 1e-4, 0.9  # Nocedal & Wright, section 3.1
MAX_TRIALS = 25  # evaluations in one line search
FAR = 1e5  # times a first step's guess within which a line search finds its length


@dataclass(kw_only=True)
class Search(State):
    """A point accepted, u with merit f, and a line search from it along d."""

    merit: Tensor  # (b,) what is minimised: the value, or the residual in the weights of ``weigh``
    weigh: Deflation | None = shared()
    g: Tensor  # (b, n) gradient at u
    d: Tensor  # (b, n) search direction and its slope gᵀd
    slope: Tensor
    t: Tensor  # (b,) trial step; it lies between low (too short) and high (too long)
    low: Tensor
    high: Tensor
    trials: Tensor  # (b,) evaluations in this line search
    first: Tensor  # (b,) value at the start
    past: Tensor  # (b, patience) values of the last iterations
    pairs: History


class LBFGS(Solver[Search]):
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
    deflate : where latents are fitted to random measurements and γ = 0, search for the least rᵀP r
        of the residual instead of rᵀr, which takes half as many evaluations, see
        :class:`.Deflation`; where y can be fitted, both have the same solutions

    Where the prior says in which scale s each entry of u is measured, the search is in u / s:
    of all that fits the measurement, it finds what is near in that scale.

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
        deflate: bool = True,
    ) -> None:
        self.history, self.tolerance, self.patience = history, tolerance, patience
        self.discrepancy, self.deflate = discrepancy, deflate

    def memory(self, problem: Problem) -> tuple[int, int]:
        """The pairs and one more, and what is between pairs, in float64, with what a step makes of
        it."""
        fixed, per_image = super().memory(problem)
        pairs = 4 * 2 * (self.history + 1) * problem.size
        return fixed, per_image + pairs + 8 * 8 * self.history**2

    def init(self, problem: Problem, u0: Tensor, budget: int) -> Search:
        weigh = Deflation.of(problem) if self.deflate else None
        first = problem.value_grad(u0, weigh=weigh)
        b, zero = len(u0), torch.zeros_like(first.value)
        state = Search.begin(
            u0,
            merit=first.value,
            weigh=weigh,
            g=first.grad,
            d=torch.zeros_like(u0),
            slope=zero.clone(),
            t=zero.clone(),
            low=zero.clone(),
            high=zero.clone(),
            trials=torch.zeros(b, dtype=torch.long, device=u0.device),
            first=first.value.clone(),
            past=torch.full((b, self.patience), torch.inf).to(first.value),
            pairs=History(min(self.history, budget), _scaled(problem, first.grad)),
        )
        state.misfit = first.misfit
        state.value = _reported(state)
        state.evaluations += 1
        finite = torch.isfinite(first.value) & torch.isfinite(first.grad).all(1)
        state.diverge(~finite, problem, u0)
        state.end(first.grad.abs().amax(1) == 0, "converged", "the gradient is zero")
        _aim(problem, state, torch.ones_like(finite), torch.zeros_like(finite))
        state.t = _first(state)
        return state

    def step(self, problem: Problem, state: Search) -> Search:
        """One trial point of every line search, and what follows from it."""
        point = state.u + state.t.to(state.u.dtype)[:, None] * state.d
        now = problem.value_grad(point, weigh=state.weigh)
        state.evaluations = state.evaluations + 1
        state.trials = state.trials + 1
        slope = dots(now.grad, state.d)
        finite = (now.value + slope).abs() < torch.inf
        short_enough = finite & (now.value <= state.merit + ARMIJO * state.t * state.slope)
        too_long = ~short_enough
        too_short = short_enough & (slope < WOLFE * state.slope)
        exhausted = state.trials >= MAX_TRIALS
        accept = short_enough & (~too_short | exhausted)
        lost = too_long & exhausted
        retreat = lost & (state.low > 0)  # a good point, if not a perfect one
        failed = lost ^ retreat

        state.high = torch.where(too_long, state.t, state.high)
        state.low = torch.where(too_short, state.t, state.low)
        middle = torch.where(state.high == torch.inf, 2 * state.t, 0.5 * (state.low + state.high))
        state.t = torch.where(finite, middle, state.low + 0.1 * (state.t - state.low))
        state.t = torch.where(retreat, state.low, state.t)
        stuck = failed & state.pairs.empty()  # no step along the gradient itself improves
        if some(failed):
            state.diverge(stuck & ~finite, problem, point)
            state.end(stuck, "converged", "no step along the gradient improves")
        if some(accept):
            self._accept(problem, state, accept, point, now)
        again = accept | failed
        if some(again):
            _aim(problem, state, again, failed)
        return state

    def _accept(
        self, problem: Problem, state: Search, rows: Tensor, point: Tensor, now: Evaluation
    ) -> None:
        """Move the rows to their trial points, and end those that have converged."""
        column, step = rows[:, None], point - state.u
        step = step if problem.scale is None else step / problem.scale
        state.pairs.move(step, _scaled(problem, now.grad), rows)
        state.u = torch.where(column, point, state.u)
        state.g = torch.where(column, now.grad, state.g)
        state.merit = torch.where(rows, now.value, state.merit)
        state.misfit = torch.where(rows, now.misfit, state.misfit)
        state.value = _reported(state)
        oldest = state.past[:, 0]
        fall = oldest - state.merit
        shifted = torch.cat([state.past, state.merit[:, None]], 1)[:, 1:]
        state.past = torch.where(column, shifted, state.past)
        small = state.merit <= self.tolerance**2 * state.first
        if problem.gamma:  # a penalty can be negative, and then a small objective says nothing
            small = small & (state.value == state.misfit)
        ends = {
            "noise level reached": state.misfit < self.discrepancy * problem.enough(state.u),
            "the measurement is fitted": small,
            "the objective no longer falls": (oldest < torch.inf)
            & (fall <= self.tolerance * oldest.abs()),
            "the gradient is zero": (state.g == 0).all(1),
        }
        for reason, which in ends.items():
            state.end(rows & which, "converged", reason)


def _reported(state: Search) -> Tensor:
    """The value of the objective, which the merit isn't where residuals are weighed."""
    return state.merit if state.weigh is None else state.misfit


def _scaled(problem: Problem, u: Tensor) -> Tensor:
    """s·u, which takes a gradient to that in u / s, and a step in u / s to one in u."""
    return u if problem.scale is None else problem.scale * u


def _aim(problem: Problem, state: Search, rows: Tensor, failed: Tensor) -> None:
    """A new direction and line search for the rows; of those whose search has ``failed``, along
    the gradient, as of those whose history rounding has spoilt."""
    steepest = -_scaled(problem, _scaled(problem, state.g))
    d = -_scaled(problem, state.pairs.directions(rows))
    slope = dots(d, wide := state.g.double())
    plain = ~((slope < 0) & (slope > -torch.inf)) | failed
    d = torch.where(plain[:, None], steepest, d)
    along = dots(steepest, wide)
    slope = torch.where(plain, along, slope)
    lost = plain & rows
    if some(lost):
        state.pairs.forget(lost)
    t = torch.where(state.pairs.empty(), (-along).rsqrt().clamp(max=1.0), 1.0)
    state.d = torch.where(rows[:, None], d, state.d)
    state.slope = torch.where(rows, slope, state.slope)
    state.t = torch.where(rows, t, state.t)
    state.low = state.low.masked_fill(rows, 0.0)
    state.high = state.high.masked_fill(rows, torch.inf)
    state.trials = state.trials.masked_fill(rows, 0)


def _first(state: Search) -> Tensor:
    """The trial of the first search: of length 1, the scale of latents and pixels, as every one
    along the gradient, but not far from ℓ/‖∇‖².

    For linear measurements without noise that is at most half of the way to a solution, in
    whatever units A, y and u are.

    Reference: Polyak, "Minimization of unsmooth functionals", USSR Comput. Math. 1969 (the step).
    """
    misfit = state.misfit if state.weigh is None else state.merit
    way = misfit / -state.slope
    return torch.where(misfit > 0, state.t.clamp(way / FAR, way * FAR), state.t)
