"""Draws from p(x | y) by a denoiser, along falling noise levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Denoiser,
    GaussianNoise,
    IdentityOperator,
    Problem,
    RandomOperator,
    Requires,
    Solver,
    StabilizedNoise,
    State,
    WeightedNoise,
    shared,
)
from priorkit.linear import column
from priorkit_solvers.amp import AMP, Passing
from priorkit_solvers.conditioned import STEPS, conditioned, unconditioned
from priorkit_solvers.data_step import gain_of, noise_floor
from priorkit_solvers.renoising import normals

__all__ = ["Ancestral"]

PASSES = 20  # of message passing at most, of two calls each
LEVELS, LEVELS_TOLD = 8, 12  # noise levels of a draw; where every x is told y
BEGIN, END = 2.0, 0.02  # the first and the last noise level, in pixel values
LAST, LAST_TOLD = 1 / 2, 1 / 8  # of the first level, the most that the last is; where x is told y
ABOVE = 3.0  # times the noise of a whole picture, at most, of the first level
EXACT = 1e-3  # least noise level assumed of y, in parts of the gain of A


@dataclass(kw_only=True)
class _Drawing(State):
    """Draws begin at ``v`` (b, n), of noise level ``tau``, and ``moving`` is the image on its way
    from there. ``error`` is the error that the mean of all draws would have, NaN where it isn't
    known."""

    passing: Passing | None  # None where v isn't found by message passing, or is found
    passes: Tensor  # (b,) whether v is still looked for
    v: Tensor
    tau: Tensor
    moving: Tensor
    error: Tensor
    s: float = shared()  # σ of the real numbers of y, where v doesn't say what y does
    levels: int = shared()  # of each draw
    count: int = shared(default=0)  # noise levels so far, of all draws


class Ancestral(Solver[_Drawing]):
    """Draws images from p(x | y), y = A x + s·n, by a denoiser of every noise.

    At noise levels σ₀ > … > σ_K in equal ratios, with v = x + σ₀·n at first,

        x ← one of p(x | v),
        x ← x + what y adds to it,
        v ← x + q·(v − x) + σₖ₊₁√(1 − q)·ε,     ε ~ N(0, 1),

    and the last x is a draw. p(x | v) and what y adds are those of a normal distribution with the
    mean D(v; σₖ) and the covariance σₖ²J, J the Jacobian of D, which takes one call of the denoiser
    more, and two for y, see :mod:`.conditioned`.

    - Of Gaussian noise alone y is v, and of counts that are the picture itself what stabilizes
      them, see :class:`StabilizedNoise`; of random measurements message passing finds a v, with its
      τ = σ₀, that says of x what y does: the pass of the least τ is taken. Then y adds nothing, and
      q = σₖ₊₁²/σₖ² keeps what v says.
    - Of any other A, with counts too, σ₀ is 2, or the highest level of the prior, or where y
      is a whole picture three times its noise, whichever is least, and v the start with noise of
      its own for each draw. Every x is told y, so that q = 0: what was wrong at a level of much
      noise is forgotten. Counts are taken for squares that are near their misfit at D(v), and an A
      that isn't linear for its tangent there.

    The answer is the mean of the draws. What it expects of its error is 1 + 1/draws times what
    ``amp`` does. Of faces, 92% to 98% of a truth's values lie within the 90% interval of sixteen
    draws; of draws of the prior, 90% from noise and from random measurements, and 85% to 96% from
    others.

    Parameters
    ----------
    draws : how many
    levels : K + 1, noise levels of a draw; default: 12 where every x is told y, else 8

    References: Ho, Jain & Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020, eq. 7
    (the step, of x for D(v)); Zhang et al., "Improving diffusion inverse problem solving with
    decoupled noise annealing", CVPR 2025 (that of q = 0); Donoho, Maleki & Montanari,
    "Message-passing algorithms for compressed sensing", PNAS 2009 (v is x with white noise).
    """

    requires = Requires(latent=None, prior=(Denoiser,), noise=(WeightedNoise,))
    unit = "calls of the denoiser"
    budget = 2 * PASSES + 16 * LEVELS_TOLD * (2 + STEPS)  # of the options' defaults, at most
    descends = False
    penalised = False

    def __init__(
        self,
        *,
        draws: Annotated[int, Field(ge=2)] = 16,
        levels: Annotated[int, Field(ge=4)] | None = None,
    ) -> None:
        self.draws, self.levels = draws, levels

    def least(self, problem: Problem) -> int:
        """That of all draws, after as many passes of message passing as there can be."""
        levels = self.draws * self._levels(problem)
        if _is_told(problem):
            return (2 + STEPS) * levels
        return 2 * (levels + (PASSES if _found_by_passing(problem) else 0))

    def _levels(self, problem: Problem) -> int:
        return self.levels or (LEVELS_TOLD if _is_told(problem) else LEVELS)

    def check(self, problem: Problem) -> None:
        """Raise BadInputError where it isn't known how much noise there is."""
        noise, alone = problem.noise, _alone(problem)
        if alone:
            enough = noise.known and bool(noise.std)
        else:  # message passing finds how much there is
            enough = noise.known or problem.simulated or _found_by_passing(problem)
        if not enough:
            raise BadInputError(
                "What may be behind a measurement depends on how much noise is in it.",
                got=f"sigma={noise.std:g}" if noise.known else "no sigma",
                ways=[{"sigma": 0.1 if alone else 0.01}],
                try_="sigma='auto'" if alone and not problem.simulated else None,
            )

    def memory(self, problem: Problem) -> tuple[int, int]:
        """That of message passing, with what the other ways keep."""
        fixed, each = AMP().memory(problem) if _found_by_passing(problem) else (0, 0)
        return fixed, each + 4 * 12 * problem.size

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Drawing:
        state = self._begun(problem, u0)
        if _found_by_passing(problem):
            state.passing = AMP().init(problem, u0, budget)
            state.passes = torch.ones_like(state.passes)
        return state

    def _begun(self, problem: Problem, u0: Tensor) -> _Drawing:
        operator, noise, v, level, s = problem.operator, problem.noise, u0, torch.inf, 0.0
        if _alone(problem):
            assert isinstance(noise, StabilizedNoise)
            v, level = noise.stabilize(problem.y).flatten(1), noise.stabilized_std
        elif _is_told(problem):
            assert isinstance(problem.prior, Denoiser)
            level = min(BEGIN, problem.prior.levels[1])
            s = noise_floor(problem, EXACT * gain_of(problem))
        infinite = torch.full((len(u0),), torch.inf, dtype=torch.float64, device=u0.device)
        tau = torch.full_like(infinite, level)
        if s and operator.sees_all:
            tau = torch.minimum(tau, ABOVE * _widest(problem, s))
        return _Drawing.begin(
            u0,
            passing=None,
            passes=torch.zeros_like(infinite, dtype=torch.bool),
            v=v,
            tau=tau,
            moving=v,
            error=torch.full_like(infinite, torch.nan),
            s=s,
            levels=self._levels(problem),
        )

    def keep(self, state: _Drawing) -> dict[str, Tensor] | None:
        """None before the first draw, and within one: a run that is resumed repeats it."""
        if not state.count or state.count % state.levels:
            return None
        names = ("v", "tau", "error")
        return {name: getattr(state, name) for name in names} | {"count": torch.tensor(state.count)}

    def again(self, problem: Problem, u0: Tensor, budget: int, kept: dict[str, Tensor]) -> _Drawing:
        state = self._begun(problem, u0)
        state.v, state.tau, state.error = kept["v"], kept["tau"], kept["error"]
        state.moving, state.count = state.v, int(kept["count"].max())
        return state

    def step(self, problem: Problem, state: _Drawing) -> _Drawing:
        if not state.count and bool(state.passes.any()):
            return self._pass(problem, state)
        return self._draw(problem, state)

    def _pass(self, problem: Problem, state: _Drawing) -> _Drawing:
        """A step of message passing, of the images whose v isn't found yet."""
        assert state.passing is not None
        passing = state.passing = AMP().step(problem, state.passing)
        runs = state.passes
        nearer = runs & (passing.tau < state.tau)
        state.v = state.moving = torch.where(nearer[:, None], passing.v.flatten(1), state.v)
        state.tau = torch.where(nearer, passing.tau, state.tau)
        state.u = torch.where(runs[:, None], passing.u, state.u)
        for name in ("value", "misfit", "expected"):
            setattr(state, name, torch.where(runs, getattr(passing, name), getattr(state, name)))
        state.error = state.expected
        state.evaluations = state.evaluations + 2 * runs
        status, reason = passing.status, passing.reason
        lost = torch.tensor([said == "diverged" for said in status], device=runs.device)
        state.ends.note(lost, "diverged", reason.__getitem__)
        done = torch.tensor([said is not None for said in status], device=runs.device)
        state.passes = runs & ~done & (passing.steps < PASSES)
        return state

    def _draw(self, problem: Problem, state: _Drawing) -> _Drawing:
        """The next noise level of a draw, of all images."""
        number, place = divmod(state.count, state.levels)
        last = state.levels - 1
        v, sigma = state.moving.view(-1, *problem.shape), self._level(state, place)
        if state.s and not place:
            v = v + column(sigma, v) * normals(problem, "ancestral start", state.count, v)
        clean, calls = problem.denoise(v, sigma), 2
        unsure = normals(problem, "ancestral unsure", state.count, v)
        x = unconditioned(problem, v, clean, sigma, unsure)
        if state.s:
            x = conditioned(problem, v, clean, x, sigma, s=state.s, number=state.count)
            calls += STEPS
        # A draw; before the first one the mean of all, or what fits y.
        if place == last or (not number and (state.s or not place)):
            told = x if state.s or place == last else clean
            if _alone(problem):
                assert isinstance(problem.noise, StabilizedNoise)
                told = problem.noise.restore(told)
            state.u = told.flatten(1)
            state.misfit = problem.noise.misfit(problem.operator.A(told), problem.y)[0]
            state.value = state.misfit
        finite = x.flatten(1).abs().amax(1) < torch.inf
        state.diverge(~finite, problem, clean.flatten(1))
        state.drawn = finite & (place == last)
        if place == last:
            state.moving = state.v
            state.expected = state.error * (1 + 1 / (number + 1))
            if number + 1 == self.draws:
                state.end(finite, "converged", f"{self.draws} draws")
        else:
            after = self._level(state, place + 1)
            q = torch.zeros_like(sigma) if state.s else (after / sigma).square()
            fresh = normals(problem, "ancestral", state.count, v)
            fresh = column(after * (1 - q).sqrt(), v) * fresh
            state.moving = (x + column(q, v) * (v - x) + fresh).flatten(1)
        state.passing, state.count = None, state.count + 1
        state.evaluations = state.evaluations + calls
        return state

    def _level(self, state: _Drawing, place: int) -> Tensor:
        """The noise level (B,) at a place on the way from τ to the last, in equal ratios."""
        part, tau = place / (state.levels - 1), state.tau
        least = (LAST_TOLD if state.s else LAST) * tau
        return tau ** (1 - part) * least.clamp_max(END) ** part


def _alone(problem: Problem) -> bool:
    """Whether y is the image with noise that is a denoiser's, or a function of y is."""
    stable = isinstance(problem.noise, StabilizedNoise)
    return stable and isinstance(problem.operator, IdentityOperator)


def _found_by_passing(problem: Problem) -> bool:
    """Whether message passing finds a v that says of x what y does."""
    operator = problem.operator
    random = isinstance(operator, RandomOperator) and operator.ensemble is not None
    return random and isinstance(problem.noise, GaussianNoise)


def _is_told(problem: Problem) -> bool:
    """Whether there is no such v, and every x is told y."""
    return not (_alone(problem) or _found_by_passing(problem))


def _widest(problem: Problem, s: float) -> Tensor:
    """The largest standard deviation of the noise in an entry of y, one per image, (B,)."""
    assert isinstance(problem.noise, WeightedNoise)
    weights = problem.noise.weights(problem.noise.measured(problem.y)).flatten(1)
    return s / weights.amin(1).double().sqrt()
