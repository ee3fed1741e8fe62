"""The noise-conditional network: a U-Net without normalisation, with the noise level as input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from priorkit.float32 import convolution
from priorkit.linear import on_processor, pixelwise

__all__ = ["DenoiserConfig", "DenoisingNetwork", "kept"]

EMBEDDED = 128  # length of the embedding of ln σ
WAVES = 32  # cosines and as many sines of ln σ, of wavelengths from 2π/0.25 to 2π/32
HEADS = 4
DATA_STD = 0.5  # σ_data, of pictures in [-1, 1]


@dataclass(frozen=True)
class DenoiserConfig:
    """The shape of the network.

    Attributes
    ----------
    channels : of the hidden pictures, from full resolution to the coarsest; each next one has
        half the sides
    blocks : residual blocks per resolution, on the way down and again on the way up
    attention : whether there is self-attention among the pixels of the coarsest pictures
    shape : (3, H, W) of the pictures, or None for any
    sigma : the least and the greatest σ that it was trained on, of pictures in [-1, 1]
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    attention: bool
    shape: tuple[int, int, int] | None
    sigma: tuple[float, float]

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or len(self.channels) != len(self.blocks):
            raise ValueError("channels and blocks are one number per resolution, two or more")
        if min(*self.channels, *self.blocks) < 1:
            raise ValueError("channels and blocks are at least 1")
        if self.attention and self.channels[-1] % HEADS:
            raise ValueError(f"with attention the last of channels is a multiple of {HEADS}")
        if not 0 < self.sigma[0] < self.sigma[1]:
            raise ValueError("sigma is the least and the greatest level, above 0")
        if self.shape is not None and (
            self.shape[0] != 3 or any(s % self.multiple for s in self.shape[1:])
        ):
            raise ValueError(f"shape is 3 colours with sides that are multiples of {self.multiple}")

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be a multiple of."""
        return 1 << (len(self.channels) - 1)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DenoiserConfig:
        """From JSON-able data. Raises TypeError, KeyError or ValueError."""
        known = dict(values)
        shape = known.pop("shape")
        return cls(
            channels=tuple(map(int, known.pop("channels"))),
            blocks=tuple(map(int, known.pop("blocks"))),
            shape=None if shape is None else cast(Any, tuple(map(int, shape))),
            sigma=cast(Any, tuple(map(float, known.pop("sigma")))),
            **known,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def kept(config: DenoiserConfig) -> int:
    """About how many numbers autograd keeps of a call, per pixel of its input; also measured."""
    total = 5 * config.channels[0]  # at the input and the output
    for level, (channels, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
        last = level == len(config.channels) - 1
        pictures = 4 * count if last else 4 * 2 * count + 2  # of each block; the merged ones
        total += pictures * channels >> 2 * level
    return total


class FixedLinear(nn.Linear):
    """x W + b per image (B, i), with the same bits in every batch once the weights are frozen."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.requires_grad:
            return super().forward(x)
        return pixelwise(x[:, None], self.weight.T, self.bias)[:, 0]


class FixedConv(nn.Conv2d):
    """A convolution, in float32 proper on every device once the weights are frozen."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.requires_grad:
            return super().forward(x)
        padding = cast(tuple[int, int], self.padding)
        return convolution(x, self.weight, self.bias, stride=self.stride, padding=padding)


class FixedGrowth(nn.ConvTranspose2d):
    """The same of a transposed convolution that doubles the sides."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if self.weight.requires_grad:
            return super().forward(x, output_size)
        return convolution(x, self.weight, self.bias, stride=self.stride, transposed=True)


class Block(nn.Module):
    """h + conv(silu(s·conv(h) + t)): a residual step, with s and t functions of σ."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = FixedConv(channels, channels, 3, padding=1, bias=False)
        self.second = FixedConv(channels, channels, 3, padding=1, bias=False)
        self.modulation = FixedLinear(EMBEDDED, 2 * channels)
        nn.init.kaiming_normal_(self.first.weight)
        for zero in (self.modulation.weight, self.modulation.bias, self.second.weight):
            nn.init.zeros_(zero)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        inner = self.first(h)
        scale, shift = self.modulation(level).to(inner.dtype).chunk(2, 1)
        step = self.second(_modulated(inner, 1 + scale, shift))
        return h + step if step.requires_grad else step.add_(h)


def _modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """silu(s·x + t) with s and t (B, C), in place where no gradient is needed: new memory costs as
    much as the arithmetic. On the processor it is computed on rows of W·C numbers, the order of
    channels-last memory, because a few channels are too short for its vector instructions."""
    b, c, height, width = x.shape
    in_rows = on_processor(x)
    h = x.permute(0, 2, 3, 1).reshape(b, height, width * c) if in_rows else x
    scale, shift = (
        each.repeat(1, width)[:, None] if in_rows else each[:, :, None, None]
        for each in (scale, shift)
    )
    if x.requires_grad:
        h = F.silu(h * scale + shift)
    else:
        h = F.silu(torch.addcmul(shift, h, scale, out=h), inplace=True)
    return h.view(b, height, width, c).permute(0, 3, 1, 2) if in_rows else h


class Attention(nn.Module):
    """h + self-attention over all pixels, with normalised queries and keys."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.asked = FixedConv(channels, 3 * channels, 1)
        self.told = FixedConv(channels, channels, 1)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(cast(Tensor, self.told.bias))

    def forward(self, h: Tensor) -> Tensor:
        b, c, height, width = h.shape
        parts = self.asked(h).reshape(b, 3, HEADS, c // HEADS, height * width)
        q, k, v = parts.transpose(-1, -2).unbind(1)
        q, k = 4 * F.normalize(q, dim=-1), 4 * F.normalize(k, dim=-1)
        if q.requires_grad and not self.asked.weight.requires_grad:
            # Written out, it can be differentiated twice: for the gradient of a density.
            weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
            mixed = weights @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return h + self.told(mixed.transpose(-1, -2).reshape(b, c, height, width))


class DenoisingNetwork(nn.Module):
    """D(x; σ) ≈ E[clean | x] of pictures in [-1, 1] with noise of standard deviation σ.

        D(x; σ) = c_skip(σ)·x + c_out(σ)·F(c_in(σ)·x, ln σ / 4),

        c_skip = s²/(σ² + s²),   c_out = σ·s/√(σ² + s²),   c_in = 1/√(σ² + s²),   s = ½,

    so that F sees and gives numbers of the size of 1 at every σ. F is a U-Net: residual blocks
    at each resolution, halved by convolutions of stride 2, and merged again on the way up.

    Reference: Karras, Aittala, Aila & Laine, "Elucidating the design space of diffusion-based
    generative models", NeurIPS 2022, eq. 7 and Table 1.
    """

    waves: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        # Frequencies in ln σ / 4, computed on the processor: other devices' exp rounds otherwise.
        waves = torch.linspace(math.log(0.25), math.log(32), WAVES, device="cpu").exp()
        self.register_buffer("waves", waves, persistent=False)
        widths = config.channels
        self.embedding = nn.Sequential(
            FixedLinear(2 * WAVES, EMBEDDED), nn.SiLU(), FixedLinear(EMBEDDED, EMBEDDED), nn.SiLU()
        )
        self.enter = FixedConv(3, widths[0], 3, padding=1, bias=False)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow, self.merge = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for fine, coarse, count in zip(widths, widths[1:], config.blocks, strict=False):
            self.down.append(nn.ModuleList(Block(fine) for _ in range(count)))
            self.shrink.append(FixedConv(fine, coarse, 2, stride=2, bias=False))
            self.grow.append(FixedGrowth(coarse, fine, 2, stride=2, bias=False))
            self.merge.append(FixedConv(2 * fine, fine, 1, bias=False))
            self.up.append(nn.ModuleList(Block(fine) for _ in range(count)))
        self.middle = nn.ModuleList(Block(widths[-1]) for _ in range(config.blocks[-1]))
        self.attention = Attention(widths[-1]) if config.attention else nn.Identity()
        self.leave = FixedConv(widths[0], 3, 3, padding=1, bias=False)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; σ) for x (B, 3, H, W) with sides of a multiple of ``config.multiple``, σ (B,)."""
        each = sigma[:, None, None, None]
        total = each**2 + DATA_STD**2
        skip, out, enter = DATA_STD**2 / total, each * DATA_STD / total.sqrt(), 1 / total.sqrt()
        return skip * x + out * self.residual(enter * x, sigma.log() / 4).to(x.dtype)

    def residual(self, x: Tensor, level: Tensor) -> Tensor:
        """F(x, ℓ), in the dtype of the convolutions; the embedding has the dtype of ℓ."""
        angles = level[:, None] * self.waves.to(level)
        embedded = self.embedding(torch.cat([angles.sin(), angles.cos()], 1))
        h = self.enter(x.to(self.enter.weight.dtype, memory_format=torch.channels_last))
        kept = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            for block in cast(nn.ModuleList, blocks):
                h = block(h, embedded)
            kept.append(h)
            h = shrink(h)
        for i, block in enumerate(self.middle):
            h = block(h, embedded)
            if i == len(self.middle) // 2:
                h = self.attention(h)
        for blocks, grow, merge in zip(
            reversed(self.up), reversed(self.grow), reversed(self.merge), strict=True
        ):
            h = merge(torch.cat([grow(h), kept.pop()], 1))
            for block in cast(nn.ModuleList, blocks):
                h = block(h, embedded)
        return cast(Tensor, self.leave(h))
