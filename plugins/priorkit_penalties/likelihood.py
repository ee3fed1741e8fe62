"""The likelihood of the image under the prior."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from priorkit.interfaces import Density, Penalty, Prior, Shape

__all__ = ["NLL"]


class NLL(Penalty):
    """R(x) = −log p(x) in nats, the density taken over x in [0, 1]ⁿ.

    In pixel space this is the maximum a posteriori estimate: for noise of standard
    deviation σ, ‖A x − y‖²/2σ² − log p(x) is minimised by γ = 2σ², for complex y by γ = σ². In
    latent space the image is x = D(z). Reference: Asim et al. 2020, eq. 2.
    """

    acts_on = "x"
    requires = (Density,)

    def __init__(self) -> None:
        self._prior: Density | None = None

    def bind(self, prior: Prior, shape: Shape) -> NLL:
        bound = NLL()
        bound._prior = cast(Density, prior)
        return bound

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        if self._prior is None:
            raise RuntimeError("NLL needs a prior: use NLL().bind(prior, shape)")
        value, gradient = self._prior.log_prob_grad(u)
        return -value, -gradient
