"""R: pictures that change little from pixel to pixel."""

import torch
from torch import Tensor

from priorkit.interfaces import Penalty
from priorkit.linear import energy


class Roughness(Penalty):
    """R(x) = ½ Σ (x[i + 1] − x[i])² along rows and columns."""

    acts_on = "x"

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        value = u.new_zeros(len(u), dtype=torch.float64)
        gradient = torch.zeros_like(u)
        for axis in (-2, -1):
            step = u.diff(dim=axis)
            value = value + 0.5 * energy(step)
            gradient.narrow(axis, 0, step.shape[axis]).sub_(step)
            gradient.narrow(axis, 1, step.shape[axis]).add_(step)
        return value, gradient
