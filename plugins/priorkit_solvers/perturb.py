"""Draws from the posterior by solving perturbed problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Problem, Solver, State, shared
from priorkit.loop import Ledger, iterate
from priorkit_solvers.lbfgs import LBFGS
from priorkit_solvers.posterior import DRAWS_LATENTS, Posterior, check

__all__ = ["Perturb"]


@dataclass(kw_only=True)
class _Drawing(State):
    """The state of the solve for the next draw; one solve serves the whole batch."""

    spent: Tensor  # (b,) evaluations of earlier draws
    each: int = shared()  # evaluations that a draw may take
    number: int = shared(default=0)  # draws that are complete
    solve: Iterator[Ledger] | None = shared(default=None)


class Perturb(Solver[_Drawing]):
    """Perturb and solve: each draw is the solution for perturbed measurements and prior mean.

    With y = A G(z) + η, η ~ N(0, s²·1) and z ~ N(0, τ²·1), a draw is

        argmin over z of ‖A G(z) − y − η'‖² + (s/τ)²‖z − z'‖²,   η' ~ N(0, s²·1), z' ~ N(0, τ²·1),

    by L-BFGS from z'. Where A∘G is linear the draws are independent and follow the posterior
    exactly; elsewhere approximately, and they stay near z' in what the measurement doesn't
    determine. The answer is their mean, the estimate of the least squared error.

    Parameters
    ----------
    draws : how many; the budget is shared out among them
    temperature : τ, the standard deviation of the latent that draws are made with

    The penalty ‖z‖² and its weight follow from the posterior: none may be given.

    References: Papandreou & Yuille, "Gaussian sampling by local perturbations", NIPS 2010;
    Bardsley, Solonen, Haario & Laine, "Randomize-then-optimize: a method for sampling from
    posterior distributions in nonlinear inverse problems", SIAM J. Sci. Comput. 2014.
    """

    requires = DRAWS_LATENTS
    budget = 1600
    descends = False
    penalised = False

    def __init__(
        self,
        *,
        draws: Annotated[int, Field(ge=2)] = 16,
        temperature: Annotated[float, Field(gt=0)] = 0.7,
    ) -> None:
        self.draws, self.temperature = draws, temperature

    def least(self, problem: Problem) -> int:
        return self.draws

    def check(self, problem: Problem) -> None:
        check("perturb", problem)

    def memory(self, problem: Problem) -> tuple[int, int]:
        return LBFGS().memory(problem)

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Drawing:
        each = max(1, budget // self.draws)
        return _Drawing.begin(
            u0, spent=torch.zeros(len(u0), dtype=torch.long, device=u0.device), each=each
        )

    def keep(self, state: _Drawing) -> dict[str, Tensor] | None:
        """None during a solve: a run that is resumed repeats the draw that was cut off."""
        if state.solve is not None:
            return None
        return {"spent": state.spent, "number": torch.tensor(state.number)}

    def again(self, problem: Problem, u0: Tensor, budget: int, kept: dict[str, Tensor]) -> _Drawing:
        state = self.init(problem, u0, budget)
        state.spent, state.number = kept["spent"], int(kept["number"])
        return state

    def step(self, problem: Problem, state: _Drawing) -> _Drawing:
        if state.solve is None:
            state.spent = state.evaluations
            perturbed = Posterior.perturbed(problem, self.temperature, state.number)
            state.solve = iterate(LBFGS(), perturbed, perturbed.centre, state.each)
        now = next(state.solve)
        state.u, state.value, state.misfit = now.u.clone(), now.value.clone(), now.misfit.clone()
        state.evaluations = state.spent + now.evaluations
        done = all(now.status)
        failed = torch.tensor([status == "diverged" for status in now.status])
        state.drawn = (done & ~failed).to(state.drawn.device)
        if done:
            state.solve, state.number = None, state.number + 1
            if state.number == self.draws:
                everyone = torch.ones_like(state.drawn)
                state.end(everyone, "converged", f"{self.draws} draws")
        return state
