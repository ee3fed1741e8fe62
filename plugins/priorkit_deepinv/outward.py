"""priorkit inside deepinv: priors, denoisers and operators as objects of its classes."""

from __future__ import annotations

from typing import Any

import deepinv
import torch
from torch import Tensor

from priorkit.interfaces import Denoiser, Density, LinearOperator, Operator, Shape

__all__ = ["as_denoiser", "as_physics", "as_prior"]


def as_prior(prior: Density) -> Any:
    """g(x) = −log p(x) in nats as a deepinv.optim.Prior, (B, C, H, W) → (B,), with its gradient.

    For noise of standard deviation σ, ½‖A x − y‖² + λ g(x) is the negative log posterior at
    λ = σ². Raises TypeError for a prior without a density.

    >>> from priorkit_realnvp.patches import PatchFlow
    >>> g = as_prior(PatchFlow().bind((3, 16, 16)))
    >>> tuple(g.fn(torch.rand(2, 3, 16, 16)).shape)
    (2,)
    """
    if not isinstance(prior, Density):
        raise TypeError(f"as_prior needs a prior with a density, got {type(prior).__name__}")
    return _NegativeLogDensity(prior)


def as_denoiser(prior: Denoiser) -> Any:
    """A priorkit denoiser as a deepinv.models.Denoiser, model(x, σ) with one σ per batch.

    Raises TypeError for a prior that doesn't denoise.
    """
    if not isinstance(prior, Denoiser):
        raise TypeError(f"as_denoiser needs a prior that denoises, got {type(prior).__name__}")
    return _Denoising(prior)


def as_physics(operator: Operator, shape: Shape) -> Any:
    """An operator for images of a shape (C, H, W) as a deepinv physics, linear where it is.

    y has the shape that priorkit gives it, (B, *y_shape), and no noise.
    """
    bound = operator.bind(shape)
    if isinstance(bound, LinearOperator):
        return deepinv.physics.LinearPhysics(
            A=lambda x, **_: bound.A(x),
            A_adjoint=lambda y, **_: bound.A_adjoint(y),
            img_size=shape,
        )
    return _Nonlinear(bound)


class _NegativeLogDensity(deepinv.optim.Prior):
    def __init__(self, prior: Density) -> None:
        super().__init__()
        self._density = prior
        self.explicit_prior = True

    def fn(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return -self._density.log_prob(x)

    def grad(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return -self._density.log_prob_grad(x)[1]


class _Denoising(deepinv.models.Denoiser):
    def __init__(self, prior: Denoiser) -> None:
        super().__init__()
        self._prior = prior

    def forward(self, x: Tensor, sigma: float | Tensor, **kwargs: Any) -> Tensor:
        sigmas = torch.as_tensor(sigma).flatten().expand(len(x))
        each = zip(x.split(1), sigmas.tolist(), strict=True)
        return torch.cat([self._prior.denoise(image, level) for image, level in each])


class _Nonlinear(deepinv.physics.Physics):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self._operator = operator

    def A(self, x: Tensor, **kwargs: Any) -> Tensor:
        return self._operator.A(x)

    def A_vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self._operator.vjp(x, v)
