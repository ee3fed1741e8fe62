"""Laplace noise: heavy tails, and so a misfit that outliers can't dominate."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Noise
from priorkit.linear import sums
from priorkit.streams import Streams
from priorkit_noises.levels import Amount, added, level

__all__ = ["Laplace"]

# E[√(1 + t²/4) − 1] for t ~ Exp(1)
EXCESS = 0.1840602390044228


class Laplace(Noise):
    """y = A x + η with η of density exp(−|η|/b)/2b, b = σ/√2: robust to outliers.

    Its misfit is rounded off at r = 0, where |r| has a kink:

        ℓ = Σ 2δ² (√(1 + (r/δ)²) − 1),   r = A x − y,   δ = √2 σ,

    which is r² for small r, as for Gaussian noise, and −2σ² log p up to a constant for large
    ones. So the gradient of an outlier is bounded. Of complex y the sum goes over both parts of
    every entry, each of the standard deviation σ/√2.

    Parameters
    ----------
    sigma : σ, the standard deviation per entry of y, outliers left out; it must be known
    noise_norm : instead of sigma, √E‖η‖² over all measured entries

    Reference: Charbonnier, Blanc-Féraud, Aubert & Barlaud, "Deterministic edge-preserving
    regularization in computed imaging", IEEE Trans. Image Process. 1997 (the rounding).
    """

    def __init__(self, *, sigma: Amount = None, noise_norm: Amount = None) -> None:
        self.level = level(sigma, noise_norm)
        if not self.level.sigma and not self.level.noise_norm:
            raise BadInputError("Laplace noise needs to know its level.", ways=[{"sigma": 0.05}])

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        return added(Ax, lambda columns: self._draw(streams.uniform(columns)))

    def _draw(self, uniform: Tensor) -> Tensor:
        """The inverse of the distribution function: −b·sign(u − ½)·ln(1 − 2|u − ½|)."""
        centred = uniform - 0.5
        return -self.std / 2**0.5 * centred.sign() * torch.log1p(-2 * centred.abs())

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        residual, delta = Ax - y, 2**0.5 * self.std
        if residual.is_complex():
            value, slope = _rounded(torch.view_as_real(residual), delta / 2**0.5)
            return value, torch.view_as_complex(slope)
        return _rounded(residual, delta)

    @property
    def energy(self) -> float:
        return self.entries * 4 * self.std**2 * EXCESS


def _rounded(r: Tensor, delta: float) -> tuple[Tensor, Tensor]:
    """Σ 2δ² (√(1 + (r/δ)²) − 1) per image, and its gradient."""
    root = (1 + (r / delta).double().square()).sqrt()
    return sums(2 * delta**2 * (root - 1)), 2 * r / root.to(r.dtype)
