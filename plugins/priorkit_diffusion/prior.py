"""The diffusion prior: a denoiser at every noise level."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Choices,
    Decoder,
    Denoiser,
    Density,
    Encoder,
    Noise,
    Operator,
    Pullback,
    Sampler,
    Shape,
    Space,
)
from priorkit.io.weights import Card
from priorkit.linear import energy
from priorkit_diffusion.choices import choose, has_hole
from priorkit_diffusion.determinant import log_determinant
from priorkit_diffusion.flow import Denoising, Flow, recomputed
from priorkit_diffusion.network import DenoisingNetwork, kept
from priorkit_diffusion.networks import Networks

__all__ = ["DiffusionPrior"]


STEPS = 18


class DiffusionPrior(Denoiser, Decoder, Encoder, Density, Sampler):
    """A noise-conditional network D(v; σ) ≈ E[x | v], v = x + N(0, σ²·1), of pictures in [0, 1].

    Its probability-flow ODE turns latents z ~ N(0, 1) of the size of a picture into pictures with
    noise of the least level that the network knows, about half a grey level. The steps are inverted
    exactly, so that ``decode`` and ``encode`` are inverses of each other. ``log_prob`` is the
    density of decoded latents, estimated for pictures of more than 512 numbers.

    Weights without a shape are for pictures of any. A gray picture enters the network as three
    equal channels. A picture whose sides aren't multiples of 8 is extended by reflection, and the
    result is cropped. Large pictures are denoised in tiles, with the same result in less memory;
    see :mod:`priorkit_diffusion.tiles`.

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it
    finer : where the card names another network for little noise, whether it is used; by default
        except for holes, whose content only a network trained on such pictures can predict
    mirrored : whether the result is averaged with that of the mirrored picture: better by about
        0.1 dB, for twice the time; by default only for holes
    steps : of the ODE, each two calls of the network
    probes : random vectors of the estimate of a determinant

    Raises WeightsError for a file that is missing, damaged, or not a denoising network.

    Reference: Karras, Aittala, Aila & Laine, "Elucidating the design space of diffusion-based
    generative models", NeurIPS 2022; as a density: Song et al., "Score-based generative modeling
    through stochastic differential equations", ICLR 2021, section 4.3.
    """

    rough = False  # whether it denoises, and pulls back, in mixed precision

    def __init__(
        self,
        *,
        weights: str | os.PathLike[str],
        finer: bool | None = None,
        mirrored: bool | None = None,
        steps: Annotated[int, Field(ge=2, le=1000)] = STEPS,
        probes: Annotated[int, Field(ge=1, le=1000)] = 1,
    ) -> None:
        networks, cards = Networks.read(Path(weights), finer=finer is not False)
        self._set(networks, finer, mirrored, steps, probes)
        self.card: Card | None = cards[0]
        self.provenance = {card.name: card.sha256 for card in cards}

    @classmethod
    def from_network(cls, network: DenoisingNetwork, *, steps: int = STEPS) -> DiffusionPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior._set(Networks([network]), None, None, steps, 1)
        prior.card = None
        return prior

    def _set(
        self,
        networks: Networks,
        finer: bool | None,
        mirrored: bool | None,
        steps: int,
        probes: int,
    ) -> None:
        self.networks = networks.varied(alone=False, mirrored=bool(mirrored))
        self.finer, self.mirrored, self.steps, self.probes = finer, mirrored, steps, probes
        self.config = networks.configs[0]
        self.shape, self.levels = self.config.shape, networks.levels

    def bind(self, shape: Shape) -> DiffusionPrior:
        """For (3, H, W), or (1, H, W) where the weights are for any picture. Raises
        BadInputError."""
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise BadInputError(
                "This prior is for gray or colour pictures.",
                got="×".join(map(str, shape)),
                try_="shape=(3, 64, 64)",
            )
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        return bound

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """See :mod:`priorkit_diffusion.choices`."""
        choices = choose(operator, noise)
        own = self._for_holes() if has_hole(operator) else None
        return replace(choices, prior=own, rough=True)

    def _for_holes(self) -> DiffusionPrior:
        """A copy with the first network alone and, for weights with a shape (faces), with
        mirroring, unless the user set these options."""
        own = copy.copy(self)
        mirrored = self.config.shape is not None if self.mirrored is None else self.mirrored
        own.networks = self.networks.varied(alone=self.finer is None, mirrored=mirrored)
        own.levels = own.networks.levels
        return own

    @property
    def memory(self) -> int:
        """Of the pullback of one call, which keeps the hidden pictures, and of the pictures between
        calls; 0 where the shape isn't known."""
        numbers = sum(map(kept, self.networks.configs)) + 2 * 3 * (2 * self.steps + 1)
        return 4 * numbers * math.prod(self.shape[1:]) if self.shape else 0

    @property
    def denoising_memory(self) -> int:
        """See :meth:`Networks.memory`; 0 where the shape isn't known."""
        return self.networks.memory(*self.shape[1:]) if self.shape else 0

    @property
    def density_memory(self) -> int:
        """Of the second derivative of a step, which is two calls."""
        return 5 * self.memory

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x; σ), each picture by itself, σ one number or (B,); differentiable in x."""
        return self.networks.denoised(x, sigma, rough=self.rough)

    def mixed(self, space: Space) -> DiffusionPrior:
        """Convolutions in bfloat16, in latent space those of the pullback alone."""
        own = copy.copy(self)
        own.rough = True
        return own

    @property
    def latent_size(self) -> int:
        """n, the numbers of a picture. Raises BadInputError where its shape isn't known yet."""
        return math.prod(self._known())

    def decode(self, z: Tensor) -> Tensor:
        return self._flow(recomputed(self._exact, self._exact)).decode(z.view(-1, *self._known()))

    def decode_vjp(self, z: Tensor) -> tuple[Tensor, Pullback]:
        flow = self._flow(recomputed(self._exact, partial(self.networks.clean, rough=self.rough)))
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            x = flow.decode(z.view(-1, *self._known()))
        return x.detach(), lambda r: torch.autograd.grad(x, z, r)[0]

    def _exact(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.networks.clean(x, sigma)

    def encode(self, x: Tensor) -> Tensor:
        flow = self._flow(self._exact)
        with torch.no_grad():
            return flow.latent(flow.undone(x)[0]).flatten(1)

    def log_prob(self, x: Tensor) -> Tensor:
        flow = self._flow(self._exact)
        starts = flow.undone(x)
        n = x[0].numel()
        normal = -0.5 * (energy(flow.latent(starts[0])) + n * math.log(2 * math.pi))
        total = normal - n * math.log(flow.highest)
        for number, (step, start) in enumerate(zip(flow.steps, starts, strict=True)):
            total = total - log_determinant(step, start, number=number, probes=self.probes)
        return total.to(x.dtype)

    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        z = temperature * torch.randn(n, self.latent_size, generator=generator)
        with torch.no_grad():
            return self.decode(z).clamp(0, 1)

    def _flow(self, denoise: Denoising) -> Flow:
        return Flow(denoise, self.levels, self.steps)

    def _known(self) -> Shape:
        if self.shape is None:
            raise BadInputError(
                "This prior is for pictures of any size: it has latents once the size is known.",
                try_="prior.bind((3, 64, 64))",
            )
        return self.shape
