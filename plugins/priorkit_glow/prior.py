"""Glow as a prior: a bijection between images and latents, with a density."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor

from priorkit.cuda import Accelerated, Launch
from priorkit.errors import WeightsError
from priorkit.interfaces import (
    Choices,
    Decoder,
    Density,
    Encoder,
    Noise,
    Operator,
    Pullback,
    Sampler,
    Space,
)
from priorkit.io.warm import Read, Warm
from priorkit.io.weights import Card, restore
from priorkit_glow.fused import FusedGlow
from priorkit_glow.made import Made
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


TILT = 0.3  # at 0.5 validation faces gain nothing more at m = 500, and holes lose half a dB

# For weights without a table of their own: γ = 0.7σ² was best for `glow-celeba`, whose density
# is sharper than pictures are; γ = 2σ² would be the MAP estimate of an exact density.
UNCALIBRATED = DenoisingTable(space="pixel", penalty="nll", sigma=[1.0], gamma=[0.7])


class GlowPrior(Decoder, Encoder, Density, Sampler, Accelerated):
    """A trained Glow (Kingma & Dhariwal 2018) over images in [0, 1].

    ``decode`` and ``encode`` are exact inverses of each other, ``log_prob`` is the density
    over x in nats. The network is folded at load and held in float64; tensors of a device
    and dtype are made when an input first asks for them.

    Parameters
    ----------
    weights : path of a .safetensors file with its card beside it
    reversible : keep no activations for the pullback and undo the steps one by one instead:
        half as much work again, for pictures whose activations don't fit into memory
    tilt : a solver measures the latents of each level in a scale 2^tilt times that of the next
        finer one, so that it explains a measurement by what is coarse before what is fine

    Raises WeightsError for a file that is missing, damaged, or not a Glow.
    """

    rough = False  # whether the pullback is in mixed precision

    def __init__(
        self,
        *,
        weights: str | os.PathLike[str],
        reversible: bool = False,
        tilt: Annotated[float, Field(ge=-4, le=4)] = TILT,
    ) -> None:
        path = Path(weights)
        card, made = _warm.of(path.absolute(), partial(_restored, path))
        self.card: Card | None = card
        self._table = card.default("denoising", DenoisingTable, path) or UNCALIBRATED
        self.provenance = {card.name: card.sha256}
        self._hold(made, reversible, tilt)

    @classmethod
    def from_network(cls, network: Glow) -> GlowPrior:
        """A prior from a network in memory, without weights on disk."""
        prior = cls.__new__(cls)
        prior.card, prior._table = None, UNCALIBRATED
        prior._hold(Made(network), reversible=False, tilt=TILT)
        return prior

    def _hold(self, made: Made, reversible: bool, tilt: float) -> None:
        self.config, self.reversible = made.config, reversible
        self._scale = _scale(made.config, tilt) if tilt else None
        self.shape = made.config.shape
        self._made = made

    @classmethod
    def kernels(cls, device: torch.device) -> Launch | None:
        return Made.kernels(device)

    @property
    def latent_size(self) -> int:
        return self.config.n

    @property
    def scale(self) -> Tensor | None:
        return self._scale

    @property
    def memory(self) -> int:
        """What the pullback keeps of every step, or of one where it is reversible."""
        _, height, width = self.config.shape
        kept, channels = [], 4 * self.config.shape[0]
        for level, (steps, hidden) in enumerate(
            zip(self.config.steps, self.config.width, strict=True)
        ):
            step = 8 * (hidden + channels) * (height * width >> 2 * (level + 1))
            kept.append(step if self.reversible else steps * step)
            channels *= 2
        return max(kept) if self.reversible else sum(kept)

    def decode(self, z: Tensor) -> Tensor:
        if z.requires_grad and torch.is_grad_enabled():
            return _Decoded.apply(z, self)
        return self._made.generator(z, reversible=self.reversible).decode(z)

    def decode_vjp(self, z: Tensor) -> tuple[Tensor, Pullback]:
        back = _rough(z) if self.rough else z.dtype
        return self._made.generator(z, reversible=self.reversible).decode_vjp(z, back)

    def mixed(self, space: Space) -> GlowPrior | None:
        """The products with the couplings' Jacobians in bfloat16; None in pixel space."""
        own = copy.copy(self)
        own.rough = True
        return own if space == "latent" else None

    def blame(self, z: Tensor) -> str:
        """Which step of G(z) is the first whose result isn't finite; levels from the finest, 1."""
        steps = FusedGlow(self._made.exact, z.device, z.dtype, batch=1)
        for level, step, h in steps.steps_of(z):
            if not bool(torch.isfinite(h).all()):
                return f"not finite in level {level + 1}, step {step + 1}"
        return "D(z) is not finite"

    def encode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self._made.folded(x).encode(x)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        return self._made.folded(x).log_prob(x)

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
                return replace(natural, gamma=noise.typical_weight * self._table.at(noise.std))
        return Choices(space="latent", penalty="l2", gamma=0.0)


_warm = Warm[tuple[Card, Made]]()


def _restored(path: Path, read: Read) -> tuple[Card, Made]:
    card, network = restore(read(path), "glow", GlowConfig, Glow)
    try:
        return card, Made(network)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise WeightsError(f"{path} has a 1×1 convolution without inverse.") from error


class _Decoded(torch.autograd.Function):
    """x = G(z) for autograd."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, prior: GlowPrior) -> Tensor:
        made = prior._made.generator(z, reversible=prior.reversible)
        x, ctx.pullback = made.decode_vjp(z.detach(), z.dtype)
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, r: Tensor) -> tuple[Tensor, None]:
        return ctx.pullback(r), None


def _rough(z: Tensor) -> torch.dtype:
    """The dtype of rough products with z's: bfloat16, where the device has it."""
    old = z.is_cuda and torch.cuda.get_device_capability(z.device) < (8, 0)
    return z.dtype if old or z.dtype != torch.float32 else torch.bfloat16


def _scale(config: GlowConfig, tilt: float) -> Tensor:
    """1 for the latents of the coarsest level, and 2^tilt times less for each finer one."""
    sizes = [math.prod(shape) for shape in config.latent_shapes]
    levels = [
        torch.full((size,), 2 ** (tilt * (level + 1 - len(sizes))))
        for level, size in enumerate(sizes)
    ]
    return torch.cat(levels)
