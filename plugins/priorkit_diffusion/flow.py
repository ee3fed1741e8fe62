"""The probability-flow ODE of a denoiser, in invertible steps: a bijection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit_diffusion.fixed import zero

__all__ = ["Denoising", "Flow", "Step", "recomputed"]

log = logging.getLogger("priorkit")

Denoising = Callable[[Tensor, float], Tensor]  # x, σ ↦ D(x; σ)

RHO = 7  # the larger, the more steps at small σ
TOLERATED = 1e-4  # error of an inverse without a warning: a fortieth of a grey level


@dataclass(frozen=True)
class Step:
    """Heun's step x ↦ x' for dx/dσ = Φ(x, σ) = (x − D(x; σ))/σ from one σ down to the next:

        e = x + h·Φ(x, σ),   x' = x + h/2·(Φ(x, σ) + Φ(e, σ')),   h = σ' − σ.

    It has an inverse where x' − x has a slope below 1, which is so if the steps are fine enough.
    """

    denoise: Denoising
    above: float
    below: float

    def __call__(self, x: Tensor) -> Tensor:
        return self._heun(x, self.above, self.below)

    def _heun(self, x: Tensor, start: float, end: float) -> Tensor:
        slope = self._slope(x, start)
        return x + (end - start) / 2 * (slope + self._slope(x + (end - start) * slope, end))

    def _slope(self, x: Tensor, sigma: float) -> Tensor:
        return (x - self.denoise(x, sigma)) / sigma

    def undo(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The point that the step takes to x, and the error that is left, in parts of x, (B,).

        The first guess is Heun's step backwards. The point is differentiable in x, by w = J⁻ᵀ g,
        for which only the point itself is kept.
        """
        found: tuple[Tensor, Tensor] = _Undone.apply(x, self)
        return found


class Flow:
    """x = G(z), from pure noise z ~ N(0, 1) to images with noise of the least level:

        dx/dσ = (x − D(x; σ))/σ,   x(σ_max) = ½ + σ_max·z,   x = x(σ_min).

    N of Heun's steps on σᵢ = (σ_max^(1/ρ) + i/N·(σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ, ρ = 7. The inverse
    solves each step exactly, instead of integrating the ODE backwards, so that G is a bijection.

    Parameters
    ----------
    denoise : D, of images (B, …) in units of [0, 1] and one σ
    levels : σ_min and σ_max, in the same units
    steps : N

    Reference: Karras, Aittala, Aila & Laine, "Elucidating the design space of diffusion-based
    generative models", NeurIPS 2022, algorithm 1 and eq. 5.
    """

    def __init__(self, denoise: Denoising, levels: tuple[float, float], steps: int) -> None:
        low, high = (level ** (1 / RHO) for level in levels)
        inner = [(high + i / steps * (low - high)) ** RHO for i in range(1, steps)]
        sigmas = [levels[1], *inner, levels[0]]
        self.highest = levels[1]
        self.steps = [Step(denoise, above, below) for above, below in pairwise(sigmas)]

    def decode(self, z: Tensor) -> Tensor:
        """G(z), both (B, C, H, W)."""
        x = 0.5 + self.highest * z
        for step in self.steps:
            x = step(x)
        return x

    def undone(self, x: Tensor) -> list[Tensor]:
        """The points at which the steps to x begin, in the order of the steps.

        Where a step can't be inverted, the nearest point found is taken, and the log warns.
        """
        points, lacking = [], x.new_zeros(len(x))
        for step in reversed(self.steps):
            x, gap = step.undo(x)
            points.append(x)
            lacking = torch.maximum(lacking, gap)
        lost = int((~(lacking <= TOLERATED)).sum())
        if lost:
            log.warning(
                "%d of %s: no latent to within %g. More steps of the prior may help.",
                lost,
                counted(len(x), "images"),
                TOLERATED,
            )
        return points[::-1]

    def latent(self, start: Tensor) -> Tensor:
        """z, from the point at which the first step begins."""
        return (start - 0.5) / self.highest


def recomputed(denoise: Denoising, pullback: Denoising) -> Denoising:
    """D, with the gradient of ``pullback``, computed in the backward pass, which keeps x alone."""

    def call(x: Tensor, sigma: float) -> Tensor:
        result: Tensor = _Recomputed.apply(x, sigma, denoise, pullback)
        return result

    return call


class _Recomputed(torch.autograd.Function):
    """D(x; σ) without a graph; the backward pass makes that of the pullback."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, sigma: float, denoise: Denoising, pullback: Denoising
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.again = lambda x: pullback(x, sigma)
        return denoise(x, sigma)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, r: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_(True)
            (pulled,) = torch.autograd.grad(ctx.again(x), x, r)
        return pulled, None, None, None


class _Undone(torch.autograd.Function):
    """The inverse of a step, differentiated by the implicit function theorem."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        guess = step._heun(y, step.below, step.above)
        x, gap = zero(lambda x: y - step(x), guess)
        ctx.step = step
        ctx.save_for_backward(x)
        ctx.mark_non_differentiable(gap)
        return x, gap

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor, _: Tensor) -> tuple[Tensor, None]:
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_(True)
            y = ctx.step(x)

        def lacking(w: Tensor) -> Tensor:
            return g - torch.autograd.grad(y, x, w, retain_graph=True)[0]

        return zero(lacking, g)[0], None
