"""A RealNVP on small patches as a prior of colour pictures of any size."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import MismatchError, WeightsError
from priorkit.interfaces import (
    Choices,
    Density,
    GaussianNoise,
    LinearOperator,
    Noise,
    Operator,
    Shape,
    Spec,
)
from priorkit.linear import sums
from priorkit_realnvp.basis import coordinates, matrix
from priorkit_realnvp.made import restored

__all__ = ["PatchFlow"]

SHIPPED = Path(__file__).parent / "weights" / "patches" / "patch-photos.safetensors"
CHUNK = 4096  # patches that are evaluated at once
COLOURS = (
    "patch-flow doesn't know which colours a gray picture had, and makes it smoother only; "
    "prior='none' gives gray."
)
LOUD = 0.15  # σ above which the budget is doubled
LEAST = 1e-4  # least γ: with less, a search doesn't converge


class PatchFlow(Density):
    """log p(x) = n/d · mean over patches of log p(patch), of colour pictures of any size.

    The density of a patch of s×s pixels, d = 3s² numbers, is a RealNVP; a picture has n numbers.
    Where the patches tile a picture, this is their joint density if they were independent. It
    knows the local structure of pictures, and nothing of faces or birds.

    Parameters
    ----------
    weights : path of a RealNVP trained on patches, see ``priorkit train realnvp --patch 6``
    stride : pixels between neighbouring patches, at most s; smaller is smoother and slower

    Raises WeightsError for a file that is missing, damaged, or not for patches.

    Reference: Altekrüger et al., "PatchNR: learning from very few images by patch normalizing
    flow regularization", Inverse Problems 2023.
    """

    def __init__(
        self,
        *,
        weights: str | os.PathLike[str] = SHIPPED,
        stride: Annotated[int, Field(ge=1)] = 3,
    ) -> None:
        card, made = restored(weights)
        self.side = math.isqrt(made.config.n // 3)
        if made.config.is_image or 3 * self.side**2 != made.config.n:
            raise WeightsError(f"{weights} is not for patches.", got=made.config.shape)
        self.stride = min(stride, self.side)
        self.provenance = {card.name: card.sha256}
        self._copies, self._folded = made.network, made.folded

    def bind(self, shape: Shape) -> PatchFlow:
        if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < self.side:
            raise MismatchError(
                f"patch-flow knows colour pictures of at least {self.side}×{self.side} pixels.",
                got=tuple(shape),
            )
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        network, number = self._copies.like(x), x[0].numel()
        columns = self._patches(x)
        d, count = columns.shape[1:]
        points = coordinates(columns.transpose(1, 2), self.side)
        # Image by image, so that rounding doesn't depend on the batch.
        parts = [part for own in points for part in own.split(CHUNK)]
        found = torch.cat([network.log_prob(part) for part in parts])
        return sums(found.view(len(x), count)) * (number / (d * count))

    def log_prob_grad(self, x: Tensor) -> tuple[Tensor, Tensor]:
        folded, basis, number = self._folded.like(x), matrix(self.side).to(x), x[0].numel()
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            columns = self._patches(x)
        values, slopes = [], torch.empty_like(columns)
        for own, slope in zip(columns.detach(), slopes, strict=True):
            value, gradient = folded.log_prob_grad(basis.T @ own)
            values.append(value.mean())
            torch.mm(basis, gradient, out=slope)
        (gradient,) = torch.autograd.grad(columns, x, slopes)
        d, count = columns.shape[1:]
        return torch.stack(values) * (number / d), gradient * (number / (d * count))

    def _patches(self, x: Tensor) -> Tensor:
        """Every patch of pictures as a column, (B, d, patches)."""
        return F.unfold(self._padded(x), self.side, stride=self.stride)

    def _padded(self, x: Tensor) -> Tensor:
        """Mirrored at the right and below, so that patches reach every pixel."""
        more = [(self.side - size) % self.stride for size in (x.shape[-1], x.shape[-2])]
        return F.pad(x, (0, more[0], 0, more[1]), mode="reflect") if any(more) else x

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """Nearly the maximum a posteriori estimate, in pixel space, from a start made from y.

        γ is 3.5·σ^2.5, about σ² at σ = 0.1, and the search ends before it converges: later on it
        removes detail with the noise. Both were chosen on validation photographs.
        """
        gamma = LEAST
        if noise.known:
            gamma = max(3.5 * noise.typical_weight * noise.std**2.5, LEAST)
        loud = noise.known and noise.std > LOUD
        return Choices(
            space="pixel",
            penalty="nll",
            gamma=gamma,
            start=_start(operator, noise),
            budget=300 if loud else 150,
            refused=COLOURS if operator.loses_channels else None,
            instead=[{"prior": "none"}],
        )


def _start(operator: Operator, noise: Noise) -> Spec:
    """A picture made from y: the Lasso's where y isn't like one."""
    pictured = operator.image(torch.zeros(1, *operator.y_shape)) is not None
    squares = isinstance(operator, LinearOperator) and isinstance(noise, GaussianNoise)
    return "lasso" if squares and not pictured else "shown"
