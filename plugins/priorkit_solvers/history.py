"""The inverse Hessian of L-BFGS in compact form, for a batch of independent problems.

With S and Y the last pairs (oldest first), R the upper triangle of SᵀY, D its diagonal and
θ = sᵀy / yᵀy of the newest pair, the product with a gradient g is

    H g = θ g + S q − θ Y p,   p = R⁻¹ Sᵀg,   q = R⁻ᵀ [(D + θ YᵀY) p − θ Yᵀg],

two reads of the history as matrix products where the two-loop recursion takes four in
vector operations (Byrd, Nocedal & Schnabel, "Representations of quasi-Newton matrices",
Math. Prog. 1994, eq. 3.1 with H₀ = θI). The small systems are solved in float64.
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
        self.memory = memory
        self.S = like.new_zeros(images, 0, n)  # the ring grows as pairs come in
        self.Y = like.new_zeros(images, 0, n)
        device = like.device
        self.SY = torch.zeros(images, 0, 0, dtype=torch.float64, device=device)
        self.YY = torch.zeros_like(self.SY)
        self.age = torch.zeros(images, 0, dtype=torch.long, device=device)  # 0: empty slot
        self.count = torch.zeros(images, dtype=torch.long, device=device)

    def empty(self) -> Tensor:
        """(B,) whether an image has no pair."""
        return self.count == 0

    def forget(self, rows: Tensor) -> None:
        """Drop all pairs of the rows."""
        if bool(rows.any()):
            self.age[rows] = 0
            self.count[rows] = 0

    def rows(self, index: Tensor) -> History:
        """The history of these images alone."""
        kept = copy.copy(self)
        for name in ("S", "Y", "SY", "YY", "age", "count"):
            setattr(kept, name, getattr(self, name)[index])
        return kept

    def add(self, s: Tensor, y: Tensor, rows: Tensor) -> None:
        """Add a pair for the rows where its curvature sᵀy is safely positive."""
        sy = (s.double() * y.double()).sum(1)
        yy = y.double().square().sum(1)
        which = (rows & (sy > CURVATURE * yy) & (yy > 0)).nonzero()[:, 0]
        if not len(which):
            return
        slot = self.count[which] % self.memory
        self._grow(int(slot.max()) + 1)
        self.S[which, slot], self.Y[which, slot] = s[which], y[which]
        self.count[which] += 1
        self.age[which, slot] = self.count[which]
        everyone = len(which) == len(self.S)  # the usual case needs no copy of the ring
        S, Y = (self.S, self.Y) if everyone else (self.S[which], self.Y[which])
        column = torch.bmm(S, y[which, :, None])[..., 0].double()
        cross = torch.bmm(Y, torch.stack([s[which], y[which]], 2)).double()
        self.SY[which, :, slot] = column
        self.SY[which, slot] = cross[..., 0]
        self.SY[which, slot, slot] = sy[which]
        self.YY[which, :, slot] = cross[..., 1]
        self.YY[which, slot] = cross[..., 1]
        self.YY[which, slot, slot] = yy[which]

    def apply(self, g: Tensor) -> Tensor:
        """H g for every image, (B, n) → (B, n)."""
        if not self.S.shape[1]:
            return g
        used = self.age > 0
        order = torch.where(used, self.age, -1).argsort(1)  # empty slots first, then oldest
        live = used.gather(1, order)
        both = live[:, :, None] & live[:, None, :]
        eye = torch.eye(order.shape[1], dtype=torch.float64, device=g.device)
        SY = torch.where(both, _sorted(self.SY, order), eye)
        YY = torch.where(both, _sorted(self.YY, order), 0.0)
        D = SY.diagonal(dim1=1, dim2=2) * live
        theta = torch.where(self.count > 0, SY[:, -1, -1] / YY[:, -1, -1].clamp_min(1e-300), 1.0)[
            :, None
        ]
        Sg = (torch.bmm(self.S, g[:, :, None])[..., 0].double()).gather(1, order) * live
        Yg = (torch.bmm(self.Y, g[:, :, None])[..., 0].double()).gather(1, order) * live
        R = SY.triu()
        p = torch.linalg.solve_triangular(R, Sg[..., None], upper=True)
        right = D[..., None] * p + theta[..., None] * (YY @ p - Yg[..., None])
        q = torch.linalg.solve_triangular(R.mT, right, upper=False)
        p, q = (live[..., None] * p)[..., 0], (live[..., None] * q)[..., 0]
        back = order.argsort(1)
        p, q = p.gather(1, back).to(g.dtype), q.gather(1, back).to(g.dtype)
        theta = theta.to(g.dtype)
        step = torch.bmm(q[:, None], self.S)[:, 0] - theta * torch.bmm(p[:, None], self.Y)[:, 0]
        return theta * g + step

    def _grow(self, slots: int) -> None:
        have = self.S.shape[1]
        if slots <= have:
            return
        size = min(self.memory, max(slots, 2 * have, 4))
        images, n = len(self.S), self.S.shape[2]
        for name in ("S", "Y"):
            old = getattr(self, name)
            new = old.new_zeros(images, size, n)
            new[:, :have] = old
            setattr(self, name, new)
        for name in ("SY", "YY"):
            old = getattr(self, name)
            new = old.new_zeros(images, size, size)
            new[:, :have, :have] = old
            setattr(self, name, new)
        age = self.age.new_zeros(images, size)
        age[:, :have] = self.age
        self.age = age


def _sorted(matrix: Tensor, order: Tensor) -> Tensor:
    """Rows and columns of each (B, m, m) matrix in the given order."""
    size = order.shape[1]
    matrix = matrix.gather(1, order[:, :, None].expand(-1, -1, size))
    return matrix.gather(2, order[:, None, :].expand(-1, size, -1))
