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
that.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

__all__ = ["History", "dots"]

CURVATURE = 1e-10  # a pair with sᵀy below this times ‖s‖‖y‖ says nothing and is dropped


class History:
    """Up to ``memory`` pairs per image, at gradients ``g`` (B, n)."""

    def __init__(self, memory: int, g: Tensor) -> None:
        self._rings = [_Ring(memory, row) for row in g]

    def empty(self) -> Tensor:
        """(B,) whether an image has no pair."""
        device = self._rings[0].g.device
        return torch.tensor([ring.count == 0 for ring in self._rings], device=device)

    def forget(self, rows: Tensor) -> None:
        """Drop all pairs of the rows."""
        for i in rows.nonzero()[:, 0].tolist():
            self._rings[i].forget()

    def rows(self, index: Tensor) -> History:
        """The history of these images alone; an image that is taken twice gets a copy."""
        kept, taken = History.__new__(History), index.tolist()
        kept._rings = [
            copy.deepcopy(self._rings[i]) if i in taken[:place] else self._rings[i]
            for place, i in enumerate(taken)
        ]
        return kept

    def move(self, s: Tensor, g: Tensor, rows: Tensor) -> None:
        """The rows have gone by s to a point with gradient g, both (B, n).

        A pair is added where its curvature sᵀy is safely positive.
        """
        for i in rows.nonzero()[:, 0].tolist():
            self._rings[i].move(s[i], g[i])

    def directions(self) -> Tensor:
        """H g for every image, (B, n)."""
        return torch.stack([ring.direction() for ring in self._rings])


class _Ring:
    """The pairs of one image, in slots that are overwritten in turn, and a gradient.

    Gradients are held times a power of two that brings the first one near 1: their products
    leave float32 otherwise, where A or y is in units of its own. H g is the same, to the bit.
    """

    def __init__(self, memory: int, g: Tensor) -> None:
        self.memory = memory
        largest = torch.frexp(g.abs().amax().nan_to_num(0.0, 0.0))
        self.unit = 2.0 ** -int(largest.exponent.clamp(-1000, 1000))
        self.g = g * self.unit
        self.forget()

    def forget(self) -> None:
        self.count, self.next = 0, 0  # pairs, and the slot of the next
        self.pairs = self.g.new_zeros(0, 2, len(self.g))  # s and y; grows as pairs come in
        empty = torch.zeros(0, 0, dtype=torch.float64, device=self.g.device)
        self.SY = self.YY = empty
        self.Sg = self.Yg = empty[0:0, 0:0].flatten()

    def move(self, s: Tensor, g: Tensor) -> None:
        g = g * self.unit
        y = g - self.g
        self.g = g
        before = (self.Sg, self.Yg)
        self.Sg, self.Yg = self._products(g)
        sy, yy = float(dots(s, y)), float(dots(y, y))
        if not sy > CURVATURE * (float(dots(s, s)) * yy) ** 0.5:
            return
        across = (self.Sg - before[0], self.Yg - before[1])  # Sᵀy and Yᵀy
        full = self.count == self.memory
        kept = slice(1, None) if full else slice(None)
        self.SY = _bordered(self.SY[kept, kept], across[0][kept], sy)
        self.YY = _bordered(self.YY[kept, kept], across[1][kept], yy)
        self.Sg = torch.cat([self.Sg[kept], dots(s, g)[None]])
        self.Yg = torch.cat([self.Yg[kept], dots(y, g)[None]])
        self._grow()
        self.pairs[self.next, 0], self.pairs[self.next, 1] = s, y
        self.next = (self.next + 1) % self.memory
        self.count += not full

    def direction(self) -> Tensor:
        if not self.count:
            return self.g / self.unit
        theta = self.SY[-1, -1] / self.YY[-1, -1]
        R = self.SY.triu()
        p = torch.linalg.solve_triangular(R, self.Sg[:, None], upper=True)[:, 0]
        right = self.SY.diagonal() * p + theta * (torch.mv(self.YY, p) - self.Yg)
        q = torch.linalg.solve_triangular(R.mT, right[:, None], upper=False)[:, 0]
        weights = self._turned(torch.stack([q, -theta * p], 1), back=True).to(self.g.dtype)
        used = self.pairs[: self.count].flatten(0, 1)
        return torch.addmv(self.g, used.T, weights.flatten(), beta=float(theta))

    def _products(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Sᵀg and Yᵀg, oldest first."""
        used = self.pairs[: self.count].flatten(0, 1)
        both = self._turned(torch.mv(used, g).double().view(-1, 2))
        return both[:, 0], both[:, 1]

    def _turned(self, by_slot: Tensor, *, back: bool = False) -> Tensor:
        """Rows by slot as rows by age, oldest first, or ``back``."""
        if self.count < self.memory or not self.next:
            return by_slot
        return by_slot.roll(self.next if back else -self.next, 0)

    def _grow(self) -> None:
        have = len(self.pairs)
        if self.next < have:
            return
        more = min(self.memory, max(2 * have, 4)) - have
        new = self.pairs.new_zeros(more, 2, self.pairs.shape[2])
        self.pairs = torch.cat([self.pairs, new])


def dots(a: Tensor, b: Tensor) -> Tensor:
    """aᵀb along the last dimension, added up in float64."""
    return (a.double() * b.double()).sum(-1)


def _bordered(matrix: Tensor, column: Tensor, corner: float) -> Tensor:
    """A matrix with one more column and, as its mirror image, one more row."""
    k = len(column)
    new = matrix.new_empty(k + 1, k + 1)
    new[:k, :k] = matrix
    new[:k, k] = new[k, :k] = column
    new[k, k] = corner
    return new
