"""The inverse Hessian of L-BFGS in compact form, for a batch of independent problems.

With S and Y the last pairs (oldest first), R the upper triangle of SᵀY, D its diagonal and
θ = sᵀy / yᵀy of the newest pair, the product with a gradient g is

    H g = θ g + S q − θ Y p,   p = R⁻¹ Sᵀg,   q = R⁻ᵀ [(D + θ YᵀY) p − θ Yᵀg],

two reads of the history as matrix products where the two-loop recursion takes four in
vector operations (Byrd, Nocedal & Schnabel, "Representations of quasi-Newton matrices",
Math. Prog. 1994, eq. 3.1 with H₀ = θI). The small systems are solved in float64.

Every image has arrays of its own, of the size of its own history: a product of the whole batch
would round an image's numbers differently in another batch, and a quasi-Newton path amplifies
that.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

__all__ = ["History"]

CURVATURE = 1e-10  # a pair with sᵀy below this times yᵀy says nothing and is dropped


class History:
    """Up to ``memory`` pairs per image in a ring; ``like`` gives device and dtype."""

    def __init__(self, images: int, n: int, memory: int, like: Tensor) -> None:
        self._rings = [_Ring(n, memory, like) for _ in range(images)]

    def empty(self) -> Tensor:
        """(B,) whether an image has no pair."""
        device = self._rings[0].S.device
        return torch.tensor([ring.count == 0 for ring in self._rings], device=device)

    def forget(self, rows: Tensor) -> None:
        """Drop all pairs of the rows."""
        for i in rows.nonzero()[:, 0].tolist():
            self._rings[i].count = 0

    def rows(self, index: Tensor) -> History:
        """The history of these images alone; an image that is taken twice gets a copy."""
        kept, taken = History.__new__(History), index.tolist()
        kept._rings = [
            copy.deepcopy(self._rings[i]) if i in taken[:place] else self._rings[i]
            for place, i in enumerate(taken)
        ]
        return kept

    def add(self, s: Tensor, y: Tensor, rows: Tensor) -> None:
        """Add a pair for the rows where its curvature sᵀy is safely positive."""
        sy = (s.double() * y.double()).sum(1)
        yy = y.double().square().sum(1)
        for i in (rows & (sy > CURVATURE * yy) & (yy > 0)).nonzero()[:, 0].tolist():
            self._rings[i].add(s[i], y[i], sy[i], yy[i])

    def apply(self, g: Tensor) -> Tensor:
        """H g for every image, (B, n) → (B, n)."""
        return torch.stack([ring.apply(row) for ring, row in zip(self._rings, g, strict=True)])


class _Ring:
    """The pairs of one image, in slots that are overwritten in turn."""

    def __init__(self, n: int, memory: int, like: Tensor) -> None:
        self.memory, self.count = memory, 0
        self.S, self.Y = like.new_zeros(0, n), like.new_zeros(0, n)  # grow as pairs come in
        self.SY = torch.zeros(0, 0, dtype=torch.float64, device=like.device)
        self.YY = self.SY

    def add(self, s: Tensor, y: Tensor, sy: Tensor, yy: Tensor) -> None:
        slot = self.count % self.memory
        self._grow(slot + 1)
        self.S[slot], self.Y[slot] = s, y
        self.count += 1
        k = min(self.count, self.memory)
        across = torch.mv(self.Y[:k], y).double()
        self.SY[:k, slot] = torch.mv(self.S[:k], y).double()
        self.SY[slot, :k] = torch.mv(self.Y[:k], s).double()
        self.YY[:k, slot] = across
        self.YY[slot, :k] = across
        self.SY[slot, slot], self.YY[slot, slot] = sy, yy

    def apply(self, g: Tensor) -> Tensor:
        k = min(self.count, self.memory)
        if not k:
            return g
        S, Y = self.S[:k], self.Y[:k]
        order = (torch.arange(k, device=g.device) + self.count) % k  # of slots, oldest first
        SY, YY = (M[:k, :k][order][:, order] for M in (self.SY, self.YY))
        Sg, Yg = torch.mv(S, g).double()[order], torch.mv(Y, g).double()[order]
        theta = SY[-1, -1] / YY[-1, -1].clamp_min(1e-300)
        R = SY.triu()
        p = torch.linalg.solve_triangular(R, Sg[:, None], upper=True)[:, 0]
        right = SY.diagonal() * p + theta * (torch.mv(YY, p) - Yg)
        q = torch.linalg.solve_triangular(R.mT, right[:, None], upper=False)[:, 0]
        by_slot = torch.zeros(2, k, dtype=g.dtype, device=g.device)
        by_slot[:, order] = torch.stack([q, p]).to(g.dtype)
        theta = theta.to(g.dtype)
        return theta * g + torch.mv(S.T, by_slot[0]) - theta * torch.mv(Y.T, by_slot[1])

    def _grow(self, slots: int) -> None:
        have = len(self.S)
        if slots <= have:
            return
        size = min(self.memory, max(slots, 2 * have, 4))
        for name in ("S", "Y"):
            old = getattr(self, name)
            new = old.new_zeros(size, old.shape[1])
            new[:have] = old
            setattr(self, name, new)
        for name in ("SY", "YY"):
            old = getattr(self, name)
            new = old.new_zeros(size, size)
            new[:have, :have] = old
            setattr(self, name, new)
