"""D that can only denoise: small waves are noise."""

import torch
from torch import Tensor

from priorkit.interfaces import Denoiser, Shape
from priorkit.linear import column
from priorkit_toy.prior import cosines


class Threshold(Denoiser):
    """Sets the cosine coefficients to 0 that are smaller than ``3 sigma``."""

    def bind(self, shape: Shape) -> "Threshold":
        bound = Threshold()
        bound.V, bound.W = (cosines(side, side) for side in shape[1:])
        return bound

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        V, W = self.V.to(x), self.W.to(x)
        waves = V.T @ x @ W
        return V @ torch.where(waves.abs() > 3 * column(sigma, x), waves, 0) @ W.T
