"""RealNVP as a prior: a bijection between x and latents, with a density."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from priorkit.interfaces import (
    Choices,
    Decoder,
    Density,
    Encoder,
    Noise,
    Operator,
    Sampler,
)
from priorkit.io.weights import Card
from priorkit_realnvp.made import Made, restored
from priorkit_realnvp.network import RealNVP

__all__ = ["RealNVPPrior"]


class RealNVPPrior(Decoder, Encoder, Density, Sampler):
    """A trained RealNVP (Dinh et al. 2017) over images in [0, 1] or over vectors in ℝᵈ.

    ``decode`` and ``encode`` are inverses of each other, ``log_prob`` is the density over x
    in nats, differentiable with its log-determinant. The network is held in float64; copies
    for a device and dtype are made when an input first asks for them.

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it

    Raises WeightsError for a file that is missing, damaged, or not a RealNVP.

    Reference: Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP", ICLR 2017.
    """

    def __init__(self, *, weights: str | os.PathLike[str]) -> None:
        card, made = restored(weights)
        self.card: Card | None = card
        self.provenance = {card.name: card.sha256}
        self._hold(made)

    @classmethod
    def from_network(cls, network: RealNVP) -> RealNVPPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card = None
        prior._hold(Made(network))
        return prior

    def _hold(self, made: Made) -> None:
        self.config, self.shape = made.config, made.config.shape
        self._copies = made.network

    @property
    def latent_size(self) -> int:
        return self.config.n

    def decode(self, z: Tensor) -> Tensor:
        return self._copies.like(z).decode(z)

    def encode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self._copies.like(x).encode(x)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        return self._copies.like(x).log_prob(x)

    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        z = temperature * torch.randn(n, self.latent_size, generator=generator)
        with torch.no_grad():
            x = self.decode(z)
        return x.clamp(0, 1) if self.config.is_image else x

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """The paper's choices: z₀ = 0 and γ = 0, except where y is the whole of x.

        There γ = 0 would return the noise, and the estimate is the maximum a posteriori one
        in pixel space: γ = 2σ² where the noise is known.
        """
        if operator.sees_all:
            if not noise.known:
                return Choices(space="pixel", penalty="nll")
            if noise.std > 0:
                variance = noise.typical_weight * noise.std**2
                return Choices(space="pixel", penalty="nll", gamma=2 * variance)
        return Choices(space="latent", penalty="l2", gamma=0.0)
