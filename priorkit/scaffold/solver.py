"""argmin: how the best u is found."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Problem, Requires, Solver, State


@dataclass(kw_only=True)
class Point(State):
    """The state of the solver: a field for everything that a step leaves for the next."""

    next: Tensor  # where the next evaluation will be


class Example(Solver[Point]):
    """Gradient descent with a fixed step.

    Parameters
    ----------
    rate : length of a step, in units of the gradient
    """

    requires = Requires(smooth=True)

    def __init__(self, *, rate: Annotated[float, Field(gt=0)] = 0.3) -> None:
        self.rate = rate

    def init(self, problem: Problem, u0: Tensor, budget: int) -> Point:
        return Point.begin(u0, next=u0.clone())

    def step(self, problem: Problem, state: Point) -> Point:
        state.u = state.next
        state.value, gradient, state.misfit = problem.value_grad(state.u)
        state.evaluations = state.evaluations + 1
        state.end(~torch.isfinite(state.value), "diverged", "the objective is not finite")
        state.next = state.u - self.rate * gradient
        return state
