"""Glow as a prior: a bijection between images and latents, with a density."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priorkit import weights as weight_files
from priorkit.errors import WeightsError
from priorkit.interfaces import (
    Choices,
    Decoder,
    Density,
    Encoder,
    Noise,
    Operator,
    Sampler,
)
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.network import Glow, GlowConfig

__all__ = ["GlowPrior"]


# Weights without a table of their own: γ = 0.7σ² was best for `glow-celeba`, whose density is
# sharper than pictures are; γ = 2σ² would be the MAP estimate of an exact density.
UNCALIBRATED: dict[str, Any] = {
    "space": "pixel",
    "penalty": "nll",
    "sigma": [0.01, 1.0],
    "gamma": [7e-5, 0.7],
}


class GlowPrior(Decoder, Encoder, Density, Sampler):
    """A trained Glow (Kingma & Dhariwal 2018) over images in [0, 1].

    ``decode`` and ``encode`` are exact inverses of each other, ``log_prob`` is the density
    over x in nats. The network is folded at load and held in float64; tensors of a device
    and dtype are made when an input first asks for them.

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it

    Raises WeightsError for a file that is missing, damaged, or not a Glow.
    """

    def __init__(self, *, weights: str | os.PathLike[str]) -> None:
        found = weight_files.read(Path(weights))
        if found.card.family != "glow":
            raise WeightsError(f"{found.path} holds a {found.card.family!r}, not a Glow.")
        self.card: weight_files.Card | None = found.card
        self.provenance = {found.card.name: found.card.sha256}
        self._hold(_network(found))

    @classmethod
    def from_network(cls, network: Glow) -> GlowPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card = None
        prior._hold(network)
        return prior

    def _hold(self, network: Glow) -> None:
        self.config = network.config
        self.shape = network.config.shape
        self._exact = FoldedGlow.of(network)
        self._copies: dict[tuple[torch.device, torch.dtype], FoldedGlow] = {}

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
            return self.decode(z).clamp(0, 1)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """The paper's choices: z₀ = 0 and γ = 0, except where y is a whole picture.

        There γ = 0 would return the noise. The estimate is then the maximum a posteriori one
        in pixel space, with γ from the card's ``denoising`` table of pairs (σ, γ), calibrated
        on validation pictures and interpolated linearly in the logarithms.
        """
        card = self.card.defaults if self.card is not None else {}
        table = card.get("denoising") or UNCALIBRATED
        sigma = noise.sigma
        if sigma is None and noise.noise_norm is not None and operator.y_shape:
            sigma = noise.std(math.prod(operator.y_shape))
        if operator.y_shape == self.shape and operator.seen() is None:
            gamma = _interpolate(table["sigma"], table["gamma"], sigma) if sigma else None
            return Choices(space=table["space"], penalty=table["penalty"], gamma=gamma)
        return Choices(space="latent", penalty="l2", gamma=0.0)

    def _like(self, tensor: Tensor) -> FoldedGlow:
        key = (tensor.device, tensor.dtype)
        if key not in self._copies:
            self._copies[key] = self._exact.to(*key)
        return self._copies[key]


def _network(found: weight_files.Weights) -> Glow:
    state = found.load()
    try:
        config = GlowConfig.from_dict(found.card.architecture)
        with torch.device("meta"):  # nothing is allocated before the shapes agree
            network = Glow(config)
        tensors = {key: value.float() for key, value in state.items()}
        network.load_state_dict(tensors, assign=True)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"{found.path} doesn't fit the architecture on its card.",
            got=str(error).splitlines()[0][:200],
        ) from error
    return network.requires_grad_(False)


def _interpolate(xs: list[float], ys: list[float], x: float) -> float:
    """Piecewise linear in (log x, log y), extended by the outer pieces."""
    i = max(1, min(len(xs) - 1, sum(v < x for v in xs)))
    (x0, x1), (y0, y1) = map(math.log, xs[i - 1 : i + 1]), map(math.log, ys[i - 1 : i + 1])
    return math.exp(y0 + (y1 - y0) * (math.log(x) - x0) / (x1 - x0))
