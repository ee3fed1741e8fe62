"""The user's own matrix."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import LinearOperator as ScipyOperator
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, MatrixOperator
from priorkit.linear import matvec, rmatvec
from priorkit_operators.matrices import Multiplies, checked, read

__all__ = ["Matrix"]


class Matrix(MatrixOperator):
    """A x = M·vec(x), with vec in the order of an image's axes: channel, row, column.

    ``op=M`` is short for it. M may be complex; then y is complex too, and x stays real.

    Parameters
    ----------
    path : a .npy file (never a pickle) or a scipy .npz of a sparse matrix
    matrix : instead of a path, a numpy array, torch tensor, list of rows, scipy sparse matrix, or
        linear operator, of scipy, PyLops or any class with ``shape``, ``matvec`` and
        ``rmatvec``, (m, n)

    Raises BadInputError for a matrix that can't be read, has NaN, or has another number of
    columns than the image has entries.
    """

    def __init__(self, *, path: str | os.PathLike[str] | None = None, matrix: Any = None) -> None:
        if (path is None) == (matrix is None):
            raise BadInputError(
                "The operator 'matrix' needs one of path and matrix.",
                try_='op={"name": "matrix", "path": "A.npy"}',
            )
        self.matrix = read(Path(path)) if path is not None else checked(matrix)
        if isinstance(self.matrix, Tensor):
            self._copies = Copies(self.matrix.to)

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        known = isinstance(thing, (np.ndarray, Tensor, Multiplies)) or sparse.issparse(thing)
        return cls(matrix=thing) if known else None

    def prepare(self) -> None:
        m, n = self.matrix.shape
        if n != math.prod(self.shape):
            columns = counted(math.prod(self.shape), "columns")
            raise BadInputError(
                f"A matrix for images of shape {self.shape} has {columns}.",
                got=f"shape {tuple(self.matrix.shape)}",
                try_="the transpose of the matrix"
                if m == math.prod(self.shape)
                else f"shape=… of images of {counted(n, 'numbers')} in all",
            )
        self.y_shape = (m,)

    @property
    def memory(self) -> int:
        """Of the copy in the precision of the run; the user's own is in memory already."""
        if not isinstance(self.matrix, Tensor):
            return 0
        return (8 if self.matrix.is_complex() else 4) * self.matrix.numel()

    def A(self, x: Tensor) -> Tensor:
        return self._product(x.flatten(1), adjoint=False)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self._product(y, adjoint=True).view(-1, *self.shape)

    def rows(self, i: int, j: int) -> Tensor:
        if isinstance(self.matrix, Tensor):
            return self.matrix[i:j]
        if isinstance(self.matrix, ScipyOperator):
            unit = np.zeros((self.matrix.shape[0], j - i), dtype=np.float32)
            unit[np.arange(i, j), np.arange(j - i)] = 1
            block = self.matrix.rmatmat(unit).conj().T
        else:
            block = self.matrix[i:j].toarray()
        rows = torch.as_tensor(np.ascontiguousarray(block))
        return rows.to(torch.complex64 if rows.is_complex() else torch.float32)

    def _product(self, v: Tensor, *, adjoint: bool) -> Tensor:
        if isinstance(self.matrix, Tensor):
            if self.matrix.is_complex():
                v = v.to(v.dtype.to_complex())
            matrix = self._copies.like(v)
            return rmatvec(matrix.conj(), v).real.contiguous() if adjoint else matvec(matrix, v)
        columns = v.detach().cpu().numpy().T
        columns = columns.astype(np.complex128 if v.is_complex() else np.float64)
        if isinstance(self.matrix, ScipyOperator):
            out = self.matrix.rmatmat(columns) if adjoint else self.matrix.matmat(columns)
        else:
            out = (self.matrix.conj(copy=False).T if adjoint else self.matrix) @ columns
        out = out.real if adjoint else out  # x is real
        product = torch.as_tensor(np.ascontiguousarray(out.T))
        like = v.dtype.to_complex() if product.is_complex() else v.dtype.to_real()
        return product.to(v.device, like)
