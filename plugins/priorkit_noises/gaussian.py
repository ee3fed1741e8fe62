"""Gaussian noise: independent, of one standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import GaussianNoise
from priorkit.streams import Streams
from priorkit_noises.levels import Amount, level

__all__ = ["Gaussian"]


class Gaussian(GaussianNoise):
    """y = A x + η with η ~ N(0, σ²·1), whose misfit is ℓ = ‖A x − y‖².

    Complex noise of variance σ² has σ²/2 in each part. Where neither level is given, σ is
    unknown, and a simulated y has no noise.

    Parameters
    ----------
    sigma : σ, the standard deviation per entry of y
    noise_norm : √E‖η‖² over all entries that are seen, instead
    """

    def __init__(self, *, sigma: Amount = None, noise_norm: Amount = None) -> None:
        self.level = level(sigma, noise_norm)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if not self.std:
            return Ax
        n = Ax[0].numel()
        if Ax.is_complex():
            parts = streams.normal(2 * n).view(-1, 2, n) / 2**0.5
            eta = torch.complex(parts[:, 0], parts[:, 1])
        else:
            eta = streams.normal(n)
        eta = self.std * eta.view(Ax.shape)
        return Ax + eta.to(Ax.device, Ax.dtype)
