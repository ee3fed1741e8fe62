"""The diffusion prior: a denoiser at every noise level."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, Field, ValidationError, model_validator
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import BadInputError, WeightsError
from priorkit.interfaces import (
    Choices,
    Copies,
    Density,
    Encoder,
    MixedDecoder,
    MixedDenoiser,
    Noise,
    Operator,
    Pullback,
    Sampler,
    Shape,
)
from priorkit.io.weights import Card, restore
from priorkit.linear import column, energy
from priorkit_diffusion.choices import choose, has_hole
from priorkit_diffusion.determinant import log_determinant
from priorkit_diffusion.flow import Denoising, Flow, recomputed
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork, kept
from priorkit_diffusion.tiles import Tiles, numbers

__all__ = ["DiffusionPrior"]


class Finer(BaseModel):
    """Another network for little noise: alone below the first σ, together with this one up to
    the second, as much as ln σ says. Both are in units of [0, 1]."""

    weights: str
    sigma: tuple[float, float]

    @model_validator(mode="after")
    def _ascending(self) -> Finer:
        if not 0 < self.sigma[0] < self.sigma[1]:
            raise ValueError("sigma is two levels, the lower first")
        return self


STEPS = 18


class DiffusionPrior(MixedDenoiser, MixedDecoder, Encoder, Density, Sampler):
    """A noise-conditional network D(v; σ) ≈ E[x | v], v = x + N(0, σ²·1), of pictures in [0, 1].

    Its probability-flow ODE makes latents z ~ N(0, 1) of the size of a picture into pictures,
    those with noise of the least level that it knows, about half a grey level. Its steps are
    undone exactly, so that ``decode`` and ``encode`` are inverses of each other, and
    ``log_prob`` is the density of what they draw, estimated for more than 512 numbers.

    Pictures of weights without a shape may have any; of gray ones the network sees three equal
    colours. Sides that aren't multiples of 8 are reflected beyond the edge meanwhile. Large
    pictures are seen in tiles, which changes nothing but the memory that it takes; see
    :mod:`priorkit_diffusion.tiles`.

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it
    finer : where the card names another network for little noise, whether it is used; by default
        except for holes, whose inside nobody but the network for such pictures can know
    mirrored : whether what a picture's mirror image gives is averaged in: better by about 0.1 dB,
        for twice the time; by default for holes alone
    steps : of the ODE, each two calls of the network
    probes : random vectors of the estimate of a determinant

    Raises WeightsError for a file that is missing, damaged, or not a denoising network.

    Reference: Karras, Aittala, Aila & Laine, "Elucidating the design space of diffusion-based
    generative models", NeurIPS 2022; as a density: Song et al., "Score-based generative modeling
    through stochastic differential equations", ICLR 2021, section 4.3.
    """

    def __init__(
        self,
        *,
        weights: str | os.PathLike[str],
        finer: bool | None = None,
        mirrored: bool | None = None,
        steps: Annotated[int, Field(ge=2, le=1000)] = STEPS,
        probes: Annotated[int, Field(ge=1, le=1000)] = 1,
    ) -> None:
        self.steps, self.probes = steps, probes
        self._finer, self._mirrored, self.mirrored = finer, mirrored, bool(mirrored)
        card, network = restore(weights, "diffusion", DenoiserConfig, DenoisingNetwork)
        self.card: Card | None = card
        self.provenance = {card.name: card.sha256}
        networks, between = [network], None
        other = None if finer is False else _finer(card, Path(weights))
        if other is not None:
            path = Path(weights).with_name(f"{other.weights}.safetensors")
            beside, fine = restore(path, "diffusion", DenoiserConfig, DenoisingNetwork)
            self.provenance[beside.name] = beside.sha256
            networks, between = [network, fine], other.sigma
        self._hold(networks, between)

    @classmethod
    def from_network(cls, network: DenoisingNetwork, *, steps: int = STEPS) -> DiffusionPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card, prior.steps, prior.probes = None, steps, 1
        prior._finer, prior._mirrored, prior.mirrored = None, None, False
        prior._hold([network], None)
        return prior

    def _hold(self, networks: list[DenoisingNetwork], between: tuple[float, float] | None) -> None:
        self.config = networks[0].config
        self._configs = [network.config for network in networks]
        self.shape = self.config.shape
        self._between = between
        self._tiles = Tiles.of(self._configs)
        self.levels = (networks[-1].config.sigma[0] / 2, self.config.sigma[1] / 2)
        exact = [copy.deepcopy(n).double().eval().requires_grad_(False) for n in networks]
        self._copies = Copies(lambda device, dtype: [_copy(n, device, dtype) for n in exact])
        self._rough = Copies(lambda device, dtype: [_rough(n, device, dtype) for n in exact])

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
        return replace(choices, prior=self._for_holes() if has_hole(operator) else None)

    def _for_holes(self) -> DiffusionPrior:
        """With the first of its networks alone, and of faces, which have a shape, with mirrors,
        unless the user said otherwise."""
        own = copy.copy(self)
        if self._finer is None:
            own._between, own._configs = None, self._configs[:1]
            own._tiles = Tiles.of(own._configs)
            own.levels = (self.config.sigma[0] / 2, self.config.sigma[1] / 2)
        own.mirrored = self.config.shape is not None if self._mirrored is None else self._mirrored
        return own

    @property
    def memory(self) -> int:
        """Of the pullback of one call, which keeps its hidden pictures, and the pictures between
        calls."""
        between = 2 * 3 * (2 * self.steps + 1)
        return sum(self._bytes(kept(config)) for config in self._configs) + self._bytes(between)

    @property
    def denoising_memory(self) -> int:
        """Of the widest pictures of a call and those beside them; of a large picture of two tiles,
        since the memory of one isn't always what the next one takes."""
        whole = self._bytes(max(map(numbers, self._configs)))
        if self._tiles is not None and self.shape is not None:
            share = self._tiles.pixels(*self.shape[1:]) / math.prod(self.shape[1:])
            whole = whole if share == 1 else math.ceil(2 * share * whole)
        return whole + self._bytes(4 * 3)

    @property
    def density_memory(self) -> int:
        """Of the second derivative of a step, which is two calls."""
        return 5 * self.memory

    def _bytes(self, numbers: int) -> int:
        """Of so many float32 at every pixel; 0 where the shape isn't known."""
        return 4 * numbers * math.prod(self.shape[1:]) if self.shape else 0

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x; σ), each picture by itself, σ one number or (B,); with gradients where x has one."""
        return self._clean(x, sigma, self._copies)

    def denoise_mixed(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The same with convolutions in bfloat16."""
        return self._clean(x, sigma, self._rough)

    @property
    def latent_size(self) -> int:
        """n, the numbers of a picture. Raises BadInputError where its shape isn't known yet."""
        return math.prod(self._known())

    def decode(self, z: Tensor) -> Tensor:
        return self._decoded(z, self.denoise)

    def decode_vjp_mixed(self, z: Tensor) -> tuple[Tensor, Pullback]:
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            x = self._decoded(z, self.denoise_mixed)
        return x.detach(), lambda r: torch.autograd.grad(x, z, r)[0]

    def _decoded(self, z: Tensor, pullback: Denoising) -> Tensor:
        return self._flow(recomputed(self.denoise, pullback)).decode(z.view(-1, *self._known()))

    def encode(self, x: Tensor) -> Tensor:
        flow = self._flow(self.denoise)
        with torch.no_grad():
            return flow.latent(flow.undone(x)[0]).flatten(1)

    def log_prob(self, x: Tensor) -> Tensor:
        flow = self._flow(self.denoise)
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

    def _clean(self, x: Tensor, sigma: float | Tensor, copies: Copies[Any]) -> Tensor:
        networks = copies.like(x)
        level = 2 * torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        v = _padded(2 * x - 1, max(config.multiple for config in self._configs))
        v = v.expand(-1, 3, -1, -1)
        clean = self._seen(v, level, networks)
        if self.mirrored:
            clean = (clean + self._seen(v.flip(-1), level, networks).flip(-1)) / 2
        if x.shape[1] == 1:
            clean = clean.mean(1, keepdim=True)
        return (clean[..., : x.shape[-2], : x.shape[-1]] + 1) / 2

    def _seen(self, v: Tensor, level: Tensor, networks: list[DenoisingNetwork]) -> Tensor:
        """Whole pictures, of which large ones are seen in tiles."""
        if self._tiles is None:
            return self._by_level(v, level, networks)
        return self._tiles.apply(lambda part: self._by_level(part, level, networks), v)

    def _by_level(self, v: Tensor, level: Tensor, networks: list[DenoisingNetwork]) -> Tensor:
        """Each picture by the networks for its σ, in [-1, 1]."""
        if self._between is None:
            return networks[0](v, level)
        low, high = (2 * sigma for sigma in self._between)
        share = ((level / low).log() / math.log(high / low)).clamp(0, 1)  # of the coarse network
        total = torch.zeros_like(v)
        for network, weight in zip(networks, (share, 1 - share), strict=True):
            used = (weight > 0).nonzero()[:, 0]
            if len(used) == len(v):
                total = total + column(weight, v) * network(v, level)
            elif len(used):
                # One image alone would be rounded otherwise than among others.
                rows = used.repeat(2) if len(used) == 1 else used
                found = column(weight[rows], v) * network(v[rows], level[rows])
                total = total.index_add(0, used, found[: len(used)])
        return total


def _padded(x: Tensor, multiple: int) -> Tensor:
    """Reflected beyond the lower and right edges, to sides of a multiple of some number."""
    for side, edges in ((-2, (0, 0, 0, 1)), (-1, (0, 1, 0, 0))):
        lacking = -x.shape[side] % multiple
        while lacking:  # a side is reflected by less than its own length at once
            step = min(lacking, x.shape[side] - 1) or lacking
            mode = "reflect" if x.shape[side] > 1 else "replicate"
            x = F.pad(x, [step * edge for edge in edges], mode=mode)
            lacking -= step
    return x


def _copy(network: DenoisingNetwork, device: torch.device, dtype: torch.dtype) -> DenoisingNetwork:
    own = copy.deepcopy(network).to(device, dtype)
    return own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _rough(network: DenoisingNetwork, device: torch.device, dtype: torch.dtype) -> DenoisingNetwork:
    """Its convolutions in bfloat16, where the inputs are float32."""
    own = _copy(network, device, dtype)
    if dtype == torch.float32:
        for module in own.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                module.bfloat16()
    return own


def _finer(card: Card, path: Path) -> Finer | None:
    given = card.defaults.get("finer")
    try:
        return None if given is None else Finer.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise WeightsError(
            f"What the card of {path} says of a finer network is not valid.",
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
        ) from error
