"""Gaussian noise: independent, of one standard deviation."""

from __future__ import annotations

from torch import Tensor

from priorkit.interfaces import GaussianNoise
from priorkit.streams import Streams
from priorkit_noises.levels import Amount, added, level

__all__ = ["Gaussian"]


class Gaussian(GaussianNoise):
    """y = A x + η with η ~ N(0, σ²·1), whose misfit is ℓ = ‖A x − y‖².

    Complex noise of variance σ² has σ²/2 in each part. Where neither level is given, σ is
    unknown, and a simulated y has no noise.

    Parameters
    ----------
    sigma : σ, the standard deviation per entry of y
    noise_norm : instead of sigma, √E‖η‖² over all measured entries
    """

    def __init__(self, *, sigma: Amount = None, noise_norm: Amount = None) -> None:
        self.level = level(sigma, noise_norm)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if not self.std:
            return Ax
        return added(Ax, lambda columns: self.std * streams.normal(columns))
