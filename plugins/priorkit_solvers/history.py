"""The inverse Hessian of L-BFGS in compact form, for a batch of independent problems.

With S and Y the last pairs (oldest first), R the upper triangle of SᵀY, D its diagonal and
θ = sᵀy / yᵀy of the newest pair, the product with a gradient g is

    H g = θ g + S q − θ Y p,   p = R⁻¹ Sᵀg,   q = R⁻ᵀ [(D + θ YᵀY) p − θ Yᵀg]

(Byrd, Nocedal & Schnabel, "Representations of quasi-Newton matrices", Math. Prog. 1994,
eq. 3.1 with H₀ = θI). A step reads the pairs twice: once for Sᵀg and Yᵀg, from which the new
columns follow by Sᵀy = Sᵀg − Sᵀg₋, g₋ the gradient before, and once for S q − θ Y p. The
small matrices are kept oldest first and in float64.

Every image has arrays of its own, of the size of its own history: a product of the whole batch
would round an image's numbers differently in another batch, and a quasi-Newton path amplifies
that. What is done entry by entry, or added up along a row, is done for the batch at once, and the
numbers that decide come to the processor together.

Gradients are held times a power of two that brings the first one near 1: their products leave
float32 otherwise, where A or y is in units of its own. H g is the same, to the bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.linear import dots

__all__ = ["History"]

CURVATURE = 1e-10  # a pair with sᵀy below this times ‖s‖‖y‖ says nothing and is dropped


class History:
    """Up to ``memory`` pairs per image, at gradients ``g`` (B, n)."""

    def __init__(self, memory: int, g: Tensor) -> None:
        largest = torch.frexp(g.abs().amax(1).nan_to_num(0.0, 0.0)).exponent
        units = [2.0**-exponent for exponent in largest.clamp(-1000, 1000).tolist()]
        self._unit = torch.tensor(units, dtype=g.dtype, device=g.device)[:, None]
        self._g = g * self._unit
        self._rings = [_Ring(memory, row) for row in self._g]

    def empty(self) -> Tensor:
        """(B,) whether an image has no pair."""
        return torch.tensor([ring.count == 0 for ring in self._rings], device=self._g.device)

    def forget(self, rows: list[bool]) -> None:
        """Drop all pairs of the rows."""
        for ring, gone in zip(self._rings, rows, strict=True):
            if gone:
                ring.forget()

    def rows(self, index: Tensor) -> History:
        """The history of these images alone."""
        kept = History.__new__(History)
        kept._unit, kept._g = self._unit[index], self._g[index]
        kept._rings = [self._rings[i] for i in index.tolist()]
        return kept

    def move(self, s: Tensor, g: Tensor, rows: list[bool]) -> None:
        """The rows have gone by s to a point with gradient g, both (B, n).

        A pair is added where its curvature sᵀy is safely positive.
        """
        g = g * self._unit
        y = g - self._g
        pairs = torch.stack([s, y], 1)
        self._g = g if all(rows) else torch.where(_column(rows, g), g, self._g)
        wide_s, wide_y, wide_g = s.double(), y.double(), g.double()
        of = ((wide_s, wide_y), (wide_y, wide_y), (wide_s, wide_s), (wide_s, wide_g))
        products = torch.stack([dots(a, b) for a, b in (*of, (wide_y, wide_g))], 1)
        known = products[:, :3].tolist()
        per_image = zip(self._rings, rows, known, g, pairs, products, strict=True)
        for ring, moved, (sy, yy, ss), at, pair, own in per_image:
            if moved:
                ring.move(at, pair, own, theta=_theta(sy, yy, ss))

    def directions(self, rows: list[bool]) -> Tensor:
        """H g for the rows, (B, n), and anything for the others."""
        per_image = zip(self._rings, self._g, rows, strict=True)
        found = torch.stack([ring.direction(g) if asked else g for ring, g, asked in per_image])
        plain = [ring.count == 0 for ring in self._rings]
        if not any(plain):
            return found
        return torch.where(_column(plain, found), found / self._unit, found)


class _Ring:
    """The pairs of one image, in slots that are overwritten in turn."""

    def __init__(self, memory: int, g: Tensor) -> None:
        self.memory, self._like = memory, g[:0]
        self._length = len(g)
        self.forget()

    def forget(self) -> None:
        self.count, self.next = 0, 0  # pairs, and the slot of the next
        self.pairs = self._like.new_zeros(0, self._length)  # s and y by turns; grows with them
        empty = torch.zeros(0, 0, dtype=torch.float64, device=self._like.device)
        self.SY = self.YY = empty
        self.along = empty.view(0, 2)  # Sᵀg and Yᵀg
        self.theta = 1.0

    def move(self, g: Tensor, pair: Tensor, products: Tensor, *, theta: float | None) -> None:
        """To gradient g by ``pair``, s and y (2, n), with the ``products`` of s and y: sᵀy, yᵀy,
        sᵀs, sᵀg, yᵀg. Where there is no θ, the pair says nothing."""
        before, self.along = self.along, self._products(g)
        if theta is None:
            return
        across = self.along - before  # Sᵀy and Yᵀy
        full = self.count == self.memory
        kept = slice(1, None) if full else slice(None)
        self.SY = _bordered(self.SY[kept, kept], across[kept, 0], products[:1])
        self.YY = _bordered(self.YY[kept, kept], across[kept, 1], products[1:2])
        self.along = torch.cat([self.along[kept], products[None, 3:]])
        self._grow()
        self.pairs[2 * self.next : 2 * self.next + 2] = pair
        self.next = (self.next + 1) % self.memory
        self.count += not full
        self.theta = theta

    def direction(self, g: Tensor) -> Tensor:
        """H g, or without pairs g itself."""
        if not self.count:
            return g
        theta, R = self.theta, self.SY  # of which only the upper triangle is read
        p = torch.linalg.solve_triangular(R, self.along[:, :1], upper=True)[:, 0]
        right = R.diagonal() * p + theta * (torch.mv(self.YY, p) - self.along[:, 1])
        q = torch.linalg.solve_triangular(R.mT, right[:, None], upper=False)[:, 0]
        weights = self._turned(torch.stack([q, -theta * p], 1), back=True).to(g.dtype)
        used = self.pairs[: 2 * self.count]
        return torch.addmv(g, used.T, weights.flatten(), beta=theta)

    def _products(self, g: Tensor) -> Tensor:
        """Sᵀg and Yᵀg, (pairs, 2), oldest first."""
        used = self.pairs[: 2 * self.count]
        return self._turned(torch.mv(used, g).double().view(-1, 2))

    def _turned(self, by_slot: Tensor, *, back: bool = False) -> Tensor:
        """Rows by slot as rows by age, oldest first, or ``back``."""
        if self.count < self.memory or not self.next:
            return by_slot
        return by_slot.roll(self.next if back else -self.next, 0)

    def _grow(self) -> None:
        have = len(self.pairs) // 2
        if self.next < have:
            return
        more = min(self.memory, max(2 * have, 4)) - have
        new = self.pairs.new_zeros(2 * more, self._length)
        self.pairs = torch.cat([self.pairs, new])


def _theta(sy: float, yy: float, ss: float) -> float | None:
    """θ, or None where the curvature isn't safely positive."""
    return sy / yy if sy > CURVATURE * (ss * yy) ** 0.5 else None


def _column(rows: list[bool], like: Tensor) -> Tensor:
    return torch.tensor(rows, device=like.device)[:, None]


def _bordered(matrix: Tensor, column: Tensor, corner: Tensor) -> Tensor:
    """A matrix with one more column and, as its mirror image, one more row; the corner (1,)."""
    wide = torch.cat([matrix, column[:, None]], 1)
    return torch.cat([wide, torch.cat([column, corner])[None]])
