"""DCGAN as a prior: images are what the generator makes of 100 numbers."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from priorkit import weights as weight_files
from priorkit.errors import WeightsError
from priorkit.interfaces import Choices, Decoder, Noise, Operator, Sampler
from priorkit_dcgan.network import DCGANConfig, Generator, folded

__all__ = ["DCGANPrior"]


class DCGANPrior(Decoder, Sampler):
    """The generator of a trained DCGAN (Radford, Metz & Chintala 2016), in [0, 1].

    It neither encodes nor has a density: its images are a thin sheet in the space of all, and
    no measurement brings a recovery nearer than that sheet comes (Bora et al. 2017).

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it

    Raises WeightsError for a file that is missing, damaged, or not a DCGAN.
    """

    def __init__(self, *, weights: str | os.PathLike[str]) -> None:
        found = weight_files.read(Path(weights))
        if found.card.family != "dcgan":
            raise WeightsError(f"{found.path} holds a {found.card.family!r}, not a DCGAN.")
        if found.card.range != (0.0, 1.0):
            raise WeightsError(f"{found.path} is not for images in [0, 1].", got=found.card.range)
        self.card: weight_files.Card | None = found.card
        self.provenance = {found.card.name: found.card.sha256}
        self._hold(_generator(found))

    @classmethod
    def from_network(cls, generator: Generator) -> DCGANPrior:
        """A prior from a generator in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card = None
        prior._hold(generator)
        return prior

    def _hold(self, generator: Generator) -> None:
        self.config = generator.config
        self.shape = generator.config.shape
        self._exact = folded(generator)
        self._copies: dict[tuple[torch.device, torch.dtype], nn.Sequential] = {}

    @property
    def latent_size(self) -> int:
        return self.config.latent

    def decode(self, z: Tensor) -> Tensor:
        return (self._like(z)(z[:, :, None, None]).tanh() + 1) / 2

    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        z = temperature * torch.randn(n, self.latent_size, generator=generator)
        with torch.no_grad():
            return self.decode(z)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """The paper's: γ = 0, z₀ ~ N(0, 0.1²·1), three restarts (Asim et al. 2020, section 4).

        100 numbers can't follow noise, so that no penalty is needed for denoising either.
        """
        return Choices(
            space="latent",
            penalty="none",
            gamma=0.0,
            start={"name": "normal", "std": 0.1},
            restarts=3,
        )

    def _like(self, tensor: Tensor) -> nn.Sequential:
        key = (tensor.device, tensor.dtype)
        if key not in self._copies:
            clone = copy.deepcopy(self._exact).to(*key)
            self._copies[key] = clone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self._copies[key]


def _generator(found: weight_files.Weights) -> Generator:
    state = found.load()
    try:
        config = DCGANConfig.from_dict(found.card.architecture)
        with torch.device("meta"):  # nothing is allocated before the shapes agree
            generator = Generator(config)
        for name, tensor in generator.state_dict().items():
            if name.endswith("num_batches_tracked"):
                state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        generator.load_state_dict(tensors, assign=True)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise WeightsError(
            f"{found.path} doesn't fit the architecture on its card.",
            got=str(error).splitlines()[0][:200],
        ) from error
    return generator.requires_grad_(False)
