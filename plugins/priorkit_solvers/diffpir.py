"""Plug-and-play restoration along a diffusion: denoise, meet the data, add noise again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Denoiser, Problem, Requires, Solver, State, shared
from priorkit_solvers.data_step import (
    data_step,
    expected_error,
    gain_of,
    noise_floor,
    noise_levels,
    require_falling,
)
from priorkit_solvers.renoising import normals

__all__ = ["DiffPIR"]

EXACT = 1e-4  # least noise level assumed of y, in parts of the gain of A
HIDDEN = 3.0  # times the noise of y, the least first level: a start with less shows it as texture


@dataclass(kw_only=True)
class _Walking(State):
    """``v`` is the noisy picture, ``moved`` the change by the last data step, both (b, *shape)."""

    v: Tensor
    moved: Tensor
    s: Tensor  # (b,) standard deviation of the noise in y
    levels: list[float] = shared()  # σ₀ > σ₁ > … of one draw
    count: int = shared(default=0)  # steps so far, of all draws


class DiffPIR(Solver[_Walking]):
    """Draws pictures that fit their measurement, along falling noise levels σ₀ > … > σ_K:

        x₀ = D(v; σₖ),
        x  = argmin ℓ(A x, y) + s²/rₖ²·‖x − x₀‖²,     rₖ² = σₖ²c²/(σₖ² + c²),
        v  ← x + σₖ₊₁·(√(1 − ζ)·(v − x)/σₖ + √ζ·ε),     ε ~ N(0, 1).

    s is the standard deviation of the noise in y, or what even least squares leave unexplained
    where that is more, and rₖ the expected error of x₀ per pixel if pictures were normal with
    standard deviation c = ¼. With ζ = 1 all noise is new in each step.
    The x at the last level is a draw. The answer is the mean of all draws, the estimate of the
    least squared error. Their spread, which is reported with it, says where they are unsure and not
    how much: each step takes a mean for the picture, so that draws are too much alike, and 42% to
    70% of a truth's values lie within their 90% interval; ``ancestral`` is for that. The argmin is
    found by conjugate gradients for a linear A with Gaussian noise, or noise whose misfit is near
    weighted squares, beginning at x₀ plus the change by the last data step; where A isn't linear by
    its tangent at x₀, and for other noise by descent.

    Of m random sums of n pixels a data step can take away no more than m/n of the error: ``amp``,
    whose steps take more, is better by far and the default. Here draws of ten times n/m steps come
    near, as with ``draws=1``, ``sigma_start=1`` and that budget, and of fewer they don't.

    Parameters
    ----------
    draws : how many; the budget is shared out among them
    sigma_start, sigma_end : the first and the last noise level, in pixel values; those between
        are in equal ratios. Where y is noisier the first is three times its noise
    zeta : ζ, the part of the noise that is new in each step
    data_steps : at most so many products with A and its adjoint per data step

    References: Zhu et al., "Denoising diffusion models for plug-and-play image restoration",
    CVPR Workshops 2023, algorithm 1; Pourya, El Rawas & Unser, "FLOWER: a flow-matching solver
    for inverse problems", 2025, for rₖ.
    """

    requires = Requires(latent=None, prior=(Denoiser,))
    unit = "calls of the denoiser"
    budget = 120
    descends = False
    penalised = False

    def __init__(
        self,
        *,
        draws: Annotated[int, Field(ge=1)] = 4,
        sigma_start: Annotated[float, Field(gt=0)] = 0.3,
        sigma_end: Annotated[float, Field(gt=0)] = 0.01,
        zeta: Annotated[float, Field(ge=0, le=1)] = 1.0,
        data_steps: Annotated[int, Field(ge=1)] = 15,
    ) -> None:
        require_falling(sigma_start, sigma_end)
        self.draws, self.zeta, self.data_steps = draws, zeta, data_steps
        self.sigma_start, self.sigma_end = sigma_start, sigma_end

    def least(self, problem: Problem) -> int:
        return self.draws

    def check(self, problem: Problem) -> None:
        """Raise BadInputError where the noise of a real measurement isn't known."""
        if not problem.noise.known and not problem.simulated:
            raise BadInputError(
                "diffpir weighs the data by their noise level, which wasn't given.",
                ways=[{"sigma": 0.01}],
                try_="sigma=0 where there is none",
            )

    def init(self, problem: Problem, u0: Tensor, budget: int) -> _Walking:
        s = noise_floor(problem, EXACT * gain_of(problem))
        levels = noise_levels(problem, problem.image(u0), s)
        return self._begun(problem, u0, budget, levels)

    def _begun(self, problem: Problem, u0: Tensor, budget: int, s: Tensor) -> _Walking:
        each = max(1, budget // self.draws)
        part = torch.linspace(0, 1, each, dtype=torch.float64)
        start = max(self.sigma_start, HIDDEN * noise_floor(problem, 0.0))
        levels = (start ** (1 - part) * self.sigma_end**part).tolist()
        x = problem.image(u0)
        first = x + levels[0] * normals(problem, "renoise", 0, x)
        return _Walking.begin(u0, v=first, moved=torch.zeros_like(x), levels=levels, s=s)

    def keep(self, state: _Walking) -> dict[str, Tensor] | None:
        count = torch.tensor(state.count)
        return {"v": state.v, "moved": state.moved, "count": count, "s": state.s}

    def again(self, problem: Problem, u0: Tensor, budget: int, kept: dict[str, Tensor]) -> _Walking:
        state = self._begun(problem, u0, budget, kept["s"])
        state.v, state.moved, state.count = kept["v"], kept["moved"], int(kept["count"].max())
        return state

    def memory(self, problem: Problem) -> tuple[int, int]:
        return 0, 4 * 10 * problem.size

    def step(self, problem: Problem, state: _Walking) -> _Walking:
        steps = len(state.levels)
        place = state.count % steps
        last = place == steps - 1
        sigma, after = state.levels[place], state.levels[0 if last else place + 1]
        clean = problem.denoise(state.v, sigma)
        rho = state.s**2 / expected_error(sigma)
        x = data_step(problem, clean, rho, start=clean + state.moved, steps=self.data_steps)
        state.moved = x - clean
        state.count += 1
        fresh = 1.0 if last else self.zeta  # draws are independent of each other
        noise = math.sqrt(fresh) * normals(problem, "renoise", state.count, x)
        if fresh < 1:
            noise = noise + math.sqrt(1 - fresh) / sigma * (state.v - x)
        state.v = x + after * noise
        state.u = x.flatten(1)
        state.evaluations = state.evaluations + 1
        finite = x.flatten(1).isfinite().all(1)
        state.end(~finite, "diverged", "the denoiser's estimate is not finite")
        state.misfit = problem.noise.misfit(problem.operator.A(x), problem.y)[0]
        state.value = state.misfit
        state.drawn = finite & last
        if state.count >= steps * self.draws:
            state.end(finite, "converged", f"{self.draws} draws" if self.draws > 1 else "drawn")
        return state
