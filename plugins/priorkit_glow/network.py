"""The Glow network, x ↔ z, as it is trained.

One step of flow maps x towards z by an activation normalisation, an invertible
1×1 convolution and a coupling (Kingma & Dhariwal 2018, table 1). Here the
normalisations are multiplied into the weights of the convolution beside them
on every call: the mathematics and the parameters stay those of the table, and
a training step makes about half the passes over memory.

float32 is what PyTorch makes of it: on CUDA its convolutions round their operands
to TF32 unless ``torch.backends.cudnn`` says otherwise, which a training step bears.
What is inverted afterwards is the folded network, in float32 proper (``convolution.py``).

Only torch is imported, so that the same file trains on a bare machine.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Glow", "GlowConfig", "scale_and_log", "squeeze", "unsqueeze"]


@dataclass(frozen=True)
class GlowConfig:
    """The hyperparameters of a Glow; a weight card carries them as ``architecture``.

    ``steps``, ``width`` and ``scale_offset`` hold one entry per level, finest
    level first, and their common length is the number of levels L.

    The affine coupling is y = s·xₐ + t with s = sigmoid(s' + 2) + ``scale_offset``:
    0 is the form of the published networks, and a positive offset keeps s, by
    which decoding divides, away from zero.
    """

    shape: tuple[int, int, int] = (3, 64, 64)
    steps: tuple[int, ...] = (8, 8, 8, 8)
    width: tuple[int, ...] = (64, 64, 64, 64)
    scale_offset: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    coupling: str = "affine"
    n_bits: int = 5

    def __post_init__(self) -> None:
        levels = len(self.steps)
        # A card can be damaged: refuse sizes that no network has before building one.
        sizes = (*self.shape, *self.steps, *self.width, self.n_bits)
        if not all(isinstance(s, int) and 1 <= s <= 8192 for s in sizes) or levels > 10:
            raise ValueError("shape, steps, width and n_bits are whole numbers from 1 to 8192")
        if not all(isinstance(s, (int, float)) and 0 <= s <= 100 for s in self.scale_offset):
            raise ValueError(f"scale_offset lies in [0, 100], got {self.scale_offset}")
        if len(self.shape) != 3 or self.n_bits > 16:
            raise ValueError(f"shape is (C, H, W) and n_bits at most 16, got {self.shape}")
        if not len(self.width) == len(self.scale_offset) == levels > 0:
            raise ValueError("steps, width and scale_offset need one entry per level")
        if self.coupling not in ("affine", "additive"):
            raise ValueError(f"coupling must be 'affine' or 'additive', got {self.coupling!r}")
        side = 2**levels
        if self.shape[1] % side or self.shape[2] % side:
            raise ValueError(f"height and width must be multiples of {side}, got {self.shape}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GlowConfig:
        """Read the form that :meth:`to_dict` writes."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for a JSON card."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def n(self) -> int:
        """Pixels times channels, which is also the number of latents."""
        return math.prod(self.shape)

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """Shape of the latents that leave at each level, in the order of the flat z."""
        c, h, w = self.shape
        shapes = []
        for level in range(len(self.steps)):
            c, h, w = 4 * c, h // 2, w // 2
            if level < len(self.steps) - 1:
                c //= 2
            shapes.append((c, h, w))
        return shapes


def squeeze(x: Tensor) -> Tensor:
    """(B, C, 2H, 2W) → (B, 4C, H, W): entry (c, 2i+dy, 2j+dx) goes to channel 4c + 2dy + dx."""
    return F.pixel_unshuffle(x, 2)


def unsqueeze(x: Tensor) -> Tensor:
    """The inverse of :func:`squeeze`."""
    return F.pixel_shuffle(x, 2)


class ActNorm(nn.Module):
    """(x + bias)·exp(logs) per channel; its parameters are set from the first batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.logs = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Give the output of this batch zero mean and unit variance per channel."""
        var, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
        self.bias.copy_(-mean)
        self.logs.copy_(-0.5 * torch.log(var + 1e-12))

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution that is followed by this normalisation."""
        scale = self.logs.exp()
        offset = self.bias if bias is None else self.bias + bias
        return weight * scale.view(-1, 1, 1, 1), offset * scale


class CouplingNet(nn.Module):
    """conv 3×3, actnorm, ReLU, conv 1×1, actnorm, ReLU, conv 3×3, times exp(3·logs)."""

    def __init__(self, channels_in: int, channels_out: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 3, padding=1)
        self.actnorm1 = ActNorm(width)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.actnorm2 = ActNorm(width)
        self.conv3 = nn.Conv2d(width, channels_out, 3, padding=1)
        self.logs = nn.Parameter(torch.zeros(channels_out))
        self.hidden_dtype: torch.dtype | None = None  # bfloat16 halves the cost of training
        for conv in (self.conv1, self.conv2):
            nn.init.normal_(conv.weight, std=0.05)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.conv3.weight)  # the coupling starts as (nearly) the identity
        nn.init.zeros_(self.conv3.bias)  # type: ignore[arg-type]

    def folded(self) -> list[tuple[Tensor, Tensor]]:
        """The three convolutions with their normalisations multiplied in."""
        assert self.conv3.bias is not None
        gain = (3 * self.logs).exp()
        return [
            self.actnorm1.fold(self.conv1.weight, self.conv1.bias),
            self.actnorm2.fold(self.conv2.weight, self.conv2.bias),
            (self.conv3.weight * gain.view(-1, 1, 1, 1), self.conv3.bias * gain),
        ]

    def initialize(self, x: Tensor) -> None:
        self.actnorm1.initialize(self.conv1(x))
        h = F.conv2d(x, *self.folded()[0], padding=1).relu()
        self.actnorm2.initialize(self.conv2(h))

    def forward(self, x: Tensor) -> Tensor:
        to = self.hidden_dtype or x.dtype
        (w1, b1), (w2, b2), (w3, b3) = [(w.to(to), b.to(to)) for w, b in self.folded()]
        h = F.conv2d(x.to(to), w1, b1, padding=1).relu_()
        h = F.conv2d(h, w2, b2).relu_()
        return F.conv2d(h, w3, b3, padding=1).to(x.dtype)


def scale_and_log(raw: Tensor, offset: float) -> tuple[Tensor, Tensor]:
    """s = sigmoid(raw + 2) + offset and log s, the latter exact for tiny s."""
    s = torch.sigmoid(raw + 2) + offset
    return s, s.log() if offset else F.logsigmoid(raw + 2)


class Step(nn.Module):
    """One step of flow: actnorm, invertible 1×1 convolution, coupling."""

    def __init__(self, channels: int, width: int, coupling: str, scale_offset: float) -> None:
        super().__init__()
        self.affine = coupling == "affine"
        self.scale_offset = scale_offset
        self.middle = channels // 2
        self.actnorm = ActNorm(channels)
        drawn = torch.randn(channels, channels)  # without memory there is nothing to turn
        self.invconv = nn.Parameter(drawn if drawn.is_meta else torch.linalg.qr(drawn)[0])
        out = channels if self.affine else self.middle
        self.net = CouplingNet(self.middle, out, width)

    def linear(self) -> tuple[Tensor, Tensor]:
        """Actnorm, then 1×1 convolution, as one matrix M and offset c: x → M x + c."""
        matrix = self.invconv * self.actnorm.logs.exp()
        return matrix, matrix @ self.actnorm.bias

    def initialize(self, x: Tensor) -> None:
        self.actnorm.initialize(x)
        matrix, offset = self.linear()
        y = F.conv2d(x, matrix[:, :, None, None], offset)
        self.net.initialize(y[:, self.middle :])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        matrix, offset = self.linear()
        pixels = x.shape[2] * x.shape[3]
        logdet = pixels * (self.actnorm.logs.sum() + torch.linalg.slogdet(self.invconv)[1])
        x = F.conv2d(x, matrix[:, :, None, None], offset)
        xa, xb = x[:, : self.middle], x[:, self.middle :]
        h = self.net(xb)
        if not self.affine:
            return torch.cat([xa + h, xb], 1), logdet.expand(len(x))
        s, log_s = scale_and_log(h[:, 0::2], self.scale_offset)
        return torch.cat([s * xa + h[:, 1::2], xb], 1), logdet + log_s.sum((1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        ya, yb = y[:, : self.middle], y[:, self.middle :]
        h = self.net(yb)
        if self.affine:
            xa = (ya - h[:, 1::2]) / scale_and_log(h[:, 0::2], self.scale_offset)[0]
        else:
            xa = ya - h
        matrix, offset = self.linear()
        inverse = torch.linalg.inv(matrix.double()).to(y.dtype)
        x = torch.cat([xa, yb], 1) - offset.view(-1, 1, 1)
        return F.conv2d(x, inverse[:, :, None, None])


class Glow(nn.Module):
    """Multi-scale Glow on inputs v = x − ½, with a standard normal latent of the same size.

    ``encode`` gives z and log|det ∂z/∂x| (in nats, one per image); ``decode`` is its
    inverse. The flat z runs from the finest level to the coarsest.

    Reference: Kingma & Dhariwal, "Glow: generative flow with invertible 1×1
    convolutions", NeurIPS 2018.
    """

    def __init__(self, config: GlowConfig) -> None:
        super().__init__()
        self.config = config
        self.levels = nn.ModuleList()
        c = config.shape[0]
        for level, (k, width) in enumerate(zip(config.steps, config.width, strict=True)):
            c *= 4
            offset = config.scale_offset[level]
            steps = [Step(c, width, config.coupling, offset) for _ in range(k)]
            self.levels.append(nn.ModuleList(steps))
            c //= 2

    def set_hidden_dtype(self, dtype: torch.dtype | None) -> None:
        """Run the couplings' hidden layers in ``dtype``; everything that is inverted stays."""
        for module in self.modules():
            if isinstance(module, CouplingNet):
                module.hidden_dtype = dtype

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Data-dependent initialisation of every actnorm from one batch x in [0, 1]."""
        h = x - 0.5
        for level, steps in enumerate(self.levels):
            h = squeeze(h)
            for step in steps:  # type: ignore[attr-defined]
                step.initialize(h)
                h = step(h)[0]
            if level < len(self.levels) - 1:
                h = h[:, : h.shape[1] // 2]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, C, H, W) in [0, 1] → z (B, n) and log|det ∂z/∂x| (B,)."""
        h = x - 0.5
        logdet = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        z = []
        for level, steps in enumerate(self.levels):
            h = squeeze(h)
            for step in steps:  # type: ignore[attr-defined]
                h, d = step(h)
                logdet = logdet + d
            if level < len(self.levels) - 1:
                half = h.shape[1] // 2
                z.append(h[:, half:].flatten(1))
                h = h[:, :half]
        z.append(h.flatten(1))
        return torch.cat(z, 1), logdet

    def decode(self, z: Tensor) -> Tensor:
        """z (B, n) → x (B, C, H, W); values can leave [0, 1] slightly."""
        shapes = self.config.latent_shapes
        parts = z.split([math.prod(s) for s in shapes], 1)
        h = parts[-1].view(-1, *shapes[-1])
        for level in range(len(shapes) - 1, -1, -1):
            if level < len(shapes) - 1:
                h = torch.cat([h, parts[level].view(-1, *shapes[level])], 1)
            for step in reversed(self.levels[level]):  # type: ignore[call-overload]
                h = step.inverse(h)
            h = unsqueeze(h)
        return h + 0.5

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats per image: log N(z; 0, I) + log|det ∂z/∂x|."""
        z, logdet = self.encode(x)
        return -0.5 * (z.square().sum(1) + self.config.n * math.log(2 * math.pi)) + logdet
