"""D(v; σ) of pictures in [0, 1] by one network, or by two that share the noise levels."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from pydantic import BaseModel, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from priorkit.interfaces import Copies
from priorkit.io.warm import Read, Warm
from priorkit.io.weights import Card, restore
from priorkit.linear import column
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork
from priorkit_diffusion.tiles import Tiles

__all__ = ["Networks"]

TOGETHER = 1 << 16  # pixels of one call; more are no faster, and their hidden pictures take memory
# How many σ beyond black and white pictures with noise are: by chance no mean over a square of
# BLOCK pixels a side is further than 0.6, and one pixel in 30,000 further than 4.
BLOCK, SHIFTED, REACH = 8, 0.6, 4.0


class Finer(BaseModel):
    """A card's entry for another network, for little noise. Below the first σ it is used alone;
    between the two σ both are, with weights linear in ln σ. σ is in units of [0, 1]."""

    weights: str
    sigma: tuple[float, float]

    @model_validator(mode="after")
    def _ascending(self) -> Finer:
        if not 0 < self.sigma[0] < self.sigma[1]:
            raise ValueError("sigma is two levels, the lower first")
        return self


class Networks:
    """The frozen networks of a prior, applied to pictures.

    They are held in float64; copies for a device and dtype are made when an input asks for them.

    Parameters
    ----------
    networks : one, or the one for much noise and the one for little
    between : the two σ, in units of [0, 1], between which both are used
    mirrored : whether the result is averaged with that of the mirrored picture
    """

    def __init__(
        self,
        networks: Sequence[DenoisingNetwork],
        between: tuple[float, float] | None = None,
        *,
        mirrored: bool = False,
    ) -> None:
        exact = [copy.deepcopy(n).double().eval().requires_grad_(False) for n in networks]
        self.between, self.mirrored = between, mirrored
        self._set([network.config for network in networks])
        self._copies = Copies(lambda device, dtype: [_copy(n, device, dtype) for n in exact])
        self._rough = Copies(lambda device, dtype: [_rough(n, device, dtype) for n in exact])

    @staticmethod
    def read(path: Path, *, finer: bool) -> tuple[Networks, list[Card]]:
        """From a file of weights and, if ``finer``, the one beside it that its card names. Raises
        WeightsError."""

        def made(read: Read) -> tuple[Networks, list[Card]]:
            card, network = restore(read(path), "diffusion", DenoiserConfig, DenoisingNetwork)
            other = card.default("finer", Finer, path) if finer else None
            if other is None:
                return Networks([network]), [card]
            beside = read(path.with_name(f"{other.weights}.safetensors"))
            second, fine = restore(beside, "diffusion", DenoiserConfig, DenoisingNetwork)
            return Networks([network, fine], other.sigma), [card, second]

        return _warm.of((path.absolute(), finer), made)

    def _set(self, configs: list[DenoiserConfig]) -> None:
        self.configs, self.tiles = configs, Tiles.of(configs)

    @property
    def levels(self) -> tuple[float, float]:
        """The least and the greatest σ, in units of [0, 1]."""
        return self.configs[-1].sigma[0] / 2, self.configs[0].sigma[1] / 2

    def varied(self, *, alone: bool, mirrored: bool) -> Self:
        """A copy with all networks or the first ``alone``, and with mirroring or without."""
        own = copy.copy(self)
        own.mirrored = mirrored
        if alone:
            own.between = None
            own._set(self.configs[:1])
        return own

    def denoised(self, x: Tensor, sigma: float | Tensor, *, rough: bool = False) -> Tensor:
        """D(x; σ) of any x. What lies beyond black and white no picture in [0, 1] explains, and
        networks that never saw it may return anything, there and around. They get the nearest c
        that they know, and the rest stays as it is: D(x; σ) = D(c; σ) + x − c."""
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        known = _known(x, level)
        return self.clean(known, level, rough=rough) + (x - known)

    def clean(self, x: Tensor, sigma: float | Tensor, *, rough: bool = False) -> Tensor:
        """D(x; σ), each picture by itself, σ one number or (B,); with ``rough`` the convolutions
        are in bfloat16 where x is float32."""
        networks = (self._rough if rough else self._copies).like(x)
        level = 2 * torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        v = _padded(2 * x - 1, max(config.multiple for config in self.configs))
        v = v.expand(-1, 3, -1, -1)
        clean = self._tiled(v, level, networks)
        if self.mirrored:
            clean = (clean + self._tiled(v.flip(-1), level, networks).flip(-1)) / 2
        if x.shape[1] == 1:
            clean = clean.mean(1, keepdim=True)
        return (clean[..., : x.shape[-2], : x.shape[-1]] + 1) / 2

    def _tiled(self, v: Tensor, level: Tensor, networks: list[DenoisingNetwork]) -> Tensor:
        """Whole pictures denoised, many of them some at a time, large ones tile by tile."""
        # One picture alone would be rounded differently.
        parts = min(math.ceil(v[:, 0].numel() / TOGETHER), len(v) // 2)
        if parts > 1 and not v.requires_grad:
            pairs = zip(v.tensor_split(parts), level.tensor_split(parts), strict=True)
            return torch.cat([self._tiled(*pair, networks) for pair in pairs])
        if self.tiles is None:
            return self._by_level(v, level, networks)
        return self.tiles.apply(lambda part: self._by_level(part, level, networks), v)

    def _by_level(self, v: Tensor, level: Tensor, networks: list[DenoisingNetwork]) -> Tensor:
        """Each picture by the networks for its σ, in [-1, 1]."""
        if self.between is None:
            found: Tensor = networks[0](v, level)
            return found
        low, high = (2 * sigma for sigma in self.between)
        share = ((level / low).log() / math.log(high / low)).clamp(0, 1)  # of the coarse network
        total = torch.zeros_like(v)
        for network, weight in zip(networks, (share, 1 - share), strict=True):
            used = (weight > 0).nonzero()[:, 0]
            if len(used) == len(v):
                total = total + column(weight, v) * network(v, level)
            elif len(used):
                # A batch of one is rounded differently from larger ones.
                rows = used.repeat(2) if len(used) == 1 else used
                found = column(weight[rows], v) * network(v[rows], level[rows])
                total = total.index_add(0, used, found[: len(used)])
        return total


_warm = Warm[tuple[Networks, list[Card]]]()


def _known(x: Tensor, sigma: Tensor) -> Tensor:
    """The nearest that networks were trained for, of pictures in [0, 1] with noise of σ (B,):
    regions that are brighter than white or darker than black are moved there with their noise,
    then what is single is clipped. The same x where nothing of it is."""
    sides = min(BLOCK, x.shape[-2]), min(BLOCK, x.shape[-1])
    means = F.avg_pool2d(x, sides, sides, ceil_mode=True)
    shifted, reach = (of * sigma.view(-1, 1, 1, 1) for of in (SHIFTED, REACH))
    excess = means - means.clamp(-shifted, 1 + shifted)
    if x.device.type != "cpu" or bool(excess.any()):  # to ask a GPU would be to wait for it
        x = x - F.interpolate(excess, x.shape[-2:], mode="bilinear")
    return x.clamp(-reach, 1 + reach)


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
    own = _copy(network, device, dtype)
    if dtype == torch.float32:
        for module in own.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                module.bfloat16()
    return own
