"""A RealNVP over vectors for the density and its gradient alone, with nothing in it twice.

A coupling uses half of the coordinates to change the other half, so that the other columns of its
first matrices and the other rows of its last are left out; the matrices of s and t are multiplied
at once; activation normalisations, which only scale and shift, disappear into those beside them.
The gradient is written out, so that no graph is built and no gradient of a parameter is taken.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from priorkit_realnvp.network import RealNVP

__all__ = ["FoldedFlow"]

TOGETHER = 512  # points that are computed together


@dataclass(frozen=True)
class _Coupling:
    """h_b ← (h_b − t(h_a))·exp(−ℓ·tanh q(h_a)); of the matrices of t and q, those of t are first.

    In its order the ``kept`` coordinates a come first; ``order`` has the rows of h in that order,
    and ``back`` leads to the order before.
    """

    order: Tensor
    back: Tensor
    kept: int
    w1: Tensor  # (2·width, a), with both beside each other
    b1: Tensor  # (2·width, 1)
    w2: Tensor  # (2, width, width)
    b2: Tensor  # (2, width, 1)
    w3: Tensor  # (2, b, width)
    b3: Tensor  # (2, b, 1)

    def to(self, device: torch.device, dtype: torch.dtype) -> _Coupling:
        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        tensors = (moved(t) for t in (self.w1, self.b1, self.w2, self.b2, self.w3, self.b3))
        return _Coupling(moved(self.order), moved(self.back), self.kept, *tensors)


@dataclass(frozen=True)
class FoldedFlow:
    """The density of a RealNVP over vectors, (d,); points are columns, (d, P).

    z = scale·h + shift of what the last coupling gives, in its order; ``constant`` is what of log p
    depends on no point.
    """

    couplings: tuple[_Coupling, ...]
    scale: Tensor  # (d, 1)
    shift: Tensor  # (d, 1)
    constant: float
    limit: float

    @classmethod
    @torch.no_grad()
    def of(cls, network: RealNVP) -> FoldedFlow:
        """That of a network, in float64.

        What goes before a coupling, h → scale·h + shift, disappears into its matrices for a, and
        for b into t; of its exp only the scale of b is left to what follows.
        """
        network = copy.deepcopy(network).double().cpu()
        d, limit = network.config.n, network.config.scale_limit
        scale, shift = torch.ones(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64)
        constant = -0.5 * d * math.log(2 * math.pi)
        couplings, now = [], torch.arange(d)
        flows: list[Any] = list(network.levels[0].children())
        for coupling, norm in zip(flows[-2::-2], flows[::-2], strict=True):
            factor = torch.exp(-norm.s[0])
            scale, shift = factor * scale, factor * (shift - norm.t[0])
            constant -= float(norm.s.sum())
            a, b = (coupling.b[0] == 1).nonzero()[:, 0], (coupling.b[0] == 0).nonzero()[:, 0]
            (t1, t2, t3), (s1, s2, s3) = coupling.t[::2], coupling.s.net[::2]
            first = torch.cat([t1.weight, s1.weight])[:, a]
            bias = torch.cat([t1.bias, s1.bias]) + first @ shift[a]
            t3w, t3b = t3.weight[b] / scale[b, None], (t3.bias[b] - shift[b]) / scale[b]
            then = torch.cat([a, b])
            couplings.append(
                _Coupling(
                    order=now.argsort()[then],
                    back=then.argsort()[now],
                    kept=len(a),
                    w1=first * scale[a],
                    b1=bias[:, None],
                    w2=torch.stack([t2.weight, s2.weight]),
                    b2=torch.stack([t2.bias, s2.bias])[..., None],
                    w3=torch.stack([t3w, s3.weight[b] / limit]),
                    b3=torch.stack([t3b, s3.bias[b] / limit])[..., None],
                )
            )
            shift, now = shift.index_fill(0, b, 0.0), then
        return cls(tuple(couplings), scale[now, None], shift[now, None], constant, limit)

    def to(self, device: torch.device, dtype: torch.dtype) -> FoldedFlow:
        return replace(
            self,
            couplings=tuple(coupling.to(device, dtype) for coupling in self.couplings),
            scale=self.scale.to(device, dtype),
            shift=self.shift.to(device, dtype),
        )

    def log_prob_grad(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """log p in nats, (P,), and its gradient, (d, P), of points (d, P)."""
        value, gradient = points.new_empty(points.shape[1]), torch.empty_like(points)
        count = -(-points.shape[1] // TOGETHER)
        rooms: dict[int, list[_Room]] = {}
        for part, v, g in zip(
            points.chunk(count, 1), value.chunk(count), gradient.chunk(count, 1), strict=True
        ):
            size = part.shape[1]
            if size not in rooms:
                rooms[size] = [_Room.of(c, part) for c in self.couplings]
            self._ascend(part, rooms[size], v, g)
        return value, gradient

    def _ascend(self, h: Tensor, rooms: list[_Room], value: Tensor, gradient: Tensor) -> None:
        """log p of a few points h, and its gradient, written into the last two."""
        value.fill_(self.constant)
        for c, own in zip(self.couplings, rooms, strict=True):
            h = torch.index_select(h, 0, c.order, out=own.h)
            torch.addmm(c.b1, c.w1, h[: c.kept], out=own.first.flatten(0, 1)).tanh_()
            torch.baddbmm(c.b2, c.w2, own.first, out=own.second).tanh_()
            t, s = torch.baddbmm(c.b3, c.w3, own.second, out=own.ends)
            value.sub_(s.tanh_().sum(0), alpha=self.limit)
            h[c.kept :].sub_(t).mul_(torch.mul(s, -self.limit, out=t).exp_())  # t is done with
        g = torch.addcmul(self.shift, self.scale, h)
        value.sub_(g.square().sum(0), alpha=0.5)
        g.mul_(-self.scale)
        for c, own in zip(reversed(self.couplings), reversed(rooms), strict=True):
            shrink, s = own.ends
            moved, at_t, at_s = g[c.kept :], own.slopes[0], own.slopes[1]
            _through(torch.mul(moved, own.h[c.kept :], out=at_s).add_(1).mul_(-self.limit), s)
            torch.neg(moved.mul_(shrink), out=at_t)
            _through(torch.bmm(c.w3.mT, own.slopes, out=own.back), own.second)
            _through(torch.bmm(c.w2.mT, own.back, out=own.second), own.first)
            g[: c.kept].addmm_(c.w1.mT, own.second.flatten(0, 1))
            g = torch.index_select(g, 0, c.back, out=own.h)
        gradient.copy_(g)


@dataclass(frozen=True)
class _Room:
    """What a coupling keeps of its points, in memory that is used again for the next ones: to be
    given new memory takes longer than to compute in it."""

    h: Tensor  # after the coupling; at last its gradient
    first: Tensor  # (2, width, P), behind the first tanh of both networks, and the second
    second: Tensor
    ends: Tensor  # (2, b, P): exp(−ℓ s) and s = tanh q
    slopes: Tensor  # (2, b, P): the gradients of t and of q
    back: Tensor  # (2, width, P): that of the second layer

    @classmethod
    def of(cls, c: _Coupling, points: Tensor) -> _Room:
        count = points.shape[1]
        width, changed = c.w2.shape[1], c.w3.shape[1]
        sizes = [(len(points),), (2, width), (2, width), (2, changed), (2, changed), (2, width)]
        return cls(*(points.new_empty(*size, count) for size in sizes))


def _through(g: Tensor, tanh: Tensor) -> None:
    """A gradient in front of tanh, in place of that behind it; ``tanh`` is what it gave."""
    torch.ops.aten.tanh_backward.grad_input(g, tanh, grad_input=g)
