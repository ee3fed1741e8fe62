"""Adam, one independent run per image."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Callback, Objective, Requires, Snapshot, Solution, Solver, Status

__all__ = ["Adam"]


class Adam(Solver):
    """Adam with bias correction; every state is elementwise, so images are independent.

    An image whose objective or gradient stops being finite keeps its best iterate and is
    reported as diverged. The result is the best iterate seen, not the last.

    Parameters
    ----------
    rate : the learning rate

    Reference: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    requires = Requires(smooth=False)

    def __init__(self, *, rate: Annotated[float, Field(gt=0)] = 0.01) -> None:
        self.rate = rate

    def solve(
        self,
        problem: Objective,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        u = u0.clone()
        first, second = torch.zeros_like(u), torch.zeros_like(u)
        best = u.clone()
        value = torch.full((len(u),), torch.inf, dtype=torch.float64, device=u.device)
        misfit = value.clone()
        alive = torch.ones(len(u), dtype=torch.bool, device=u.device)
        count = torch.zeros(len(u), dtype=torch.long, device=u.device)
        for step in range(1, budget + 1):
            index = alive.nonzero()[:, 0]
            if not len(index):
                break
            now = problem.value_grad(u[index], index)
            count[index] += 1
            finite = torch.isfinite(now.value) & torch.isfinite(now.grad).all(1)
            better = finite & (now.value < value[index])
            rows = index[better]
            best[rows], value[rows], misfit[rows] = (
                u[rows],
                now.value[better],
                now.misfit[better],
            )
            alive[index[~finite]] = False
            rows, grad = index[finite], now.grad[finite]
            first[rows] = 0.9 * first[rows] + 0.1 * grad
            second[rows] = 0.999 * second[rows] + 0.001 * grad.square()
            scale = (second[rows] / (1 - 0.999**step)).sqrt() + 1e-8
            u[rows] = u[rows] - self.rate * first[rows] / (1 - 0.9**step) / scale
            if callback is not None:
                callback(Snapshot(count.clone(), value.clone(), misfit.clone(), best.clone()))
        status: list[Status] = ["stopped" if ok else "diverged" for ok in alive.tolist()]
        return Solution(best, value, misfit, status, count.tolist())
