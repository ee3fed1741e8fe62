"""Compressed sensing: a matrix of random signs, one bit each."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from priorkit.streams import Streams
from priorkit_operators.random_matrix import RandomMatrix

__all__ = ["Rademacher"]


class Rademacher(RandomMatrix):
    """A ∈ {±1/√m}^{m×n} with independent fair signs; simulated noise has √E‖η‖² = 0.1.

    Stored as bits, a 32nd of a matrix of numbers, and unpacked block by block.

    Parameters
    ----------
    m : number of measurements, 1 ≤ m ≤ n
    seed : of the matrix; default: the run's
    store : bits of more bytes are regenerated on every product; default: always stored

    Reference: Baraniuk et al., "A simple proof of the restricted isometry property for
    random matrices", Constructive Approximation 2008, eq. 5.
    """

    kurtosis = 1.0

    @property
    def bytes(self) -> int:
        return 8 * self.m * math.ceil(self.n / 64)

    def rows(self, i: int, j: int) -> Tensor:
        return self._unpacked(self._bits(i, j))

    def _stored_rows(self, i: int, j: int, like: Tensor) -> Tensor:
        key = (self.seed, self.n)
        if key not in self._made:
            self._made[key] = self._bits(0, self.m)
        return self._unpacked(self._made[key][i:j]).to(like)

    def _bits(self, i: int, j: int) -> np.ndarray:
        """Rows i to j, 8 signs in a byte."""
        words = Streams(self.seed or 0, "rademacher", range(i, j)).words(math.ceil(self.n / 64))
        return words.astype("<u8", copy=False).view(np.uint8)

    def _unpacked(self, bits: np.ndarray) -> Tensor:
        ones = np.unpackbits(bits, axis=1, count=self.n, bitorder="little")
        signs = torch.from_numpy(ones).to(torch.float32)
        return signs.mul_(2).sub_(1).div_(math.sqrt(self.m))
