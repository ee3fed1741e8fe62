"""Approximate message passing: a denoiser, and an estimate of the noise that it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import MismatchError
from priorkit.interfaces import (
    Denoiser,
    GaussianNoise,
    Problem,
    RandomOperator,
    Requires,
    Solver,
    State,
    shared,
)
from priorkit.linear import column, energy, sums
from priorkit_solvers.divergence import divergence, probe

__all__ = ["AMP", "Passing"]

# The expected error scatters: up to WORSE times its least value, the last iterate is the answer.
WORSE = 2.0
FLOOR = 0.25  # the least part of a step that damping leaves


@dataclass(kw_only=True)
class Passing(State):
    """The next step begins at ``x``, with ``r`` its residual divided by the gain of A. ``v`` is
    what the denoiser was last given, and ``tau`` its noise level, ``damping`` the part of a step
    that is taken, ``best`` the least expected error so far, ``found`` and ``fit`` the u and the
    misfit that belong to it, ``ahead`` whether it is below that of the start; ``stuck`` counts
    steps in a row without progress, ``steps`` all of them, which are the same for every image."""

    x: Tensor
    r: Tensor
    v: Tensor
    tau: Tensor
    damping: Tensor
    best: Tensor
    found: Tensor
    fit: Tensor
    ahead: Tensor
    stuck: Tensor
    scale: float = shared()
    steps: int = shared(default=0)


class AMP(Solver[Passing]):
    """Denoising-based approximate message passing, in pixel space, for random operators.

    For independent entries, with A of unit columns, m measurements of n pixels:

        x ← D(x + Aᵀr; τ),   τ = ‖r‖/√m,   r ← y − A x + r·div D/m.

    With the last term, the input of D is the truth plus white noise of standard deviation τ. For
    rows of an orthogonal matrix, and κ = N/m − 1:

        v = x + Aᵀ(y − A x),   τ² = κ·(‖y − A x‖² − mσ²)/n + σ²,
        x ← (D(v; τ) − v·div D/n)/(1 − div D/n),   and the answer is D(v; τ).

    The divergence is found by one probe with random signs, in the same batch as D(v; τ). A step
    is damped where τ rises. The expected squared error per pixel follows from τ, without the truth:
    it is (τ² − σ²)·m/n at the next step for independent entries, and 1/(1/e + 1/τ²) with
    e = (‖y − A x‖² − mσ²)/n for orthogonal rows. An image has converged when the expected error
    no longer falls by the fraction ``tolerance``; the answer is the last iterate, or the best one
    where the last has more than twice its expected error. An image has diverged where the expected
    error never fell below that of the start. The first x is an even picture as bright as the start:
    the residual of a start that fits y, such as A⁺y, wouldn't show how far it is from the truth.

    Parameters
    ----------
    tolerance : relative fall of the expected error below which a step brought no progress
    patience : steps in a row without progress after which an image ends

    References: Metzler, Maleki & Baraniuk, "From denoising to compressed sensing", IEEE Trans.
    Inf. Theory 2016, eqs. 6-8; Ma & Ping, "Orthogonal AMP", IEEE Access 2017; Rangan, Schniter &
    Fletcher, "Vector approximate message passing", IEEE Trans. Inf. Theory 2019.
    """

    requires = Requires(
        latent=None, prior=(Denoiser,), operator=(RandomOperator,), noise=(GaussianNoise,)
    )
    unit = "steps of two calls"
    budget = 20
    descends = False
    penalised = False

    def __init__(
        self,
        *,
        tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.01,
        patience: Annotated[int, Field(ge=1)] = 2,
    ) -> None:
        self.tolerance, self.patience = tolerance, patience

    def check(self, problem: Problem) -> None:
        """Raise MismatchError for an operator that isn't random with the options that it has."""
        if cast(RandomOperator, problem.operator).ensemble is None:
            raise MismatchError(
                "Message passing needs an operator whose measurements are random and independent "
                "of each other: with the given options, this operator's aren't.",
                ways=[{"solver": "diffpir"}],
            )

    def memory(self, problem: Problem) -> tuple[int, int]:
        """The two calls of the denoiser in a step are one batch: this counts the second of them."""
        prior = cast(Denoiser, problem.prior)
        return 0, 4 * 10 * problem.size + prior.denoising_memory

    def init(self, problem: Problem, u0: Tensor, budget: int) -> Passing:
        operator = cast(RandomOperator, problem.operator)
        b, start = len(u0), problem.image(u0)
        x = column(sums(start) / problem.size, start) * torch.ones_like(start)
        scale = 1 / operator.gain
        seen = operator.A(x)
        r = scale * (problem.y - seen)
        infinite = torch.full((b,), torch.inf, dtype=torch.float64, device=u0.device)
        n, m = problem.size, operator.entries
        sigma = _sigma(problem, scale)
        return Passing.begin(
            u0,
            x=x,
            r=r,
            v=x,
            tau=infinite,
            damping=torch.ones_like(infinite),
            best=(energy(r) / n - m * sigma**2 / n).clamp_min(_least(n, m, sigma)),
            found=x.flatten(1),
            fit=problem.noise.misfit(seen, problem.y)[0],
            ahead=torch.zeros(b, dtype=torch.bool, device=u0.device),
            stuck=torch.zeros(b, dtype=torch.long, device=u0.device),
            scale=scale,
        )

    def step(self, problem: Problem, state: Passing) -> Passing:
        operator, scale = cast(RandomOperator, problem.operator), state.scale
        independent = operator.ensemble == "iid"
        n, m = problem.size, operator.entries
        sigma = _sigma(problem, scale)
        x, r = state.x, state.r
        size = energy(r)
        if independent:
            tau = (size / m).sqrt()
        else:
            apart = size / n  # per pixel, of the error and the noise together
            tau = (operator.excess * (apart - m * sigma**2 / n).clamp_min(0) + sigma**2).sqrt()
        rises = tau > 1.001 * state.tau
        damping = torch.where(rises, (0.7 * state.damping).clamp_min(FLOOR), state.damping)
        v = x + scale * operator.A_adjoint(r)
        clean, slope = _denoised(problem, v, tau, state.steps)
        seen = operator.A(clean)
        if independent:
            new, after = clean, scale * (problem.y - seen) + column(slope / m, r) * r
            expected = (energy(after) / m - sigma**2) * m / n
        else:
            part = column((slope / n).clamp(0, 0.95), v)
            new = (clean - part * v) / (1 - part)
            after = scale * (problem.y - operator.A(new))
            error = (energy(after) / n - m * sigma**2 / n).clamp_min(_least(n, m, sigma))
            each = error.reciprocal() + tau.square().clamp_min(1e-30).reciprocal()
            expected = each.reciprocal()
        expected = expected.clamp_min(_least(n, m, sigma))
        w = column(damping, x)
        state.x = w * new + (1 - w) * x
        w = column(damping, r)
        state.r = w * after + (1 - w) * r
        state.v, state.tau, state.damping = v, tau, damping
        state.evaluations, state.steps = state.evaluations + 1, state.steps + 1
        u = clean.flatten(1)
        finite = (u.abs().amax(1) < torch.inf) & (expected < torch.inf)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        worth = expected < (1 - self.tolerance) * state.value / n
        state.stuck = torch.where(worth, 0, state.stuck + 1)
        better = finite & (expected < state.best)
        state.best = torch.where(better, expected, state.best)
        state.found = torch.where(better[:, None], u, state.found)
        fit = problem.noise.misfit(seen, problem.y)[0]
        state.fit = torch.where(better, fit, state.fit)
        state.ahead = state.ahead | better
        near = finite & state.ahead & (expected <= WORSE * state.best)
        state.u = torch.where(near[:, None], u, state.found)
        expected = torch.where(near, expected, state.best)
        state.value = n * expected
        state.expected = expected if problem.noise.known else state.expected
        state.misfit = torch.where(near, fit, state.fit)
        done = state.stuck >= self.patience
        lost = "no iterate is nearer than the start: too few measurements for this prior"
        state.end(done & ~state.ahead, "diverged", lost)
        state.end(done, "converged", "the expected error no longer falls")
        return state


def _sigma(problem: Problem, scale: float) -> float:
    """Standard deviation of the noise in y/gain, 0 where it isn't known."""
    return scale * problem.noise.std if problem.noise.known else 0.0


def _least(n: int, m: int, sigma: float) -> float:
    """The least error per pixel that a residual can show: σ²·√(2m)/n, the standard deviation of
    the noise's own energy."""
    return max(sigma**2 * math.sqrt(2 * m) / n, 1e-12)


def _denoised(problem: Problem, v: Tensor, tau: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """D(v; τ), and its divergence (B,): both calls in one batch."""
    step = probe(problem, v, tau, number)
    both = torch.cat([v, v + step])
    clean, moved = problem.denoise(both, torch.cat([tau, tau])).chunk(2)
    return clean, divergence(clean, moved, step)
