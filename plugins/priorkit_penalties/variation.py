"""Total variation of the image."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Penalty

__all__ = ["TotalVariation"]


class TotalVariation(Penalty):
    """R(x) = Σ √(|∂x|² + ε²) − ε, the isotropic total variation, rounded off at ε.

    ∂ are forward differences along height and width, zero past the border; the sum runs
    over channels and pixels. Rounding makes it smooth, so that L-BFGS applies.

    Parameters
    ----------
    epsilon : size of the gradient below which it counts quadratically, in pixel values

    Reference: Rudin, Osher & Fatemi, "Nonlinear total variation based noise removal
    algorithms", Physica D 1992.
    """

    acts_on = "x"

    def __init__(self, *, epsilon: Annotated[float, Field(gt=0)] = 1e-2) -> None:
        self.epsilon = epsilon

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        down, right = torch.zeros_like(u), torch.zeros_like(u)
        down[:, :, :-1] = u[:, :, 1:] - u[:, :, :-1]
        right[..., :-1] = u[..., 1:] - u[..., :-1]
        size = (down.square() + right.square() + self.epsilon**2).sqrt()
        value = (size - self.epsilon).flatten(1).sum(1)
        down, right = down / size, right / size
        gradient = -down - right
        gradient[:, :, 1:] += down[:, :, :-1]
        gradient[..., 1:] += right[..., :-1]
        return value, gradient
