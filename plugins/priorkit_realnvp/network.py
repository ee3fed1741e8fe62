"""The RealNVP network, x ↔ z, put together from the flows of ``normflows``.

A coupling leaves one part of x as it is and scales and shifts the rest by functions of that
part: y_b = x_b, y_a = (x_a − t(x_b))·exp(−s(x_b)), with −ℓ < s < ℓ. Each follows a trained
scale and shift per coordinate or channel (activation normalisation) instead of the batch
normalisation of the reference, which would make the images of a batch depend on each other.

Reference: Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP", ICLR 2017.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from normflows.flows import ActNorm, AffineCouplingBlock, MaskedAffineFlow, Squeeze
from torch import Tensor, nn

__all__ = ["RealNVP", "RealNVPConfig"]


@dataclass(frozen=True)
class RealNVPConfig:
    """Sizes of a RealNVP; a weight card carries them as ``architecture``.

    shape : (d,) of vectors with d ≥ 2, or (C, H, W) of images
    steps : couplings of vectors; of images, couplings of either kind per level
    width : hidden units, or channels, of the functions s and t
    levels : 0 for vectors; for images, how often the sides are halved
    scale_limit : ℓ, so that one coupling scales by at most exp(±ℓ) in either direction
    n_bits : bits per channel that images were quantised to in training
    """

    shape: tuple[int, ...] = (2,)
    steps: int = 8
    width: int = 64
    levels: int = 0
    scale_limit: float = 2.0
    n_bits: int = 8

    def __post_init__(self) -> None:
        # A card can be damaged: refuse sizes that no network has before building one.
        sizes = (*self.shape, self.steps, self.width, self.n_bits)
        if not all(type(s) is int and 1 <= s <= 8192 for s in sizes):
            raise ValueError(f"sizes are whole numbers from 1 to 8192, got {self}")
        if self.steps > 256 or self.n_bits > 16:
            raise ValueError(f"steps is at most 256 and n_bits at most 16, got {self}")
        if not isinstance(self.scale_limit, (int, float)) or not 0 < self.scale_limit <= 10:
            raise ValueError(f"scale_limit lies in (0, 10], got {self.scale_limit}")
        if type(self.levels) is not int or not 0 <= self.levels <= 10:
            raise ValueError(f"levels is a whole number from 0 to 10, got {self.levels}")
        if len(self.shape) == 1:
            if self.shape[0] < 2:
                raise ValueError("vectors need 2 coordinates or more: a coupling needs two parts")
            if self.levels:
                raise ValueError(f"vectors have no levels, got levels = {self.levels}: give 0")
        elif len(self.shape) == 3:
            self._check_squeeze()
        else:
            raise ValueError(f"shape is (d,) or (C, H, W), got {self.shape}")

    def _check_squeeze(self) -> None:
        height, width = self.shape[1:]
        side = 2**self.levels
        if self.levels and height % side == 0 and width % side == 0:
            return
        common = math.gcd(height, width)
        deepest = (common & -common).bit_length() - 1  # how often both sides can be halved
        span = "1 level" if deepest == 1 else f"1 to {deepest} levels"
        here = f"{span} at this size" if deepest else ""
        if not self.levels:
            raise ValueError(f"pictures need levels ≥ 1, got 0: try {here or 'even sides'}")
        near = "×".join(str(max(side, side * round(s / side))) for s in (width, height))
        raise ValueError(
            f"A squeeze halves the sides of pictures, once per level: for levels = {self.levels} "
            f"they must be multiples of {side}. Got {width}×{height} pixels. "
            f"Try: {near} pixels{', or ' + here if here else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, for the card."""
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RealNVPConfig:
        """From a card. Raises TypeError, KeyError or ValueError."""
        return cls(**{**values, "shape": tuple(values["shape"])})

    @property
    def n(self) -> int:
        """Numbers in x, and in z."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def latent_shapes(self) -> list[tuple[int, ...]]:
        """Shape of the latents that leave at each level, in the order of the flat z."""
        if not self.is_image:
            return [self.shape]
        c, h, w = self.shape
        shapes: list[tuple[int, ...]] = []
        for level in range(self.levels):
            c, h, w = 4 * c, h // 2, w // 2
            if level < self.levels - 1:
                c //= 2
            shapes.append((c, h, w))
        return shapes


class RealNVP(nn.Module):
    """RealNVP over vectors, or multi-scale over images, with a standard normal latent.

    Each level of images has couplings on a checkerboard, a squeeze (C, 2H, 2W) → (4C, H, W)
    and couplings between halves of the channels; then half of the channels leave as latents
    (section 3.6 of the reference). Images are in [0, 1], and x − ½ inside. The flat z runs
    from the finest level to the coarsest.
    """

    def __init__(self, config: RealNVPConfig) -> None:
        super().__init__()
        self.config = config
        # As in normflows, a list of flows leads from z to x.
        self.levels = nn.ModuleList()
        if not config.is_image:
            self.levels.append(nn.ModuleList(_vector_flows(config)))
        for level in range(config.levels):
            self.levels.append(nn.ModuleList(_image_flows(config, config.shape[0] * 2**level)))
        self._set_initialised(True)  # else normflows would initialise by the first batch it sees

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Set every activation normalisation so that this batch leaves it with unit variance."""
        self._set_initialised(False)
        self.encode(x)
        self._set_initialised(True)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, …) → z (B, n) and log|det ∂z/∂x| (B,) in nats."""
        h = x - 0.5 if self.config.is_image else x
        logdet = x.new_zeros(len(x))
        z = []
        for i, flows in enumerate(self.levels):
            for flow in reversed(flows):  # type: ignore[call-overload]
                h, change = flow.inverse(h)
                logdet = logdet + change
            if i < len(self.levels) - 1:
                h, leaving = h.chunk(2, dim=1)
                z.append(leaving.flatten(1))
        z.append(h.flatten(1))
        return torch.cat(z, 1), logdet

    def decode(self, z: Tensor) -> Tensor:
        """z (B, n) → x (B, …), the inverse of :meth:`encode`; images can leave [0, 1]."""
        shapes = self.config.latent_shapes
        parts = z.split([math.prod(s) for s in shapes], 1)
        h = parts[-1].reshape(-1, *shapes[-1])
        for i in range(len(shapes) - 1, -1, -1):
            if i < len(shapes) - 1:
                h = torch.cat([h, parts[i].reshape(-1, *shapes[i])], 1)
            for flow in self.levels[i]:  # type: ignore[attr-defined]
                h, _ = flow(h)
        return h + 0.5 if self.config.is_image else h

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,): log N(z; 0, I) + log|det ∂z/∂x|."""
        z, logdet = self.encode(x)
        return -0.5 * (z.square().sum(1) + self.config.n * math.log(2 * math.pi)) + logdet

    def _set_initialised(self, done: bool) -> None:
        for module in self.modules():
            if isinstance(module, ActNorm):
                module.data_dep_init_done = module.s.new_full((), float(done))


class _Limited(nn.Module):
    """ℓ·tanh(v/ℓ) of a network's output: of all, or of the odd channels, which are scales."""

    def __init__(self, net: nn.Module, limit: float, *, odd: bool = False) -> None:
        super().__init__()
        self.net, self.limit, self.odd = net, limit, odd

    def forward(self, h: Tensor) -> Tensor:
        raw = self.net(h)
        if not self.odd:
            return self.limit * torch.tanh(raw / self.limit)
        scales = self.limit * torch.tanh(raw[:, 1::2] / self.limit)
        return torch.stack([raw[:, 0::2], scales], 2).flatten(1, 2)


def _vector_flows(config: RealNVPConfig) -> list[nn.Module]:
    """Couplings whose parts are told apart by a binary digit of the coordinates' numbers.

    Each digit serves twice, with the parts exchanged. Any two coordinates differ in a digit, so
    that with enough steps each is scaled by a function of the other.
    """
    (d,) = config.shape
    digits = (d - 1).bit_length()
    flows: list[nn.Module] = []
    for i in range(config.steps):
        mask = torch.tensor([((j >> (i // 2 % digits)) + i) % 2 for j in range(d)])
        t, s = (_dense(d, config.width) for _ in range(2))
        flows += [
            MaskedAffineFlow(mask.float(), t=t, s=_Limited(s, config.scale_limit)),
            _normalisation(d),
        ]
    return flows


def _image_flows(config: RealNVPConfig, channels: int) -> list[nn.Module]:
    """One level, from its latents to its image."""
    fine: list[nn.Module] = []
    coarse: list[nn.Module] = []
    for i in range(config.steps):
        inverted = "_inv" if i % 2 else ""
        for flows, c, half, mode in (
            (coarse, 4 * channels, 2 * channels, "channel"),
            (fine, channels, channels, "checkerboard"),
        ):
            net = _Limited(_convolutions(half, config.width), config.scale_limit, odd=True)
            block = AffineCouplingBlock(net, scale_map="exp", split_mode=mode + inverted)
            flows += [block, _normalisation(c, 1, 1)]
    return [*coarse, Squeeze(), *fine]


def _normalisation(*shape: int) -> ActNorm:
    with torch.device("cpu"):  # its constructor fails on the meta device
        return ActNorm(shape)


# Their activations are smooth, because the gradient of log p(x) has second derivatives in it.


def _dense(size: int, width: int) -> nn.Sequential:
    """Not zero at first: where the coordinates are independent, the identity is a saddle point
    of the likelihood, which training doesn't leave. With tanh, shifts are bounded far from the
    data, so that a solver isn't driven further away."""
    first, last = nn.Linear(size, width), nn.Linear(width, size)
    return nn.Sequential(first, nn.Tanh(), nn.Linear(width, width), nn.Tanh(), last)


def _convolutions(channels: int, width: int) -> nn.Sequential:
    """The output is zero at first, as in Glow."""
    last = nn.Conv2d(width, 2 * channels, 3, padding=1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    first = nn.Conv2d(channels, width, 3, padding=1)
    return nn.Sequential(first, nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), last)
