"""RealNVP as a prior: a bijection between x and latents, with a density."""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path

import torch
from torch import Tensor

from priorkit import weights as weight_files
from priorkit.errors import WeightsError
from priorkit.interfaces import Choices, Decoder, Density, Encoder, Noise, Operator, Sampler
from priorkit_realnvp.network import RealNVP, RealNVPConfig

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
        found = weight_files.read(Path(weights))
        if found.card.family != "realnvp":
            raise WeightsError(f"{found.path} holds a {found.card.family!r}, not a RealNVP.")
        if found.card.range != (0.0, 1.0):  # of images; that of vectors is whatever it was
            raise WeightsError(f"{found.path} is not for images in [0, 1].", got=found.card.range)
        self.card: weight_files.Card | None = found.card
        self.provenance = {found.card.name: found.card.sha256}
        self._hold(_network(found))

    @classmethod
    def from_network(cls, network: RealNVP) -> RealNVPPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card = None
        prior._hold(network)
        return prior

    def _hold(self, network: RealNVP) -> None:
        self.config = network.config
        self.shape = network.config.shape
        self._exact = copy.deepcopy(network).double().eval().requires_grad_(False)
        self._copies: dict[tuple[torch.device, torch.dtype], RealNVP] = {}

    @property
    def latent_size(self) -> int:
        return self.config.n

    def decode(self, z: Tensor) -> Tensor:
        return self._like(z).decode(z)

    def encode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self._like(x).encode(x)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        return self._like(x).log_prob(x)

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
        if operator.y_shape == self.shape and operator.seen() is None:
            sigma = noise.std(math.prod(operator.y_shape))
            if sigma > 0:
                return Choices(space="pixel", penalty="nll", gamma=2 * sigma**2)
            if noise.sigma is None and noise.noise_norm is None:
                return Choices(space="pixel", penalty="nll")
        return Choices(space="latent", penalty="l2", gamma=0.0)

    def _like(self, tensor: Tensor) -> RealNVP:
        key = (tensor.device, tensor.dtype)
        if key not in self._copies:
            self._copies[key] = copy.deepcopy(self._exact).to(*key)
        return self._copies[key]


def _network(found: weight_files.Weights) -> RealNVP:
    state = found.load()
    try:
        config = RealNVPConfig.from_dict(found.card.architecture)
        with torch.device("meta"):  # nothing is allocated before the shapes agree
            network = RealNVP(config)
        tensors = {key: value.float() for key, value in state.items()}
        network.load_state_dict(tensors, assign=True)
    except (TypeError, KeyError, ValueError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"{found.path} doesn't fit the architecture on its card.",
            got=(str(error).splitlines() or [type(error).__name__])[0][:200],
        ) from error
    return network
