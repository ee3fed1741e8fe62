"""x = G(z) and its vector-Jacobian product, written out by hand.

Between two steps of flow lives a tensor (B, H, W, C) whose halves are (a, b). Backwards
through one step, from the data's side to the latent's, with s' and t the network's outputs
and σ the logistic function:

    s = σ(s' + 2) + c,   a ← (a − t) / s,   (a, b) ← (a, b) M⁻ᵀ + offset.

The pullback of a gradient (α, β) at the result, with (α, β) ← (α, β) M⁻¹ first, is

    α ← α / s,   ∂s' = −α·a·σ(1 − σ),   ∂t = −α,   β ← β + Jᵀ(∂s', ∂t),

J the Jacobian of the coupling's network. What it needs of each step are which hidden values
are positive, a, s and σ: nothing else is kept, and no graph is recorded. In reversible mode
nothing is kept but x: the steps are undone one by one, for the price of another G(z).

In mixed precision the couplings' J is multiplied in bfloat16, while x and everything that is
added up stay in float32: the gradient is off by parts in a thousand, the objective not at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from priorkit.interfaces import Pullback
from priorkit_glow.convolution import Convolution, mixed
from priorkit_glow.folded import FoldedGlow, FoldedStep
from priorkit_glow.network import GlowConfig

__all__ = ["SEVERAL", "FusedGlow"]

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
SEVERAL = 6  # images that weights are packed for, where there is more than one


@dataclass
class _Back:
    """The transposed convolutions of one step, in the dtype that they multiply in."""

    dtype: torch.dtype
    conv3: Convolution
    conv2: Convolution
    conv1: Convolution


@dataclass
class _Kept:
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

    def decode(self, h: Tensor, back: torch.dtype | None = None) -> tuple[Tensor, _Kept | None]:
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

    def undo(self, h: Tensor, back: torch.dtype) -> tuple[Tensor, _Kept]:
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
    ) -> _Kept:
        return _Kept(self, self.back(back), _mask(h1, back), _mask(h2, back), a, s, sigma)

    def _scale(self, raw: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if not self.affine:
            return None, None
        sigma = torch.sigmoid(raw[..., : self.half])
        return sigma + self.offset if self.offset else sigma, sigma

    def pull(self, g: Tensor, kept: _Kept) -> Tensor:
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


class FusedGlow:
    """x = G(z) and its pullback on one device, for one image or for several.

    Parameters
    ----------
    network : the folded network, exact
    device, dtype : where it is computed, and the dtype of z and x
    batch : 1, or more for any number of images: one image alone wants other kernels
    reversible : keep nothing but x for the pullback, and undo the steps
    """

    def __init__(
        self,
        network: FoldedGlow,
        device: torch.device,
        dtype: torch.dtype,
        *,
        batch: int = SEVERAL,
        reversible: bool = False,
    ) -> None:
        self.reversible = reversible
        self.config, self.shapes = network.config, network.config.latent_shapes
        self.steps = [
            [FusedStep(step, self.config, level, device, dtype, batch) for step in steps]
            for level, steps in enumerate(network.steps)
        ]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """x = G(z): (B, n) → (B, C, H, W)."""
        *_, (_, _, h, _) = self._unwind(z)
        return self._picture(h)

    @torch.no_grad()
    def decode_vjp(self, z: Tensor, back: torch.dtype) -> tuple[Tensor, Pullback]:
        """x = G(z), and r ↦ J(z)ᵀ r with the couplings' J in dtype ``back``."""
        kept = []
        for _, _, h, step in self._unwind(z, None if self.reversible else back):
            last = h
            if step is not None:
                kept.append(step)
        if self.reversible:
            return self._picture(last), lambda r: self._pull(r, self._undone(last, back))
        return self._picture(last), lambda r: self._pull(r, reversed(kept))

    def steps_of(self, z: Tensor) -> Iterator[tuple[int, int, Tensor]]:
        """Level, step and result (B, H, W, C), in the order of decoding, both from 0."""
        for level, k, h, _ in self._unwind(z):
            yield level, k, h

    def _unwind(
        self, z: Tensor, back: torch.dtype | None = None
    ) -> Iterator[tuple[int, int, Tensor, _Kept | None]]:
        parts = z.split([math.prod(s) for s in self.shapes], 1)
        fresh = [
            part.view(-1, *shape).permute(0, 2, 3, 1)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]
        h = fresh[-1].clone(memory_format=torch.contiguous_format)  # steps write over it
        for level in range(len(self.shapes) - 1, -1, -1):
            if level < len(self.shapes) - 1:
                h = torch.cat([_wide(h), fresh[level]], 3)
            for k in reversed(range(len(self.steps[level]))):
                h, kept = self.steps[level][k].decode(h, back)
                yield level, k, h, kept

    @torch.no_grad()
    def _pull(self, r: Tensor, kept: Iterator[_Kept]) -> Tensor:
        """J(z)ᵀ r, from what was kept of the steps, the last decoded first."""
        g = _deep(r.permute(0, 2, 3, 1))
        parts = []
        for level, steps in enumerate(self.steps):
            if level:
                half = g.shape[3] // 2
                parts.append(_flat(g[..., half:]))
                g = _deep(g[..., :half])
            for _ in steps:
                step = next(kept)
                g = step.step.pull(g, step)
        return torch.cat([*parts, _flat(g)], 1)

    def _undone(self, h: Tensor, back: torch.dtype) -> Iterator[_Kept]:
        """What the pullback needs of the steps, from the finest, made anew from G's result."""
        for level, steps in enumerate(self.steps):
            if level:
                h = _deep(h[..., : h.shape[3] // 2])
            for step in steps:
                h, kept = step.undo(h, back)
                yield kept

    def _picture(self, h: Tensor) -> Tensor:
        return (_wide(h) + 0.5).permute(0, 3, 1, 2).contiguous()


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


def _deep(h: Tensor) -> Tensor:
    """Squeeze (B, 2H, 2W, C) → (B, H, W, 4C), as :func:`priorkit_glow.network.squeeze`."""
    b, height, width, c = h.shape
    blocks = h.reshape(b, height // 2, 2, width // 2, 2, c).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(b, height // 2, width // 2, 4 * c)


def _wide(h: Tensor) -> Tensor:
    """The inverse of :func:`_deep`."""
    b, height, width, c = h.shape
    blocks = h.view(b, height, width, c // 4, 2, 2).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(b, 2 * height, 2 * width, c // 4)


def _flat(h: Tensor) -> Tensor:
    return h.permute(0, 3, 1, 2).flatten(1)
