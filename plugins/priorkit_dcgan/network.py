"""The generator and discriminator of DCGAN.

Reference: Radford, Metz & Chintala, "Unsupervised representation learning with deep
convolutional generative adversarial networks", ICLR 2016, figure 1 and section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["DCGANConfig", "Discriminator", "Generator"]


@dataclass(frozen=True)
class DCGANConfig:
    """Sizes. The side of the square images is 4·2^k with k ≥ 1.

    shape : (C, H, W) of the images
    latent : length of z
    width : channels of the last hidden layer; doubled with every halving of the side
    """

    shape: tuple[int, int, int] = (3, 64, 64)
    latent: int = 100
    width: int = 64

    def __post_init__(self) -> None:
        side = self.shape[-1]
        if len(self.shape) != 3 or self.shape[1] != side or side < 8 or side & (side - 1):
            raise ValueError(f"DCGAN makes squares whose side is 8, 16, 32, 64 …, got {self.shape}")
        if not (self.shape[0] >= 1 and 1 <= self.latent <= 65536 and 1 <= self.width <= 4096):
            raise ValueError(f"channels ≥ 1, latent is 1 to 65536, width 1 to 4096, got {self}")

    @property
    def widths(self) -> list[int]:
        """Channels of the hidden layers, the coarsest (4×4) first."""
        doublings = self.shape[-1].bit_length() - 3  # 64 → 4 layers, of 4×4 to 32×32
        return [self.width << (doublings - 1 - i) for i in range(doublings)]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, for the card."""
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DCGANConfig:
        """From a card. Raises TypeError or ValueError."""
        return cls(**{**values, "shape": tuple(values["shape"])})


class Generator(nn.Sequential):
    """z (B, k) → images (B, C, H, W) in [0, 1]: strided transposed convolutions up from 4×4."""

    def __init__(self, config: DCGANConfig) -> None:
        layers: list[nn.Module] = []
        before = config.latent
        for i, width in enumerate(config.widths):
            stride, padding = (1, 0) if i == 0 else (2, 1)
            layers += [
                nn.ConvTranspose2d(before, width, 4, stride, padding, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        layers.append(nn.ConvTranspose2d(before, config.shape[0], 4, 2, 1))
        super().__init__(*layers)
        self.config = config
        self.apply(_initialise)

    def forward(self, z: Tensor) -> Tensor:
        return (super().forward(z[:, :, None, None]).tanh() + 1) / 2


class Discriminator(nn.Sequential):
    """Images in [0, 1] → logits (B,), large for those that look real."""

    def __init__(self, config: DCGANConfig) -> None:
        layers: list[nn.Module] = []
        before = config.shape[0]
        for i, width in enumerate(reversed(config.widths)):
            layers.append(nn.Conv2d(before, width, 4, 2, 1, bias=i == 0))
            if i > 0:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2))
            before = width
        layers.append(nn.Conv2d(before, 1, 4))
        super().__init__(*layers)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(2 * x - 1).view(-1)


def _initialise(module: nn.Module) -> None:
    """Weights ~ N(0, 0.02²), scales ~ N(1, 0.02²), as in section 4 of the reference."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def folded(generator: Generator) -> nn.Sequential:
    """The generator with its normalisations folded into the convolutions, in float64.

    At inference a batch norm is an affine map of each channel: W' = s·W, b' = t − s·μ with
    s = scale/√(variance + ε). The result maps (B, k, 1, 1) to images before the tanh.
    """
    layers: list[nn.Module] = []
    modules = list(generator)
    with torch.no_grad():
        for module, after in zip(modules, [*modules[1:], None], strict=True):
            if isinstance(module, nn.ConvTranspose2d):
                plain = nn.ConvTranspose2d(
                    module.in_channels,
                    module.out_channels,
                    4,
                    module.stride,  # type: ignore[arg-type]
                    module.padding,  # type: ignore[arg-type]
                ).double()
                weight = module.weight.double()
                bias = torch.zeros(module.out_channels, dtype=torch.float64)
                if module.bias is not None:
                    bias = module.bias.double()
                if isinstance(after, nn.BatchNorm2d):
                    assert after.running_mean is not None
                    assert after.running_var is not None
                    scale = after.weight.double() / (after.running_var.double() + after.eps).sqrt()
                    weight = weight * scale[None, :, None, None]
                    bias = after.bias.double() - scale * after.running_mean.double()
                plain.weight.copy_(weight)
                plain.bias.copy_(bias)  # type: ignore[union-attr]
                layers.append(plain)
            elif isinstance(module, nn.ReLU):
                layers.append(nn.ReLU())
    return nn.Sequential(*layers).requires_grad_(False)
