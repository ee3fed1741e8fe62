"""Sparse matrices on any device: products with a matrix and its transpose."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.interfaces import Copies
from priorkit.linear import in_blocks

__all__ = ["SparseMatrix"]


class SparseMatrix:
    """A sparse M for products M x and Mᵀ y, (B, n) → (B, m) and back.

    M and Mᵀ are both kept by rows, on the device and in the precision that first asks: a sum then
    has its own order, which a transpose of the same entries, added up in parallel, would not have.
    An image has the same bits in every batch. Differentiable in x and y.

    Parameters
    ----------
    make : the matrix of scipy, by rows, in the precision of numpy that is asked for
    """

    def __init__(self, make: Callable[[np.dtype[Any]], Any]) -> None:
        self._make = make
        self._copies = Copies(self._copy)

    def times(self, x: Tensor) -> Tensor:
        """M x per image."""
        return _multiplied(x, *self._copies.like(x))

    def transposed(self, y: Tensor) -> Tensor:
        """Mᵀ y per image."""
        return _multiplied(y, *reversed(self._copies.like(y)))

    def rows(self, numbers: Tensor) -> Tensor:
        """Those rows of M, dense, (rows, n) float32 on the processor."""
        matrix, _ = self._copies.like(torch.empty(0))
        begins = matrix.crow_indices().long()
        first, counts = begins[numbers], begins[numbers + 1] - begins[numbers]
        row = torch.repeat_interleave(torch.arange(len(numbers)), counts)
        entry = torch.arange(len(row)) - (counts.cumsum(0) - counts - first)[row]
        dense = torch.zeros(len(numbers), matrix.shape[1])
        dense[row, matrix.col_indices()[entry].long()] = matrix.values()[entry]
        return dense

    def _copy(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        made = self._make(torch.empty(0, dtype=dtype).numpy().dtype)
        return _tensor(made).to(device), _tensor(made.T.tocsr()).to(device)


def _tensor(matrix: Any) -> Tensor:
    begins, columns, values = map(torch.from_numpy, (matrix.indptr, matrix.indices, matrix.data))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            begins, columns, values, matrix.shape, check_invariants=False
        )


def _multiplied(x: Tensor, matrix: Tensor, transpose: Tensor) -> Tensor:
    product: Tensor = _Product.apply(x, matrix, transpose)
    return product


class _Product(torch.autograd.Function):
    """x Mᵀ, whose derivative torch would find by turning the matrix round each time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor, transpose: Tensor) -> Tensor:
        ctx.matrices = transpose, matrix
        return in_blocks(lambda block: (matrix @ block.T.contiguous()).T, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _multiplied(gradients[0], *ctx.matrices), None, None
