"""Compressed sensing in n log n: signs, an orthogonal transform, and some of its entries."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.fft import dct
from torch import Tensor
from torch.nn import functional as F

from priorkit.interfaces import Copies, Ensemble, Level, MatrixOperator, RandomOperator
from priorkit.streams import Streams, permutation
from priorkit_operators.random_matrix import require_fewer

__all__ = ["SRHT"]


class SRHT(MatrixOperator, RandomOperator):
    """A = m^{−½} R H D, the subsampled randomised Hadamard transform.

    D are random signs, R takes m of the N rows of H without repetition. Where n is a power of two
    H is the Hadamard matrix, with entries ±1. Else x is filled up with zeros to the next N = q·2ᵏ
    with an odd q ≤ 15, and H is the Kronecker product of √q times the cosine transform of length
    q and a Hadamard matrix: a colour picture has q = 3 and nothing is filled up. HᵀH = N·1, so
    entries are in the mean of the size m^{−½}, like those of ``gaussian``, and a product costs
    N log N additions and no memory. Simulated noise has √E‖η‖² = 0.1.

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
        self._odd, self._size = _length(self.n)
        self._drawn = Copies(partial(_made, self.seed or 0, self.m, self.n, self._odd, self._size))

    @property
    def gain(self) -> float:
        """1: entries are of the size m^{−½}."""
        return 1.0

    @property
    def ensemble(self) -> Ensemble:
        return "orthogonal"

    @property
    def excess(self) -> float:
        """N/m − 1, less a little where n < N: x has only n of the N columns of the rows."""
        return (self._size / self.m - 1) * (self.n - 1) / max(self._size - 1, 1)

    @property
    def memory(self) -> int:
        """Of the signs, and of the permutation of all rows while it is made."""
        return 4 * self.n + 24 * self._size

    def A(self, x: Tensor) -> Tensor:
        signs, taken, cosines = self._drawn.like(x)
        signed = F.pad(x.flatten(1) * signs, (0, self._size - self.n))
        return _transformed(signed, cosines)[:, taken] / math.sqrt(self.m)

    def A_adjoint(self, y: Tensor) -> Tensor:
        signs, taken, cosines = self._drawn.like(y)
        spread = y.new_zeros(len(y), self._size)
        spread[:, taken] = y
        flat = _transformed(spread, cosines.T)[:, : self.n] * signs
        return (flat / math.sqrt(self.m)).view(-1, *self.shape)

    def rows(self, i: int, j: int) -> Tensor:
        signs, taken, cosines = self._drawn.like(torch.empty(0))
        part = self._size // self._odd
        columns = torch.arange(self.n)
        bits = (taken[i:j, None] % part) & (columns % part)
        for shift in (32, 16, 8, 4, 2, 1):  # the parity of the bits, by folding
            bits = bits ^ (bits >> shift)
        return (
            cosines[taken[i:j, None] // part, columns // part]
            * (1 - 2 * (bits & 1))
            * signs
            / math.sqrt(self.m)
        )


def _length(n: int) -> tuple[int, int]:
    """q and the least N = q·2ᵏ ≥ n, with an odd q ≤ 15."""
    sizes = ((odd << max(-(-n // odd) - 1, 0).bit_length(), odd) for odd in range(1, 16, 2))
    size, odd = min(sizes)
    return odd, size


def _made(
    seed: int, m: int, n: int, odd: int, size: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The signs (n,), which m of ``size`` rows are taken, and the cosine transform (q, q)."""
    signs = 1.0 - 2.0 * (Streams(seed, "srht", [0]).uniform(n)[0] < 0.5).float()
    taken = permutation(seed, "srht", size)[:m].clone()
    cosines = torch.from_numpy(math.sqrt(odd) * dct(np.eye(odd), axis=0, norm="ortho"))
    return signs.to(device, dtype), taken.to(device), cosines.to(device, dtype)


def _transformed(x: Tensor, cosines: Tensor) -> Tensor:
    """(C ⊗ H) x for rows (B, N), with C (q, q)."""
    odd = len(cosines)
    parts = _hadamard(x.reshape(len(x) * odd, -1)).view(len(x), odd, -1)
    if odd > 1:
        parts = torch.bmm(cosines.expand(len(x), -1, -1), parts)
    return parts.reshape(len(x), -1)


def _hadamard(x: Tensor) -> Tensor:
    """H x for rows (B, N) in Sylvester's order, unnormalised: log₂ N sums and differences."""
    b, n = x.shape
    half = n // 2
    while half:
        pair = x.view(b, -1, 2, half)
        x = torch.stack([pair[:, :, 0] + pair[:, :, 1], pair[:, :, 0] - pair[:, :, 1]], 2)
        half //= 2
    return x.reshape(b, n)
