"""Adam, one independent run per image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Problem, Requires, Solver, State
from priorkit.linear import energy, some

__all__ = ["Adam"]

EPSILON = 1e-8


@dataclass(kw_only=True)
class _Moments(State):
    """The next evaluation is at ``point``; the last one was at u."""

    point: Tensor
    first: Tensor
    second: Tensor
    least: Tensor  # (b, 1) ε, added to the root of the second moment


class Adam(Solver[_Moments]):
    """Adam with bias correction; every state is elementwise, so images are independent.

    An image whose objective or gradient stops being finite keeps its best iterate and is
    reported as diverged. The result is the best iterate seen, not the last. Adam's ε is 10⁻⁸ of
    the root mean square of the first gradient, so that steps are the same in whatever units y is.

    Parameters
    ----------
    rate : the learning rate

    Reference: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    requires = Requires(smooth=False)

    def __init__(self, *, rate: Annotated[float, Field(gt=0)] = 0.01) -> None:
        self.rate = rate

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Moments:
        zero = torch.zeros_like(u0)
        return _Moments.begin(
            u0, point=u0.clone(), first=zero, second=zero.clone(), least=zero[:, :1].clone()
        )

    def step(self, problem: Problem, state: _Moments) -> _Moments:
        state.u = state.point
        state.value, grad, state.misfit = problem.value_grad(state.u)
        state.evaluations = state.evaluations + 1
        k = state.evaluations[:, None].to(grad.dtype)
        finite = torch.isfinite(state.value) & torch.isfinite(grad).all(1)
        state.diverge(~finite, problem, state.u)
        begins = state.evaluations[:, None] == 1
        if some(begins):
            size = (energy(grad) / grad.shape[1]).sqrt()[:, None].to(grad.dtype)
            state.least = torch.where(begins, EPSILON * size, state.least)
        state.first = 0.9 * state.first + 0.1 * grad
        state.second = 0.999 * state.second + 0.001 * grad.square()
        scale = (state.second / (1 - 0.999**k)).sqrt() + state.least
        state.point = state.u - self.rate * state.first / (1 - 0.9**k) / scale
        return state
