"""Compressed sensing: a matrix of independent normals."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import MatrixOperator, Noise
from priorkit.streams import normal

__all__ = ["Gaussian"]


class Gaussian(MatrixOperator):
    """A ∈ ℝ^{m×n} with i.i.d. N(0, 1/m) entries; simulated noise has √E‖η‖² = 0.1.

    Entry (i, j) is a function of the seed, i and j: the same matrix whether it is stored, up
    to ``store`` bytes, or regenerated block by block on every product.

    Parameters
    ----------
    m : number of measurements, 1 ≤ m ≤ n
    seed : of the matrix; default: the run's
    store : largest matrix that is kept in memory, in bytes

    Reference: Asim et al. 2020, section 4.2.
    """

    default_noise = Noise(noise_norm=0.1)

    def __init__(
        self,
        *,
        m: Annotated[int, Field(ge=1)],
        seed: int | None = None,
        store: Annotated[int, Field(ge=0)] = 4 << 30,
    ) -> None:
        self.m, self.seed, self.store = m, seed or 0, store

    def prepare(self) -> None:
        self.n = math.prod(self.shape)
        if self.m > self.n:
            raise BadInputError(
                f"m must be at most n = {self.n}, the number of pixels times channels.",
                got=self.m,
                try_=f"m={min(500, self.n)}",
            )
        self.y_shape = (self.m,)
        vars(self).pop("_matrix", None)  # of an earlier binding
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def rows(self, i: int, j: int) -> Tensor:
        return normal(self.seed, "gaussian", range(i, j), self.n) / math.sqrt(self.m)

    def A(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return torch.cat([flat @ rows.T for _, rows in self._blocks(x)], 1)

    def A_adjoint(self, y: Tensor) -> Tensor:
        total = y.new_zeros(len(y), self.n)
        for start, rows in self._blocks(y):
            total += y[:, start : start + len(rows)] @ rows
        return total.view(-1, *self.shape)

    @cached_property
    def _matrix(self) -> Tensor:
        blocks = [self.rows(i, min(i + 256, self.m)) for i in range(0, self.m, 256)]
        return torch.cat(blocks)

    def _blocks(self, like: Tensor) -> list[tuple[int, Tensor]] | _Blocks:
        if 4 * self.m * self.n > self.store:
            return _Blocks(self, like)
        key = (like.device, like.dtype)
        if key not in self._copies:
            self._copies[key] = self._matrix.to(like)
        return [(0, self._copies[key])]


class _Blocks:
    """The matrix in blocks of rows of about 64 MB, made when they are asked for."""

    def __init__(self, operator: Gaussian, like: Tensor) -> None:
        self.operator, self.like = operator, like
        self.size = max(1, (64 << 20) // (4 * operator.n))

    def __iter__(self):  # type: ignore[no-untyped-def]
        m = self.operator.m
        for start in range(0, m, self.size):
            yield start, self.operator.rows(start, min(start + self.size, m)).to(self.like)
