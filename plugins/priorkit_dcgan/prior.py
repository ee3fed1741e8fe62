"""DCGAN as a prior: images are what the generator makes of 100 numbers."""

from __future__ import annotations

import copy
import os
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from priorkit.interfaces import Choices, Copies, Decoder, Noise, Operator, Sampler
from priorkit.io.warm import Read, Warm
from priorkit.io.weights import Card, restore
from priorkit_dcgan.network import DCGANConfig, Generator, folded

__all__ = ["DCGANPrior"]


class DCGANPrior(Decoder, Sampler):
    """The generator of a trained DCGAN (Radford, Metz & Chintala 2016), in [0, 1].

    It neither encodes nor has a density. Its images are a small subset of all images: however
    much is measured, a recovery comes no nearer to the truth than the nearest of them (Bora et
    al. 2017).

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it

    Raises WeightsError for a file that is missing, damaged, or not a DCGAN.
    """

    def __init__(self, *, weights: str | os.PathLike[str]) -> None:
        path = Path(weights)
        card, config, copies = _warm.of(path.absolute(), partial(_restored, path))
        self.card: Card | None = card
        self.provenance = {card.name: card.sha256}
        self._hold(config, copies)

    @classmethod
    def from_network(cls, generator: Generator) -> DCGANPrior:
        """A prior from a generator in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card = None
        prior._hold(generator.config, _copies(generator))
        return prior

    def _hold(self, config: DCGANConfig, copies: Copies[nn.Sequential]) -> None:
        self.config, self.shape = config, config.shape
        self._copies = copies

    @property
    def latent_size(self) -> int:
        return self.config.latent

    def decode(self, z: Tensor) -> Tensor:
        """G(z). An odd batch is padded by one row, so that an image's bits don't depend on it."""
        odd = len(z) % 2 == 1 and len(z) > 1
        even = torch.cat([z, z[-1:]]) if odd else z
        return ((self._copies.like(z)(even[:, :, None, None]).tanh() + 1) / 2)[: len(z)]

    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        z = temperature * torch.randn(n, self.latent_size, generator=generator)
        with torch.no_grad():
            return self.decode(z)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """The paper's: γ = 0, z₀ ~ N(0, 0.1²·1), three restarts (Asim et al. 2020, section 4).

        100 numbers can't fit noise, so that no penalty is needed for denoising either.
        """
        return Choices(
            space="latent",
            penalty="none",
            gamma=0.0,
            start={"name": "normal", "std": 0.1},
            restarts=3,
        )


_warm = Warm[tuple[Card, DCGANConfig, Copies[nn.Sequential]]]()


def _restored(path: Path, read: Read) -> tuple[Card, DCGANConfig, Copies[nn.Sequential]]:
    card, generator = restore(read(path), "dcgan", DCGANConfig, Generator)
    return card, generator.config, _copies(generator)


def _copies(generator: Generator) -> Copies[nn.Sequential]:
    """Of the folded generator, for each device and dtype."""
    exact = folded(generator)

    def copied(device: torch.device, dtype: torch.dtype) -> nn.Sequential:
        clone = copy.deepcopy(exact).to(device, dtype)
        return clone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    return Copies(copied)
