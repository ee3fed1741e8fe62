"""x = G(z) and its pullback: the steps of ``fused_step.py`` in their order, from level to level.

Nothing is kept but what each step keeps, and no graph is recorded. In reversible mode nothing is
kept but x: the steps are undone one by one, for the price of another G(z).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from priorkit.interfaces import Pullback
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused_step import FusedStep, Kept

__all__ = ["SEVERAL", "FusedGlow"]

SEVERAL = 6  # images that weights are packed for, where there is more than one


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
    ) -> Iterator[tuple[int, int, Tensor, Kept | None]]:
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
    def _pull(self, r: Tensor, kept: Iterator[Kept]) -> Tensor:
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

    def _undone(self, h: Tensor, back: torch.dtype) -> Iterator[Kept]:
        """What the pullback needs of the steps, from the finest, made anew from G's result."""
        for level, steps in enumerate(self.steps):
            if level:
                h = _deep(h[..., : h.shape[3] // 2])
            for step in steps:
                h, kept = step.undo(h, back)
                yield kept

    def _picture(self, h: Tensor) -> Tensor:
        return (_wide(h) + 0.5).permute(0, 3, 1, 2).contiguous()


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
