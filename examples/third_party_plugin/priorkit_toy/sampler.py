"""A solver whose answer is the mean of draws from the posterior."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Problem, Requires, Solver, State, shared


@dataclass(kw_only=True)
class Walk(State):
    next: Tensor  # where the walk goes on
    burn: int = shared()  # steps before the first draw; shared() is one for the batch
    number: int = shared(default=0)


class Walker(Solver[Walk]):
    """Unadjusted Langevin: down the objective, with noise of the size of the measurement's."""

    requires = Requires(smooth=True)
    descends = False  # the last u is no better than others: the answer is the mean of the draws

    def __init__(self, *, rate: Annotated[float, Field(gt=0, le=1)] = 0.2) -> None:
        self.rate = rate

    def check(self, problem: Problem) -> None:
        if not problem.noise.known:
            raise BadInputError("walker needs the noise level.", try_="sigma=0.01")

    def init(self, problem: Problem, u0: Tensor, budget: int) -> Walk:
        return Walk.begin(u0, next=u0.clone(), burn=budget // 2)

    def step(self, problem: Problem, state: Walk) -> Walk:
        state.u = state.next
        state.value, gradient, state.misfit = problem.value_grad(state.u)
        state.evaluations = state.evaluations + 1
        state.end(~torch.isfinite(state.value), "diverged", "the objective is not finite")
        state.drawn = torch.full_like(state.drawn, state.number >= state.burn)
        noise = problem.streams("walker", step=state.number).normal(problem.size).to(state.u)
        kick = problem.noise.std * self.rate**0.5 * noise
        state.next = state.u - self.rate / 4 * gradient + kick
        state.number += 1
        return state
