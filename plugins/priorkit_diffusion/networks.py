"""D(v; σ) of pictures in [0, 1] by one network, or by two that share the noise levels."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import torch
from pydantic import BaseModel, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from priorkit.interfaces import Copies
from priorkit.io.warm import Read, Warm
from priorkit.io.weights import Card, restore
from priorkit.linear import on_processor
from priorkit.recordings import Function, Recordings, recorded_size
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork
from priorkit_diffusion.pictures import known, padded
from priorkit_diffusion.shares import Used, at_once, by_level, used
from priorkit_diffusion.tiles import Tiles, numbers

__all__ = ["Networks"]

TOGETHER = 1 << 16  # pixels of one call; more are no faster, and their hidden pictures take memory
RECORDED = ("cuda",)  # types of devices on which calls are recorded
LAUNCHED = 1 << 19  # pixels of one call on a device that is busy with them for longer than launched


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
        self._recordings = Recordings()

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
        return self._called(x, sigma, rough=rough, nearest=True)

    def clean(self, x: Tensor, sigma: float | Tensor, *, rough: bool = False) -> Tensor:
        """D(x; σ), each picture by itself, σ one number or (B,); with ``rough`` the convolutions
        are in bfloat16 where x is float32."""
        return self._called(x, sigma, rough=rough, nearest=False)

    def _called(self, x: Tensor, sigma: float | Tensor, *, rough: bool, nearest: bool) -> Tensor:
        """Many pictures some at a time; on a device recordings of it, where no gradient is wanted,
        of what is neither in tiles nor large."""
        networks = (self._rough if rough else self._copies).like(x)
        if isinstance(sigma, Tensor):
            level = sigma.to(x).expand(len(x))
        else:
            level = x.new_full((len(x),), sigma)
        which = None if on_processor(x) else used(self.between, sigma)

        def call(x: Tensor, level: Tensor) -> tuple[Tensor]:
            near = known(x, level, asks=which is None) if nearest else x
            found = self._whole(near, level, networks, which)
            return (found + (x - near) if nearest else found,)

        if x.requires_grad and torch.is_grad_enabled():
            return call(x, level)[0]
        pixels = math.prod(x.shape[-2:])
        if which is None:  # one picture alone would be rounded differently
            parts = max(1, min(math.ceil(len(x) * pixels / TOGETHER), len(x) // 2))
            pieces = zip(x.tensor_split(parts), level.tensor_split(parts), strict=True)
        else:
            most = max(1, LAUNCHED // pixels)
            pieces = zip(x.split(most), level.split(most), strict=True)
        small = which is not None and pixels <= LAUNCHED
        whole = self.tiles is None or not self.tiles.needed(*x.shape[-2:])
        if small and whole and x.device.type in RECORDED:
            key = (rough, nearest, which, self.mirrored, self.between)
            found = [self._replayed(key, call, *piece) for piece in pieces]
        else:
            found = [call(*piece)[0] for piece in pieces]
        return torch.cat(found) if len(found) > 1 else found[0]

    def _replayed(self, key: Hashable, call: Function, x: Tensor, level: Tensor) -> Tensor:
        """From a recording for so many pictures or some more, whose answers are left out."""
        count = len(x)
        lacking = recorded_size(count) - count
        if lacking:
            x, level = F.pad(x, (*[0] * 7, lacking)), F.pad(level, (0, lacking), value=1.0)
        keeps = len(x) * self.memory(*x.shape[-2:])
        return self._recordings(key, call, x, level, keeps=keeps)[0][:count]

    def memory(self, height: int, width: int) -> int:
        """Bytes per picture of a call: its widest hidden pictures, and the pictures beside them. A
        picture in tiles takes two tiles, since the memory of one isn't always used again for the
        next. A recording keeps as much; all together no more than their room, which a run leaves
        free: it plans with half of what is."""
        pixels = height * width
        whole = 4 * max(map(numbers, self.configs)) * pixels
        if self.tiles is not None:
            share = self.tiles.pixels(height, width) / pixels
            whole = whole if share == 1 else math.ceil(2 * share * whole)
        return whole + 4 * 4 * 3 * pixels

    def _whole(
        self, x: Tensor, level: Tensor, networks: list[DenoisingNetwork], which: Used | None
    ) -> Tensor:
        """D(x; σ) of pictures in [0, 1], large ones tile by tile."""
        v = padded(2 * x - 1, max(config.multiple for config in self.configs))
        v, level = v.expand(-1, 3, -1, -1), 2 * level

        def of(v: Tensor) -> Tensor:
            if which is None:
                return by_level(networks, self.between, v, level)
            return at_once(networks, self.between, v, level, which)

        apply = of if self.tiles is None else partial(self.tiles.apply, of)
        clean = apply(v)
        if self.mirrored:
            clean = (clean + apply(v.flip(-1)).flip(-1)) / 2
        if x.shape[1] == 1:
            clean = clean.mean(1, keepdim=True)
        return (clean[..., : x.shape[-2], : x.shape[-1]] + 1) / 2


_warm = Warm[tuple[Networks, list[Card]]]()


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
