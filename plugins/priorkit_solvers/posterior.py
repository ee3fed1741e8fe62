"""−log p(z | y) of a latent that is normal a priori, for the solvers that draw from it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Decoder,
    Evaluation,
    GaussianNoise,
    Problem,
    Requires,
    Sampler,
)
from priorkit.interfaces.squares import Map
from priorkit.linear import dots

__all__ = ["DRAWS_LATENTS", "Posterior", "check"]

DRAWS_LATENTS = Requires(latent=(Decoder, Sampler), noise=(GaussianNoise,))


def check(solver: str, problem: Problem) -> None:
    """Raise BadInputError where a posterior of the latent isn't defined."""
    if not problem.noise.known or not problem.noise.std:
        raise BadInputError(
            f"{solver} draws latents, given how much noise there is.",
            got=f"space={problem.space}, "
            + (f"sigma={problem.noise.std:g}" if problem.noise.known else "no sigma"),
            ways=[{"sigma": 0.01}],
            try_="the noise that the measurement has",
        )


@dataclass(frozen=True, kw_only=True)
class Posterior(Problem):
    """ℓ(A(D(z)), y) + γ‖z − c‖², γ = (s/τ)²: 2s² times −log p(z | y) up to a constant.

    For y = A(D(z)) + η with η ~ N(0, s²·1) and z ~ N(c, τ²·1); ``centre`` is c, (b, n). Of complex
    y s² is the variance of either part, half of σ².
    """

    centre: Tensor

    @classmethod
    def of(cls, problem: Problem, temperature: float, *, centre: Tensor, y: Tensor) -> Posterior:
        """The posterior of a problem with another ``y``; ``temperature`` is τ."""
        known = {item.name: getattr(problem, item.name) for item in fields(Problem)}
        assert problem.data is not None
        known["data"] = replace(problem.data, y=y)
        known["gamma"] = problem.variance / temperature**2
        return cls(**known, centre=centre)

    @classmethod
    def perturbed(cls, problem: Problem, temperature: float, number: int) -> Posterior:
        """The posterior for y + η' and the centre z', drawn as η and z are; its mode is the draw.

        The draw of a ``number`` depends on the image alone, not on its batch.
        """
        y, mask = problem.y, problem.operator.mask
        moved = problem.noise.sample(y, problem.streams("perturb y", number))
        moved = moved if mask is None else moved * mask.to(moved)
        z = problem.streams("perturb z", number).normal(problem.size).to(y.device, y.real.dtype)
        return cls.of(problem, temperature, centre=temperature * z, y=moved)

    def rows(self, index: Tensor) -> Posterior:
        return replace(super().rows(index), centre=self.centre[index])

    def _evaluate(self, u: Tensor, gamma: float, weigh: Map | None = None) -> Evaluation:
        value, gradient, misfit = super()._evaluate(u, 0.0, weigh)
        if not gamma:
            return Evaluation(value, gradient, misfit)
        gap = u - self.centre
        return Evaluation(value + gamma * dots(gap, gap), gradient + 2 * gamma * gap, misfit)
