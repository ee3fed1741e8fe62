"""The inverse Hessian of L-BFGS in compact form, for a batch of independent problems.

With S and Y the last pairs, R the upper triangle of SᵀY, oldest pair first, D its diagonal and
θ = sᵀy / yᵀy of the newest pair, the product with a gradient g is

    H g = θ g + S q − θ Y p,   p = R⁻¹ Sᵀg,   q = R⁻ᵀ [(D + θ YᵀY) p − θ Yᵀg]

(Byrd, Nocedal & Schnabel, "Representations of quasi-Newton matrices", Math. Prog. 1994,
eq. 3.1 with H₀ = θI). A step reads the pairs twice: once for Sᵀg and Yᵀg, from which the new
columns follow by Sᵀy = Sᵀg − Sᵀg₋, g₋ the gradient before, and once for S q − θ Y p. The
small matrices are in float64.

All images are worked on at once, and which of them move, forget or have so many pairs is never
asked but written in masks: so a step is a few hundred operations for any number of images, and
waits for no device. Every array has its full size from the beginning, that of an empty history
being R = 1 and YᵀY = 0. A pair stays in its slot until its slot is the oldest and taken again; only
the two triangular solves need the slots in the order of their age.

Gradients are held times a power of two that brings the first one near 1: their products leave
float32 otherwise, where A or y is in units of its own. H g is the same, to the bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.linear import dots
from priorkit_solvers.pairs import Pairs

__all__ = ["History"]

CURVATURE = 1e-10  # a pair with sᵀy below this times ‖s‖‖y‖ says nothing and is dropped


class History:
    """Up to ``memory`` pairs per image, at gradients ``g`` (B, n)."""

    def __init__(self, memory: int, g: Tensor) -> None:
        self._unit = _unit(g)
        self._g = g * self._unit
        self._pairs = Pairs(memory, self._g)
        b, slots = len(g), self._pairs.slots
        one = torch.eye(slots, dtype=torch.float64, device=g.device)
        self._none = torch.stack([one, torch.zeros_like(one)])  # SᵀY and YᵀY of no pairs
        self._small = self._none.repeat(b, 1, 1, 1)  # (B, 2, slots, slots)
        self._along = one.new_zeros(b, 2, slots, 1)  # Sᵀg and Yᵀg
        self._plain = 1 / self._unit[:, 0].double()  # θ of no pairs, with which H g is the gradient
        self._theta = self._plain
        self._taken = torch.zeros(b, dtype=torch.long, device=g.device)  # pairs since the last loss

    def empty(self) -> Tensor:
        """(B,) whether an image has no pair."""
        return self._taken == 0

    def forget(self, rows: Tensor) -> None:
        """Drop all pairs of the rows, (B,) bool."""
        each = rows.view(-1, 1, 1, 1)
        self._small = torch.where(each, self._none, self._small)
        self._along = self._along.masked_fill(each, 0.0)
        self._theta = torch.where(rows, self._plain, self._theta)
        self._taken = self._taken.masked_fill(rows, 0)

    def rows(self, index: Tensor) -> History:
        """The history of these images alone, in place of this one: they share the pairs."""
        kept = History.__new__(History)
        kept._none, kept._pairs = self._none, self._pairs.rows(index)
        for name in ("_unit", "_g", "_small", "_along", "_plain", "_theta", "_taken"):
            setattr(kept, name, getattr(self, name)[index])
        return kept

    def move(self, s: Tensor, g: Tensor, rows: Tensor) -> None:
        """The rows, (B,) bool, have gone by s to a point with gradient g, both (B, n).

        A pair is added where its curvature sᵀy is safely positive.
        """
        g = g * self._unit
        pair = torch.stack([s, g - self._g], 1)
        self._g = torch.where(rows[:, None], g, self._g)
        wide, wide_g = pair.double(), g.double()
        with_y = (wide * wide[:, 1:]).sum(-1)  # sᵀy and yᵀy
        sy, yy = with_y.unbind(1)
        ss = dots(wide_s := wide[:, 0], wide_s)
        added = rows & (sy > CURVATURE * (ss * yy).sqrt())

        along = self._pairs.along(g, self._taken, rows)
        across = along - self._along  # Sᵀy and Yᵀy
        slot = torch.where(added, self._taken % self._pairs.memory, -1)
        new = slot.view(-1, 1, 1, 1) == self._pairs.places  # one, or none
        own = (wide * wide_g[:, None]).sum(-1)
        along = torch.where(new, own.view(-1, 2, 1, 1), along)
        self._along = torch.where(rows.view(-1, 1, 1, 1), along, self._along)
        column = torch.where(new, with_y.view(-1, 2, 1, 1), across)
        small = torch.where(new.mT, column, self._small)
        self._small = torch.where(new, column.mT, small)
        self._pairs.put(pair, slot)
        self._theta = torch.where(added, sy / yy, self._theta)
        self._taken = self._taken + added

    def directions(self, rows: Tensor) -> Tensor:
        """H g for the rows, (B,) bool, and anything for the others; without pairs g itself."""
        (SY, YY), (Sg, Yg) = self._small.unbind(1), self._along.unbind(1)
        theta, order, R = self._theta.view(-1, 1, 1), self._pairs.order(self._taken), SY
        if order is not None:
            R = SY.gather(1, order.expand_as(SY)).gather(2, order.mT.expand_as(SY))
        p = _solved(R, Sg, order, upper=True)
        D = SY.diagonal(dim1=1, dim2=2)[..., None]
        right = D * p + theta * ((YY * p.mT).sum(2, keepdim=True) - Yg)
        q = _solved(R.mT, right, order, upper=False)
        found = self._pairs.combined(torch.cat([q, -theta * p], 2), self._taken, rows)
        return found + self._theta.to(found.dtype)[:, None] * self._g


def _solved(triangle: Tensor, right: Tensor, order: Tensor | None, *, upper: bool) -> Tensor:
    """triangle⁻¹ right, (B, slots, 1) → the same by slots; the triangle is in their ``order``."""
    if order is None:
        return torch.linalg.solve_triangular(triangle, right, upper=upper)
    solved = torch.linalg.solve_triangular(triangle, right.gather(1, order), upper=upper)
    return torch.empty_like(right).scatter(1, order, solved)


def _unit(g: Tensor) -> Tensor:
    """(B, 1) the power of two that brings the largest entry of a row near 1."""
    most = 126 if g.dtype == torch.float32 else 1022  # what a power of two can be
    exponent = torch.frexp(g.abs().amax(1).nan_to_num(0.0, 0.0)).exponent.clamp(-most, most)
    return ((1023 - exponent.long()) << 52).view(torch.float64).to(g.dtype)[:, None]
