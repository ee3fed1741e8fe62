"""Glow for inference: everything that only scales or mixes channels folded at load.

Per step the actnorm and the 1×1 convolution become one matrix, with the inverse taken in
float64; in the coupling's network the actnorms and the gain exp(3·logs) disappear into the
convolutions, whose even outputs (s) and odd outputs (t) are put in two blocks. Parameters
are frozen tensors: no gradient is ever taken of them.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from priorkit.linear import sums
from priorkit_glow.convolution import convolution, mixed, transposed
from priorkit_glow.network import Glow, GlowConfig, Step, scale_and_log, squeeze

__all__ = ["FoldedGlow"]


@dataclass
class FoldedStep:
    """One step of flow: y = M x + c, then the coupling; and x = M⁻¹ (y − c) on the way back."""

    matrix: Tensor  # (C, C)
    offset: Tensor  # (C,)
    inverse: Tensor  # (C, C)
    inverse_offset: Tensor  # −M⁻¹ c
    logdet: Tensor  # log|det M|, a scalar, to be multiplied by the pixels
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor  # outputs: all s, then all t (additive: t alone)
    b3: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, step: Step) -> FoldedStep:
        step = copy.deepcopy(step).double()
        matrix, offset = step.linear()
        inverse = torch.linalg.inv(matrix)
        (w1, b1), (w2, b2), (w3, b3) = step.net.folded()
        if step.affine:
            w3, b3 = torch.cat([w3[0::2], w3[1::2]]), torch.cat([b3[0::2], b3[1::2]])
        return cls(
            matrix=matrix,
            offset=offset,
            inverse=inverse,
            inverse_offset=-(inverse @ offset),
            logdet=torch.linalg.slogdet(matrix)[1],
            w1=w1,
            b1=b1,
            w2=w2,
            b2=b2,
            w3=w3,
            b3=b3,
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> FoldedStep:
        moved = {}
        for item in fields(self):
            value = getattr(self, item.name).to(device, dtype)
            if value.ndim == 4:
                value = value.contiguous(memory_format=torch.channels_last)
            moved[item.name] = value
        return FoldedStep(**moved)

    @property
    def shifted_b3(self) -> Tensor:
        """b₃ for an s' that σ takes as it is: with the 2 of σ(s' + 2), where there is an s'."""
        b3 = self.b3.clone()
        if len(b3) == len(self.matrix):  # else there is t alone
            b3[: len(b3) // 2] += 2
        return b3

    @property
    def turned(self) -> list[Tensor]:
        """Weights of the three convolutions' adjoints, the last first.

        ∂s' and ∂t are both negative in the pullback: the sign is in the first of these.
        """
        return [transposed(-self.w3), transposed(self.w2), transposed(self.w1)]

    def net(self, x: Tensor) -> Tensor:
        h = convolution(x, self.w1, self.b1).relu_()
        h = convolution(h, self.w2, self.b2).relu_()
        return convolution(h, self.w3, self.b3)


class FoldedGlow:
    """The functions z = encode(x) and log p(x) of a trained Glow; x = G(z) is in ``fused``.

    Takes and returns images in [0, 1]; all arithmetic in the dtype and on the device of the
    tensors that it holds.
    """

    def __init__(self, config: GlowConfig, steps: list[list[FoldedStep]]) -> None:
        self.config, self.steps = config, steps

    @classmethod
    def of(cls, network: Glow) -> FoldedGlow:
        """Fold a trained network; float64, to be rounded once by :meth:`to`."""
        levels = [[FoldedStep.of(step) for step in level] for level in network.levels]  # type: ignore[attr-defined]
        return cls(network.config, levels)

    def to(self, device: torch.device, dtype: torch.dtype) -> FoldedGlow:
        """A copy on that device in that dtype, convolutions in channels-last order."""
        steps = [[step.to(device, dtype) for step in level] for level in self.steps]
        return FoldedGlow(self.config, steps)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and log|det ∂z/∂x| in nats: (B, C, H, W) → (B, n), (B,)."""
        affine = self.config.coupling == "affine"
        h = (x - 0.5).contiguous(memory_format=torch.channels_last)
        logdet = x.new_zeros(len(x))
        z = []
        for level, steps in enumerate(self.steps):
            h = squeeze(h)
            half, pixels = h.shape[1] // 2, h.shape[2] * h.shape[3]
            offset = self.config.scale_offset[level]
            for step in steps:
                h = _mix(h, step.matrix, step.offset)
                xa, xb = h[:, :half], h[:, half:]
                raw = step.net(xb)
                logdet = logdet + pixels * step.logdet
                if affine:
                    scale, log = scale_and_log(raw[:, :half], offset)
                    logdet = logdet + sums(log)
                    h = torch.cat([scale * xa + raw[:, half:], xb], 1)
                else:
                    h = torch.cat([xa + raw, xb], 1)
            if level < len(self.steps) - 1:
                z.append(h[:, half:].flatten(1))
                h = h[:, :half]
        z.append(h.flatten(1))
        return torch.cat(z, 1), logdet

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = log N(z; 0, I) + log|det ∂z/∂x|, (B,) nats."""
        z, logdet = self.encode(x)
        return -0.5 * (sums(z.square()) + self.config.n * math.log(2 * math.pi)) + logdet


def _mix(h: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """M h + c at every pixel."""
    b, _, height, width = h.shape
    found = mixed(h.permute(0, 2, 3, 1).flatten(1, 2), matrix.T, offset)
    return found.view(b, height, width, -1).permute(0, 3, 1, 2)
