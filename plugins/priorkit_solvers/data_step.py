"""The data step of plug-and-play solvers: an x that fits y and is near a denoiser's estimate."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import GaussianNoise, LinearOperator, Problem, WeightedNoise
from priorkit.interfaces.squares import pushforward
from priorkit.linear import column, dots, energy, least_squares, mean_gain, norms

__all__ = [
    "data_step",
    "expected_error",
    "gain_of",
    "noise_floor",
    "noise_levels",
    "require_falling",
]

Number = TypeVar("Number", float, Tensor)

CONTRAST = 0.25  # c, the standard deviation of the pixels of pictures
PROBE = 10  # steps of least squares, after which again as many show whether they are at a rest
RESTING = 0.98  # of the misfit, that so many steps more leave
HALVINGS = 8  # of a step by the tangent of a curved A, at most
BEYOND = 1.1  # times the expected misfit, from which on y isn't explained


def require_falling(sigma_start: float, sigma_end: float) -> None:
    """Raise BadInputError where the last noise level given to a denoiser is above the first."""
    if sigma_end > sigma_start:
        raise BadInputError(
            "The noise levels fall.",
            got=f"sigma_start={sigma_start:g}, sigma_end={sigma_end:g}",
            try_=f"sigma_start={sigma_end:g}, sigma_end={sigma_start:g}",
        )


def noise_floor(problem: Problem, least: float) -> float:
    """The standard deviation of the noise in a real number of y, where it is known and more than
    ``least``; of a noise that is near weighted squares that in these, of which ``std`` may be
    another. Of complex y it is σ/√2: that much a data step of real images trusts y."""
    noise = problem.noise
    if not noise.known:
        return least
    weighted = isinstance(noise, WeightedNoise) and not isinstance(noise, GaussianNoise)
    told = math.sqrt(noise.energy / noise.entries) if weighted else noise.std
    return max(told / math.sqrt(problem.parts), least)


def expected_error(sigma: Number) -> Number:
    """r² = σ²c²/(σ² + c²), the expected squared error per pixel of an estimate by a denoiser, if
    pictures were normal with standard deviation c = ¼."""
    return 1 / (1 / sigma**2 + 1 / CONTRAST**2)


def gain_of(problem: Problem) -> float:
    """That of a linear A, and of any other that of its tangent at an even gray."""
    operator = problem.operator
    if isinstance(operator, LinearOperator):
        return operator.gain
    gray = torch.full((1, *problem.shape), 0.5, device=problem.y.device)
    gain = mean_gain(pushforward(operator, gray, operator.A(gray)), problem.shape, gray.device)
    return gain if 0 < gain < math.inf else 1.0


def noise_levels(problem: Problem, x: Tensor, s: float) -> Tensor:
    """The standard deviation of the noise in a real number of y that data steps assume, one per
    image, (B,).

    That is s; and more where least squares from x come to a rest at a misfit beyond that of the
    noise, as where A is known only roughly, by the root of the ratio of the two: data are trusted
    as far as any image explains them.
    """
    operator, noise = problem.operator, problem.noise
    if not (isinstance(operator, LinearOperator) and isinstance(noise, WeightedNoise)):
        return torch.full((len(x),), s, dtype=torch.float64, device=x.device)
    misfits, near = [], None
    for _ in range(2):
        A, adjoint, y = problem.squares(near)
        x = near = least_squares(A, adjoint, y, x, steps=PROBE)
        Ax = operator.A(x)
        misfits.append(noise.misfit(Ax, problem.y)[0])
    before, after = misfits
    known = noise.known and s == noise_floor(problem, 0.0)
    assumed = torch.full_like(after, operator.entries * problem.parts * s**2)
    expected = noise.expected_misfit(Ax) if known else assumed
    beyond = (after > BEYOND * expected) & (after > RESTING * before)
    return torch.where(beyond, s * (after / expected).sqrt(), s)


def data_step(
    problem: Problem, centre: Tensor, rho: Tensor, *, start: Tensor, steps: int
) -> Tensor:
    """argmin over x of ℓ(A x, y) + ρ‖x − centre‖², ρ (B,), in at most ``steps`` iterations.

    By conjugate gradients from ``start`` for a linear A and Gaussian noise, or noise whose ℓ is
    near weighted squares, which then stand for it, weighted at ``centre``. Where A isn't linear,
    that is from ``centre`` and by the tangent there, and of the way to what it finds as much is
    gone as lowers the objective most among 1, 1/2, 1/4, … Of other noise it is by descent from
    ``centre`` with the step sizes of Barzilai & Borwein ("Two-point step size gradient methods",
    IMA J. Numer. Anal. 1988), halved where the objective rises. The descent returns the best x it
    met.

    Reference: Nocedal & Wright, "Numerical optimization", 2nd ed. 2006, section 10.3 (Gauss and
    Newton's step, and its search along a line).
    """
    if isinstance(problem.noise, WeightedNoise):
        linear = isinstance(problem.operator, LinearOperator)
        found = problem.prox_data(
            centre, rho, start=start if linear else centre, steps=steps, near=centre
        )
        return found if linear else _towards(problem, found, centre, rho)
    x = centre  # the quadratic term has no gradient there: the first step follows that of ℓ
    value, slope = _evaluated(problem, x, centre, rho)
    best, least = x, value
    size = 0.1 * norms(centre).clamp_min(1e-6) / _norm(slope)
    for _ in range(steps):
        ahead = x - column(size, x) * slope
        after, steeper = _evaluated(problem, ahead, centre, rho)
        better = after.isfinite() & (after <= least)
        best = torch.where(_each(better, x), ahead, best)
        least = torch.where(better, after, least)
        change, bend = ahead - x, steeper - slope
        length = energy(change) / dots(change, bend).clamp_min(1e-300)
        keep = _each(~better, x)
        x, slope = torch.where(keep, x, ahead), torch.where(keep, slope, steeper)
        size = torch.where(better, torch.minimum(length, 10 * size), size / 2)
    return best


def _towards(problem: Problem, goal: Tensor, centre: Tensor, rho: Tensor) -> Tensor:
    """The best x on the way to ``goal``, of the whole way, half of it and so on, and none."""
    best, least = centre, _objective(problem, centre, centre, rho)[0]
    for halvings in range(HALVINGS):
        x = centre + 0.5**halvings * (goal - centre)
        value, _ = _objective(problem, x, centre, rho)
        better = value < least  # what isn't finite isn't
        best = torch.where(_each(better, x), x, best)
        least = torch.where(better, value, least)
    return best


def _objective(problem: Problem, x: Tensor, centre: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    """ℓ(A x, y) + ρ‖x − centre‖², and the gradient of ℓ with respect to A x."""
    misfit, residual = problem.noise.misfit(problem.operator.A(x), problem.y)
    return misfit + rho * energy(x - centre), residual


def _evaluated(problem: Problem, x: Tensor, centre: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    """ℓ(A x, y) + ρ‖x − centre‖² and its gradient."""
    value, residual = _objective(problem, x, centre, rho)
    return value, problem.operator.vjp(x, residual) + 2 * column(rho, x) * (x - centre)


def _each(which: Tensor, like: Tensor) -> Tensor:
    """A boolean per image (B,), shaped to select in a batch (B, …)."""
    return which.view(-1, *[1] * (like.ndim - 1))


def _norm(x: Tensor) -> Tensor:
    return norms(x).clamp_min(1e-30)
