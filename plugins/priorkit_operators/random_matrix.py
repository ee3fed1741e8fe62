"""Compressed sensing: matrices of independent random entries, in blocks of rows.

Products go block by block whether the matrix is stored or made anew each time, so that both
give the same numbers to the last bit, and every block serves the whole batch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Ensemble, Level, MatrixOperator, RandomOperator
from priorkit.linear import matvec, rmatvec

__all__ = ["RandomMatrix", "require_fewer"]

_BLOCK = 64 << 20  # bytes of a block in float32


class RandomMatrix(MatrixOperator, RandomOperator):
    """A ∈ ℝ^{m×n}, entry (i, j) a function of the seed, i and j; noise has √E‖η‖² = 0.1.

    A subclass gives ``rows``, how blocks are held, ``_stored_rows``, and ``kurtosis``, k = E a⁴·m²
    of an entry a, of mean 0 and variance 1/m.
    """

    default_noise = Level(noise_norm=0.1)

    kurtosis: ClassVar[float]

    def __init__(
        self,
        *,
        m: Annotated[int, Field(ge=1)],
        seed: int | None = None,
        store: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        self.m, self.seed, self.store = m, seed, store
        # By seed and n: all bindings of a size share a matrix.
        self._made: dict[tuple[int | None, int], Any] = {}

    def prepare(self) -> None:
        self.n = math.prod(self.shape)
        require_fewer(self.m, self.n)
        self.y_shape = (self.m,)

    @property
    @abstractmethod
    def bytes(self) -> int:
        """What the whole matrix takes where it is stored."""

    @abstractmethod
    def _stored_rows(self, i: int, j: int, like: Tensor) -> Tensor:
        """Rows i to j out of the stored matrix."""

    @property
    def gain(self) -> float:
        """1, in the mean over matrices."""
        return 1.0

    @property
    def ensemble(self) -> Ensemble:
        return "iid"

    @property
    def excess(self) -> float:
        """(n + k − 2)/m: (k − 1)/m on the diagonal of AᵀA − 1, and n − 1 entries of 1/m beside."""
        return (self.n + self.kurtosis - 2) / self.m

    @property
    def memory(self) -> int:
        return self.bytes if self._stored else _BLOCK

    @property
    def _stored(self) -> bool:
        return self.store is None or self.bytes <= self.store

    def A(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return torch.cat([matvec(rows, flat) for _, rows in self._blocks(x)], 1)

    def A_adjoint(self, y: Tensor) -> Tensor:
        total = y.new_zeros(len(y), self.n)
        for first, rows in self._blocks(y):
            total += rmatvec(rows, y[:, first : first + len(rows)])
        return total.view(-1, *self.shape)

    def _blocks(self, like: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The matrix in blocks of rows, each with its first row."""
        size = max(1, _BLOCK // (4 * self.n))
        for first in range(0, self.m, size):
            last = min(first + size, self.m)
            if self._stored:
                yield first, self._stored_rows(first, last, like)
            else:
                yield first, self.rows(first, last).to(like)


def require_fewer(m: int, n: int) -> None:
    """Raise BadInputError for more measurements than numbers in x."""
    if m > n:
        raise BadInputError(
            f"m must be at most n = {n}, the number of pixels times channels.",
            got=m,
            ways=[{"m": min(500, n)}],
        )
