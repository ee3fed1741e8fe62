"""Starts that are pictures: what the measurement already shows.

In latent space the picture is encoded, so the prior must encode; in pixel space it is u₀.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from priorkit.errors import MismatchError
from priorkit.interfaces import Encoder, LinearOperator, Requires, Start
from priorkit.problem import Problem, Setup
from priorkit.streams import normal

__all__ = ["Filled", "Noisy", "NullSpace", "PictureStart", "PseudoInverse"]


class PictureStart(Start):
    """u₀ = the latent of a picture, or in pixel space the picture itself."""

    requires = Requires(latent=(Encoder,))

    def make(self, problem: Problem, images: int, seed: int) -> Tensor:
        x = self.picture(problem, seed)
        if problem.space == "latent":
            return cast(Encoder, problem.prior).encode(x).detach()
        return x.flatten(1).clone()

    @abstractmethod
    def picture(self, problem: Problem, seed: int) -> Tensor:
        """The pictures (B, C, H, W) to start from."""


class Noisy(PictureStart):
    """The measured picture itself, as in denoising."""

    def check(self, setup: Setup) -> None:
        _needs_picture(self, setup)

    def picture(self, problem: Problem, seed: int) -> Tensor:
        return cast(Tensor, problem.operator.picture(problem.y))


class Filled(PictureStart):
    """The measured picture, its holes filled.

    Parameters
    ----------
    fill : "mean" (of what is seen, per channel), "noise" (uniform in [0, 1]) or "neighbours"
        (the nearest pixel that is seen)
    """

    def __init__(self, *, fill: Literal["mean", "noise", "neighbours"] = "mean") -> None:
        self.fill = fill

    def check(self, setup: Setup) -> None:
        _needs_picture(self, setup)
        if setup.operator.seen() is None:
            raise MismatchError(
                "start 'filled' is for pictures with holes, and this operator sees everything.",
                try_="start='noisy'",
            )

    def picture(self, problem: Problem, seed: int) -> Tensor:
        y = cast(Tensor, problem.operator.picture(problem.y))
        seen = cast(Tensor, problem.operator.seen()).to(y)
        if self.fill == "mean":
            count = seen.flatten(1).sum(1).clamp_min(1)
            filling = ((y * seen).flatten(2).sum(2) / count)[..., None, None].expand_as(y)
        elif self.fill == "noise":
            draws = normal(seed, "start", range(len(y)), y[0].numel()).view(y.shape).to(y)
            filling = (1 + torch.erf(draws / 2**0.5)) / 2  # normal → uniform
        else:
            filling = torch.stack([_nearest(y[:, c], seen[c]) for c in range(y.shape[1])], 1)
        return y * seen + filling * (1 - seen)


class PseudoInverse(PictureStart):
    """A⁺y = argmin ‖x‖ with A x = y, by conjugate gradients on AAᵀ.

    Parameters
    ----------
    steps : of conjugate gradients at most

    Reference: Asim et al. 2020, supplement.
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,))

    def __init__(self, *, steps: Annotated[int, Field(ge=1)] = 50) -> None:
        self.steps = steps

    def picture(self, problem: Problem, seed: int) -> Tensor:
        return pseudo_inverse(cast(LinearOperator, problem.operator), problem.y, self.steps)


class NullSpace(PictureStart):
    """The truth plus a change v that the measurement can't see: A v = 0, ‖v‖ = norm.

    A start for studies: the misfit is already that of the truth. It needs the truth, so it
    is refused for real measurements.

    Parameters
    ----------
    norm : ‖v‖
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,))

    def __init__(self, *, norm: Annotated[float, Field(ge=0)] = 10.0) -> None:
        self.norm = norm

    def check(self, setup: Setup) -> None:
        if setup.real:
            raise MismatchError(
                "start 'null-space' needs the true picture, and this y was measured.",
                try_="start='pseudo-inverse'",
            )

    def picture(self, problem: Problem, seed: int) -> Tensor:
        truth = cast(Tensor, problem.truth)
        operator = cast(LinearOperator, problem.operator)
        draws = normal(seed, "start", range(len(truth)), truth[0].numel()).view(truth.shape)
        v = draws.to(truth)
        v = v - pseudo_inverse(operator, operator.A(v), 200)
        size = v.flatten(1).norm(dim=1).clamp_min(1e-12)
        return truth + self.norm * v / size.view(-1, *[1] * (v.ndim - 1))


def pseudo_inverse(operator: LinearOperator, y: Tensor, steps: int) -> Tensor:
    """A⁺y for each image of a batch: conjugate gradients on AAᵀλ = y, x = Aᵀλ."""
    b = len(y)

    def dot(a: Tensor, c: Tensor) -> Tensor:
        return (a.conj() * c).real.flatten(1).double().sum(1)

    def column(values: Tensor) -> Tensor:
        return values.view(b, *[1] * (y.ndim - 1)).to(y.real.dtype)

    multiplier, r = torch.zeros_like(y), y.clone()
    d, rho = r.clone(), dot(r, r)
    goal = 1e-10 * rho
    for _ in range(steps):
        running = rho > goal
        if not bool(running.any()):
            break
        Ad = operator.A(operator.A_adjoint(d))
        curvature = dot(d, Ad)
        step = torch.where(running & (curvature > 0), rho / curvature.clamp_min(1e-300), 0.0)
        multiplier, r = multiplier + column(step) * d, r - column(step) * Ad
        after = dot(r, r)
        d = r + column(torch.where(running, after / rho.clamp_min(1e-300), 0.0)) * d
        rho = torch.where(running, after, rho)
    return operator.A_adjoint(multiplier)


def _nearest(y: Tensor, seen: Tensor) -> Tensor:
    """Planes (B, H, W), every pixel that of the nearest one that is seen."""
    if not bool(seen.any()):
        return torch.full_like(y, 0.5)
    rows, columns = distance_transform_edt(
        seen.cpu().numpy() < 0.5, return_distances=False, return_indices=True
    )
    return y[:, torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def _needs_picture(start: Any, setup: Setup) -> None:
    if setup.operator.y_shape != setup.shape:
        name = type(start).__name__.lower()
        raise MismatchError(
            f"start {name!r} needs a measurement that is a picture.",
            try_="start='pseudo-inverse', or op='mask' or 'identity'",
        )
