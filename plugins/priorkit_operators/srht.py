"""Compressed sensing in n log n: signs, a Hadamard transform, and some of its entries."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.interfaces import Copies, Ensemble, Level, MatrixOperator, RandomOperator
from priorkit.streams import Streams, permutation
from priorkit_operators.random_matrix import require_fewer

__all__ = ["SRHT"]


class SRHT(MatrixOperator, RandomOperator):
    """A = m^{−½} R H D, the subsampled randomised Hadamard transform.

    D are random signs, H the Hadamard matrix of the next power of two N (x is filled up with
    zeros), R takes m of its N rows without repetition. Entries are ±m^{−½}, as in size those of
    ``gaussian`` are on average, and a product costs N log N additions and no memory.
    Simulated noise has √E‖η‖² = 0.1.

    Parameters
    ----------
    m : number of measurements, 1 ≤ m ≤ n
    seed : of signs and rows; default: the run's

    Reference: Tropp, "Improved analysis of the subsampled randomized Hadamard transform",
    Adv. Adapt. Data Anal. 2011, eq. 1.1.
    """

    default_noise = Level(noise_norm=0.1)

    def __init__(self, *, m: Annotated[int, Field(ge=1)], seed: int | None = None) -> None:
        self.m, self.seed = m, seed

    def prepare(self) -> None:
        self.n = math.prod(self.shape)
        require_fewer(self.m, self.n)
        self.y_shape = (self.m,)
        self._size = 1 << (self.n - 1).bit_length()
        self._drawn = Copies(partial(_draw, self.seed or 0, self.m, self.n, self._size))

    @property
    def gain(self) -> float:
        """1: every entry is ±m^{−½}."""
        return 1.0

    @property
    def ensemble(self) -> Ensemble:
        return "orthogonal"

    @property
    def excess(self) -> float:
        """Of the N columns that the rows are orthogonal in, x has n."""
        return (self._size / self.m - 1) * (self.n - 1) / max(self._size - 1, 1)

    @property
    def memory(self) -> int:
        """Of the signs, and of the permutation of all rows while it is made."""
        return 4 * self.n + 24 * self._size

    def A(self, x: Tensor) -> Tensor:
        signs, taken = self._drawn.like(x)
        signed = F.pad(x.flatten(1) * signs, (0, self._size - self.n))
        return _hadamard(signed)[:, taken] / math.sqrt(self.m)

    def A_adjoint(self, y: Tensor) -> Tensor:
        signs, taken = self._drawn.like(y)
        spread = y.new_zeros(len(y), self._size)
        spread[:, taken] = y
        flat = _hadamard(spread)[:, : self.n] * signs
        return (flat / math.sqrt(self.m)).view(-1, *self.shape)

    def rows(self, i: int, j: int) -> Tensor:
        signs, taken = self._drawn.like(torch.empty(0))
        bits = taken[i:j, None] & torch.arange(self.n)
        for shift in (32, 16, 8, 4, 2, 1):  # the parity of the bits, by folding
            bits = bits ^ (bits >> shift)
        return (1 - 2 * (bits & 1)) * signs / math.sqrt(self.m)


def _draw(
    seed: int, m: int, n: int, size: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The signs (n,), and which m of ``size`` rows are taken."""
    signs = 1.0 - 2.0 * (Streams(seed, "srht", [0]).uniform(n)[0] < 0.5).float()
    taken = permutation(seed, "srht", size)[:m].clone()
    return signs.to(device, dtype), taken.to(device)


def _hadamard(x: Tensor) -> Tensor:
    """H x for rows (B, N) in Sylvester's order, unnormalised: log₂ N sums and differences."""
    b, n = x.shape
    half = n // 2
    while half:
        pair = x.view(b, -1, 2, half)
        x = torch.stack([pair[:, :, 0] + pair[:, :, 1], pair[:, :, 0] - pair[:, :, 1]], 2)
        half //= 2
    return x.reshape(b, n)
