"""Draws from the posterior by a Markov chain: preconditioned Langevin steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Problem, Solver, State, shared
from priorkit.linear import dots
from priorkit_solvers.curvature import Curvature
from priorkit_solvers.lbfgs import LBFGS, Search
from priorkit_solvers.posterior import DRAWS_LATENTS, Posterior, check

__all__ = ["Langevin"]

ACCEPTANCE = 0.574  # the best for Langevin steps in many dimensions, Roberts & Rosenthal 1998
DRAWN = 64  # states of the chain that are taken as draws, evenly spaced
# Parts of the budget: FIND for the first state, then in each of ROUNDS rounds MEASURE for the
# curvature and ANNEAL for lowering the noise level. There are two rounds because the curvature
# at the first state isn't yet typical of the posterior.
FIND, MEASURE, ANNEAL, ROUNDS = 0.1, 0.1, 0.15, 2


@dataclass(kw_only=True)
class _Chain(State):
    """The present state of each chain, and what the next step needs."""

    g: Tensor  # (b, n) gradient of the misfit at u
    log_step: Tensor  # (b,) of ε
    hot: Tensor  # (b,) noise variance per entry at which the annealing begins
    search: Search | None = None  # of L-BFGS, for the first state
    curvature: Curvature | None = None
    rounds: int = shared(default=0)  # how often the curvature was measured
    taken: int = shared(default=0)  # evaluations, the same for all
    began: int = shared(default=0)  # evaluations before the present chain began
    budget: int = shared()


class Langevin(Solver[_Chain]):
    """Annealed, preconditioned Langevin steps with a Metropolis test (MALA), per image.

    The target is p(z | y) ∝ exp(−‖A G(z) − y‖²/(2s²) − ‖z‖²/(2τ²)), U its negative logarithm.
    The first state is a draw by perturb-and-solve, and H the covariance of the normal distribution
    that has the curvature of U there; H is measured again after a first annealing. A step is

        z' = z − ε H ∇U(z) + √(2ε) h,   h ~ N(0, H),

    accepted with the probability of Metropolis and Hastings, so that in the long run the states
    follow the posterior exactly. During annealing s² falls from the mean squared residual of the
    first state to the variance of the noise, and ε is adapted. Then both are fixed, and 64 states,
    evenly spaced over the last two fifths of the budget, are the draws. Their mean is the answer.

    Parameters
    ----------
    temperature : τ, the standard deviation of the latent
    vectors : number of directions in which H differs from τ²·1; each takes one evaluation and the
        memory of one latent; at most a tenth of the budget

    Where the measurement determines more directions than that, or the curvature varies, ε is small
    and the draws spread too little: compare with ``perturb``.
    The penalty ‖z‖² and its weight follow from the target: none may be given.

    References: Jalal et al., "Robust compressed sensing MRI with deep generative priors",
    NeurIPS 2021 (annealing in the noise); Roberts & Rosenthal, "Optimal scaling of discrete
    approximations to Langevin diffusions", JRSS B 1998.
    """

    requires = DRAWS_LATENTS
    budget = 2000
    descends = False
    penalised = False
    draws = DRAWN

    def __init__(
        self,
        *,
        temperature: Annotated[float, Field(gt=0)] = 0.7,
        vectors: Annotated[int, Field(ge=1, le=2000)] = 400,
    ) -> None:
        self.temperature, self.vectors = temperature, vectors

    def check(self, problem: Problem) -> None:
        check("langevin", problem)

    def memory(self, problem: Problem) -> tuple[int, int]:
        fixed, per_image = LBFGS().memory(problem)
        return fixed, per_image + 4 * self.vectors * problem.size

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Chain:
        zero = torch.zeros(len(u0), dtype=torch.float64, device=u0.device)
        return _Chain.begin(
            u0, g=torch.zeros_like(u0), log_step=zero, hot=zero.clone(), budget=budget
        )

    def keep(self, state: _Chain) -> dict[str, Tensor] | None:
        """None before the chain begins: a run that is resumed repeats that part."""
        if state.curvature is None or not state.curvature.complete:
            return None
        counts = torch.tensor([state.rounds, state.taken, state.began])
        kept = {name: getattr(state, name) for name in ("g", "log_step", "hot")}
        parts = zip(("rounds", "taken", "began"), counts, strict=True)
        return kept | dict(parts) | state.curvature.kept()

    def again(self, problem: Problem, u0: Tensor, budget: int, kept: dict[str, Tensor]) -> _Chain:
        state = self.init(problem, u0, budget)
        state.g, state.log_step, state.hot = kept["g"], kept["log_step"], kept["hot"]
        state.rounds, state.taken, state.began = (
            int(kept[name]) for name in ("rounds", "taken", "began")
        )
        state.curvature = Curvature.again(kept, self.temperature)
        return state

    def step(self, problem: Problem, state: _Chain) -> _Chain:
        """One evaluation: of the search for the first state, of the curvature, or of the chain."""
        state.evaluations = state.evaluations + 1
        state.taken += 1
        if state.curvature is None:
            # By number, not by convergence, so that an image doesn't depend on its batch.
            found = state.taken > max(1, FIND * state.budget)
            return self._arrive(problem, state) if found else self._find(problem, state)
        if not state.curvature.complete:
            return self._measure(problem, state)
        return self._move(problem, state)

    def _find(self, problem: Problem, state: _Chain) -> _Chain:
        """One step of L-BFGS towards the first state."""
        target, solver = Posterior.perturbed(problem, self.temperature, 0), LBFGS()
        if state.search is None:
            state.search = solver.init(target, target.centre, state.budget)
        else:
            state.search = solver.step(target, state.search)
        found = state.search
        state.u, state.value, state.misfit = found.u, found.value, found.misfit
        state.diverge(~found.value.isfinite(), problem, found.u)
        return state

    def _arrive(self, problem: Problem, state: _Chain) -> _Chain:
        """Begin the chain at the point found, evaluated for y itself, not for the perturbed y."""
        state.search = None
        value, state.g, state.misfit = problem.smooth(state.u)
        state.value = self._value(problem, state.u, state.misfit)
        state.diverge(~value.isfinite() | ~state.g.isfinite().all(1), problem, state.u)
        state.hot = state.misfit / (problem.operator.entries * problem.parts)
        self._begin_measuring(problem, state)
        return state

    def _begin_measuring(self, problem: Problem, state: _Chain) -> None:
        """Begin to measure the curvature at the present state."""
        most = min(self.vectors, max(1, int(MEASURE * state.budget)))
        state.curvature = Curvature(problem, state.u, state.g, most)
        state.rounds += 1

    def _measure(self, problem: Problem, state: _Chain) -> _Chain:
        """One more vector of the curvature; after the last one the chain begins or goes on."""
        curvature = state.curvature
        assert curvature is not None
        state.drawn = torch.zeros_like(state.drawn)
        curvature.extend(problem)
        if curvature.complete:
            curvature.close(self.temperature)
            state.began = state.taken
            state.hot = state.hot.clamp_min(problem.variance)
            state.log_step = torch.full_like(state.log_step, -math.log(problem.size) / 3)
        return state

    def _move(self, problem: Problem, state: _Chain) -> _Chain:
        """Propose a state, and accept or reject it."""
        H, epsilon = state.curvature, state.log_step.exp()
        assert H is not None
        annealed = state.began + int(ANNEAL * state.budget)
        progress = min(1.0, (state.taken - state.began) / max(1, annealed - state.began))
        variance = state.hot * (problem.variance / state.hot) ** progress
        normals = problem.streams("langevin", state.taken).normal(problem.size).to(state.u)
        here, h = self._gradient(state.u, state.g, variance), H.spread(normals)
        drift, jump = epsilon[:, None] * H.times(here), (2 * epsilon).sqrt()[:, None] * h
        point = (state.u - drift + jump).to(state.u)
        _, g, misfit = problem.smooth(point)
        both = here + self._gradient(point, g, variance)
        fall = self._energy(state.u, state.misfit, variance) - self._energy(point, misfit, variance)
        # log q(z | z') − log q(z' | z), in which H⁻¹ cancels.
        back = (epsilon / 2).sqrt() * dots(h, both) - epsilon / 4 * dots(both, H.times(both))
        chance = (fall + back).nan_to_num(-torch.inf, -torch.inf, -torch.inf).clamp_max(0).exp()
        lot = problem.streams("langevin accept", state.taken).uniform(1)[:, 0].to(chance)
        accept = lot < chance
        state.u = torch.where(accept[:, None], point, state.u)
        state.g = torch.where(accept[:, None], g, state.g)
        state.misfit = torch.where(accept, misfit, state.misfit)
        state.value = self._value(problem, state.u, state.misfit)
        if progress < 1:
            gain = (1 + (state.taken - state.began) / 10) ** -0.5
            state.log_step = (state.log_step + gain * (chance - ACCEPTANCE)).clamp_max(0.0)
        elif state.rounds < ROUNDS:
            state.hot = torch.zeros_like(state.hot)
            self._begin_measuring(problem, state)
            return state
        step, steps = state.taken - annealed, max(1, state.budget - annealed)
        now = step > 0 and step * DRAWN // steps > (step - 1) * DRAWN // steps
        state.drawn = torch.full_like(state.drawn, now)
        return state

    def _value(self, problem: Problem, u: Tensor, misfit: Tensor) -> Tensor:
        """2s²·U."""
        return misfit + problem.variance / self.temperature**2 * dots(u, u)

    def _energy(self, u: Tensor, misfit: Tensor, variance: Tensor) -> Tensor:
        """U for a given variance of each real number of y."""
        return misfit / (2 * variance) + dots(u, u) / (2 * self.temperature**2)

    def _gradient(self, u: Tensor, g: Tensor, variance: Tensor) -> Tensor:
        """∇U, from the gradient of the misfit."""
        return g / (2 * variance)[:, None].to(g) + u / self.temperature**2
