"""One step of Glow from the data's side to the latent's, and its vector-Jacobian product, by hand.

Between two steps of flow lives a tensor (B, H, W, C) whose halves are (a, b). Backwards
through one step, from the data's side to the latent's, with s' and t the network's outputs
and σ the logistic function:

    s = σ(s' + 2) + c,   a ← (a − t) / s,   (a, b) ← (a, b) M⁻ᵀ + offset.

The pullback of a gradient (α, β) at the result, with (α, β) ← (α, β) M⁻¹ first, is

    α ← α / s,   ∂s' = −α·a·σ(1 − σ),   ∂t = −α,   β ← β + Jᵀ(∂s', ∂t),

J the Jacobian of the coupling's network. What it needs of each step are which hidden values
are positive, a, s and σ: nothing else is kept, and no graph is recorded.

In mixed precision the couplings' J is multiplied in bfloat16, while x and everything that is
added up stay in float32: the gradient is off by parts in a thousand, the objective not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from priorkit_glow.convolution import Convolution, mixed
from priorkit_glow.folded import FoldedStep
from priorkit_glow.network import GlowConfig

__all__ = ["FusedStep", "Kept"]

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass
class _Back:
    """The transposed convolutions of one step, in the dtype that they multiply in."""

    dtype: torch.dtype
    conv3: Convolution
    conv2: Convolution
    conv1: Convolution


@dataclass
class Kept:
    """What the pullback needs of one step."""

    step: FusedStep
    back: _Back
    mask1: Tensor
    mask2: Tensor
    a: Tensor
    s: Tensor | None
    sigma: Tensor | None


class FusedStep:
    """One step of flow from the data's side to the latent's, and its pullback."""

    def __init__(
        self,
        step: FoldedStep,
        config: GlowConfig,
        level: int,
        device: torch.device,
        dtype: torch.dtype,
        batch: int,
    ) -> None:
        self.affine, self.offset = config.coupling == "affine", config.scale_offset[level]
        self.half = len(step.matrix) // 2
        self.inverse = step.inverse.to(device, dtype).contiguous()
        self.inverse_t = step.inverse.T.to(device, dtype).contiguous()
        self.inverse_offset = step.inverse_offset.to(device, dtype)
        self.matrix_t = step.matrix.T.to(device, dtype).contiguous()
        self.matrix_offset = step.offset.to(device, dtype)
        layer = partial(Convolution, device=device, batch=batch, side=config.shape[1] >> level + 1)
        self.conv1 = layer(step.w1, step.b1, dtype=dtype, relu=True)
        self.conv2 = layer(step.w2, step.b2, dtype=dtype, relu=True)
        self.conv3 = layer(step.w3, step.shifted_b3, dtype=dtype)
        self._layer, self._exact = layer, step
        self._backs: dict[torch.dtype, _Back] = {}

    def back(self, dtype: torch.dtype) -> _Back:
        """The transposed convolutions, made when they are first asked for."""
        if dtype not in self._backs:
            layers = (self._layer(w, None, dtype=dtype) for w in self._exact.turned)
            self._backs[dtype] = _Back(dtype, *layers)
        return self._backs[dtype]

    def decode(self, h: Tensor, back: torch.dtype | None = None) -> tuple[Tensor, Kept | None]:
        """The step's result (B, H, W, C), and what a pullback in dtype ``back`` needs.

        ``h`` is overwritten, and kept if it is needed.
        """
        a, b = h[..., : self.half], h[..., self.half :]
        h1, h2, raw = self._net(b)
        s, sigma = self._scale(raw)
        a.sub_(raw[..., -self.half :])
        if s is not None:
            a.div_(s)
        out = mixed(_rows(h), self.inverse_t, self.inverse_offset).view(h.shape)
        return out, self._kept(back, h1, h2, a, s, sigma) if back else None

    def undo(self, h: Tensor, back: torch.dtype) -> tuple[Tensor, Kept]:
        """The h that :meth:`decode` was given, from its result."""
        before = mixed(_rows(h), self.matrix_t, self.matrix_offset).view(h.shape)
        a, b = before[..., : self.half], before[..., self.half :]
        h1, h2, raw = self._net(b)
        s, sigma = self._scale(raw)
        kept = self._kept(back, h1, h2, a.clone(), s, sigma)
        if s is not None:
            a.mul_(s)
        a.add_(raw[..., -self.half :])
        return before, kept

    def _net(self, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h1 = self.conv1(_image(b, b.dtype))
        h2 = self.conv2(h1)
        return h1, h2, self.conv3(h2).permute(0, 2, 3, 1)

    def _kept(
        self,
        back: torch.dtype,
        h1: Tensor,
        h2: Tensor,
        a: Tensor,
        s: Tensor | None,
        sigma: Tensor | None,
    ) -> Kept:
        return Kept(self, self.back(back), _mask(h1, back), _mask(h2, back), a, s, sigma)

    def _scale(self, raw: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if not self.affine:
            return None, None
        sigma = torch.sigmoid(raw[..., : self.half])
        return sigma + self.offset if self.offset else sigma, sigma

    def pull(self, g: Tensor, kept: Kept) -> Tensor:
        """The gradient at the step's input from that at its result, both (B, H, W, C)."""
        g = mixed(_rows(g), self.inverse).view(g.shape)
        alpha, beta = g[..., : self.half], g[..., self.half :]
        if kept.s is None or kept.sigma is None:
            outer = _image(alpha, kept.back.dtype)
        else:
            alpha.div_(kept.s)
            both = torch.empty_like(g, dtype=kept.back.dtype)
            both[..., : self.half] = _sigmoid_backward(alpha * kept.a, kept.sigma)
            both[..., self.half :] = alpha
            outer = both.permute(0, 3, 1, 2)
        inner = _masked(kept.back.conv3(outer), kept.mask2)
        inner = _masked(kept.back.conv2(inner), kept.mask1)
        beta.add_(kept.back.conv1(inner).permute(0, 2, 3, 1))
        return g


def _rows(h: Tensor) -> Tensor:
    return h.view(len(h), -1, h.shape[3])


def _image(h: Tensor, dtype: torch.dtype) -> Tensor:
    """A part of the channels of h as images for a convolution."""
    whole = torch.empty(h.shape, dtype=dtype, device=h.device)
    return whole.copy_(h).permute(0, 3, 1, 2)


def _masked(g: Tensor, mask: Tensor) -> Tensor:
    """g where the mask of :func:`_mask` is 1, else 0; g is overwritten."""
    g.view(mask.dtype).mul_(mask)
    return g


def _mask(activation: Tensor, dtype: torch.dtype) -> Tensor:
    """1 where an activation after its ReLU is positive, else 0, to multiply numbers of a dtype.

    On the bits, whose sign and order as whole numbers are those of the values: faster than a
    comparison, and the product is one of whole numbers. The activation is overwritten.
    """
    bits = activation.view(_BITS[activation.element_size()]).clamp_(0, 1)
    return bits.to(_BITS[dtype.itemsize])


def _sigmoid_backward(g: Tensor, sigma: Tensor) -> Tensor:
    """g σ(1 − σ); g is overwritten."""
    return torch.ops.aten.sigmoid_backward.grad_input(g, sigma, grad_input=g)
