"""Compressed sensing: a matrix of independent normals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Level, MatrixOperator
from priorkit.linear import in_blocks
from priorkit.streams import normal

__all__ = ["Gaussian"]

_BLOCK = 64 << 20  # bytes of a block of rows that is regenerated


class Gaussian(MatrixOperator):
    """A ∈ ℝ^{m×n} with i.i.d. N(0, 1/m) entries; simulated noise has √E‖η‖² = 0.1.

    Entry (i, j) is a function of the seed, i and j: the same matrix whether it is stored, or
    regenerated block by block on every product, which is slow and takes no memory.

    Parameters
    ----------
    m : number of measurements, 1 ≤ m ≤ n
    seed : of the matrix; default: the run's
    store : a matrix of more bytes is regenerated; default: it is kept, or where it doesn't
        fit into memory the run is refused

    Reference: Asim et al. 2020, section 4.2.
    """

    default_noise = Level(noise_norm=0.1)

    def __init__(
        self,
        *,
        m: Annotated[int, Field(ge=1)],
        seed: int | None = None,
        store: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        self.m, self.seed, self.store = m, seed or 0, store
        self._made: dict[int, Copies[Tensor]] = {}  # by n: all bindings of a size share a matrix

    def prepare(self) -> None:
        self.n = math.prod(self.shape)
        if self.m > self.n:
            raise BadInputError(
                f"m must be at most n = {self.n}, the number of pixels times channels.",
                got=self.m,
                try_=f"m={min(500, self.n)}",
            )
        self.y_shape = (self.m,)
        self._copies = self._made.setdefault(self.n, Copies(self._matrix))

    @property
    def memory(self) -> int:
        return 4 * self.m * self.n if self._stored else _BLOCK

    @property
    def _stored(self) -> bool:
        return self.store is None or 4 * self.m * self.n <= self.store

    def rows(self, i: int, j: int) -> Tensor:
        return normal(self.seed, "gaussian", range(i, j), self.n) / math.sqrt(self.m)

    def A(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        # Two images read the matrix in the time of one.
        parts = [in_blocks(partial(_times, rows), flat, images=2) for _, rows in self._blocks(x)]
        return torch.cat(parts, 1)

    def A_adjoint(self, y: Tensor) -> Tensor:
        total = y.new_zeros(len(y), self.n)
        for first, rows in self._blocks(y):
            total += in_blocks(partial(torch.matmul, other=rows), y[:, first : first + len(rows)])
        return total.view(-1, *self.shape)

    def _matrix(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        whole = torch.empty(self.m, self.n, dtype=dtype, device=device)
        for first in range(0, self.m, 256):
            whole[first : first + 256] = self.rows(first, min(first + 256, self.m))
        return whole

    def _blocks(self, like: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The matrix in blocks of rows with their first row: one, or made as they are needed."""
        if self._stored:
            yield 0, self._copies.like(like)
            return
        size = max(1, _BLOCK // (4 * self.n))
        for first in range(0, self.m, size):
            yield first, self.rows(first, min(first + size, self.m)).to(like)


def _times(rows: Tensor, x: Tensor) -> Tensor:
    return x @ rows.T
