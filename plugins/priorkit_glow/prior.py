"""Glow as a prior: a bijection between images and latents, with a density."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError, model_validator
from torch import Tensor

from priorkit.errors import WeightsError
from priorkit.interfaces import (
    Choices,
    Copies,
    Decoder,
    Density,
    Encoder,
    Noise,
    Operator,
    Sampler,
)
from priorkit.io.weights import Card, restore
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.network import Glow, GlowConfig

__all__ = ["GlowPrior"]


class DenoisingTable(BaseModel):
    """γ at a few noise levels, for measurements that are whole noisy pictures."""

    space: Literal["latent", "pixel"]
    penalty: str
    sigma: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)
    gamma: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _pairs(self) -> DenoisingTable:
        if len(self.sigma) != len(self.gamma) or self.sigma != sorted(set(self.sigma)):
            raise ValueError("sigma must ascend and be as long as gamma")
        return self

    def at(self, sigma: float) -> float:
        """γ at σ: piecewise linear in the logarithms, γ ∝ σ² outside the table."""
        xs = [self.sigma[0] / 10, *self.sigma, self.sigma[-1] * 10]
        ys = [self.gamma[0] / 100, *self.gamma, self.gamma[-1] * 100]
        return float(np.exp(np.interp(np.log(sigma), np.log(xs), np.log(ys))))


# For weights without a table of their own: γ = 0.7σ² was best for `glow-celeba`, whose density
# is sharper than pictures are; γ = 2σ² would be the MAP estimate of an exact density.
UNCALIBRATED = DenoisingTable(space="pixel", penalty="nll", sigma=[1.0], gamma=[0.7])


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
        card, network = restore(weights, "glow", GlowConfig, Glow)
        self.card: Card | None = card
        self._table = _table(card, Path(weights))
        self.provenance = {card.name: card.sha256}
        try:
            self._hold(network)
        except torch.linalg.LinAlgError as error:
            raise WeightsError(f"{weights} has a 1×1 convolution without inverse.") from error

    @classmethod
    def from_network(cls, network: Glow) -> GlowPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card, prior._table = None, UNCALIBRATED
        prior._hold(network)
        return prior

    def _hold(self, network: Glow) -> None:
        self.config = network.config
        self.shape = network.config.shape
        self._copies = Copies(FoldedGlow.of(network).to)

    @property
    def latent_size(self) -> int:
        return self.config.n

    @property
    def memory(self) -> int:
        """Hidden activations of every step, which the pullback needs."""
        config, (_, height, width) = self.config, self.config.shape
        levels = zip(config.steps, config.width, range(1, len(config.steps) + 1), strict=True)
        return sum(16 * s * w * (height * width >> 2 * level) for s, w, level in levels)

    def decode(self, z: Tensor) -> Tensor:
        return self._copies.like(z).decode(z)

    def blame(self, z: Tensor) -> str:
        return self._copies.like(z).blame(z)

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
            return self.decode(z).clamp(0, 1)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """The paper's choices: z₀ = 0 and γ = 0, except where y is a whole picture.

        There γ = 0 would return the noise. The estimate is then the maximum a posteriori one
        in pixel space, with γ from the card's ``denoising`` table of pairs (σ, γ), calibrated
        on validation pictures and interpolated linearly in the logarithms.
        """
        if operator.sees_all:
            natural = Choices(space=self._table.space, penalty=self._table.penalty)
            if not noise.known:
                return natural
            if noise.std > 0:
                return replace(natural, gamma=self._table.at(noise.std))
        return Choices(space="latent", penalty="l2", gamma=0.0)


def _table(card: Card, path: Path) -> DenoisingTable:
    table = card.defaults.get("denoising")
    try:
        return UNCALIBRATED if table is None else DenoisingTable.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        raise WeightsError(
            f"The denoising table on the card of {path} is not valid.",
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
        ) from error
