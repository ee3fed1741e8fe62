"""What a user gives as a matrix, read and checked."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import aslinearoperator
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.io.arrays import SUFFIXES, numbers, read_array
from priorkit.io.places import near

__all__ = ["Multiplies", "checked", "read"]

MAX_SIDE = 50_000_000
MAX_FREE, MAX_RATIO = 100 << 20, 20  # a .npz unpacks to at most FREE + RATIO·(its size) bytes


@runtime_checkable
class Multiplies(Protocol):
    """The interface of scipy's linear operators, which those of PyLops have too."""

    shape: tuple[int, int]

    def matvec(self, x: Any) -> Any: ...
    def rmatvec(self, x: Any) -> Any: ...


def read(path: Path) -> Any:
    """The matrix of a file, checked. Raises BadInputError."""
    if not os.path.exists(path):
        raise BadInputError(f"There is no matrix file {path}.", try_=near(path, SUFFIXES))
    try:
        if path.suffix.lower() == ".npz":
            _require_small(path)
            return checked(sparse.load_npz(path))
        return checked(read_array(path))
    except BadInputError:
        raise
    except Exception as error:  # numpy and scipy raise many kinds for a damaged file
        raise BadInputError(
            f"{path} is not a matrix that can be read.",
            got=f"{type(error).__name__}: {str(error)[:100]}",
            try_="numpy.save('A.npy', A), or scipy.sparse.save_npz('A.npz', A)",
        ) from error


def _require_small(path: Path) -> None:
    """Raise ValueError for a zip that unpacks to more than a sparse matrix of its size would."""
    with zipfile.ZipFile(path) as archive:
        grown = sum(member.file_size for member in archive.infolist())
    if grown > MAX_FREE + MAX_RATIO * path.stat().st_size:
        raise ValueError(f"it would grow to {grown:,} bytes")


def checked(matrix: Any) -> Any:
    """A user's matrix: dense ones become torch tensors, sparse ones csr arrays, others operators of
    scipy. Raises BadInputError."""
    array = isinstance(matrix, (np.ndarray, Tensor))  # a nested tensor raises when asked for shape
    if not array and isinstance(matrix, Multiplies):
        matrix = aslinearoperator(matrix)
        try:
            matrix.rmatvec(np.zeros(matrix.shape[0]))
        except (NotImplementedError, TypeError) as error:
            raise BadInputError(
                "A scipy LinearOperator needs its adjoint.", try_="LinearOperator(…, rmatvec=…)"
            ) from error
        return matrix
    if sparse.issparse(matrix):
        if matrix.ndim == 2 and max(matrix.shape) > MAX_SIDE:
            raise BadInputError(
                f"A matrix has at most {MAX_SIDE:,} rows and columns.", got=matrix.shape
            )
        _require_sound(matrix)
        matrix = sparse.csr_array(matrix)
        finite = np.isfinite(matrix.data).all()
    else:
        if not array and not isinstance(matrix, list):  # a settings file has lists, not arrays
            raise BadInputError(
                "A matrix is a numpy array, a torch tensor, a sparse matrix of scipy, a list of "
                "rows, or a linear operator.",
                got=type(matrix).__name__,
            )
        matrix = numbers(matrix, "A matrix", copy=False)
        if not (matrix.is_floating_point() or matrix.is_complex()):
            matrix = matrix.double() if matrix.itemsize > 2 else matrix.float()
        finite = bool(torch.isfinite(matrix).all())
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise BadInputError("A matrix has two dimensions, (m, n).", got=tuple(matrix.shape))
    if not finite:
        raise BadInputError("The matrix has values that are NaN or infinite.")
    return matrix


def _require_sound(matrix: Any) -> None:
    """Refuse a sparse matrix with indices out of range.

    scipy doesn't find them all, even by its full check, for which 0 may be the last entry of
    ``indptr``; a product would then read or write outside the arrays.
    """
    try:
        sound = _SOUND[matrix.format](matrix)
    except (KeyError, AttributeError, ValueError, IndexError, TypeError):
        sound = False
    if not sound:
        raise BadInputError(
            "The sparse matrix is damaged.",
            got=f"format {str(matrix.format)[:20]!r} with indices outside, or of another length",
            try_="scipy.sparse.save_npz of a csr matrix",
        )


def _compressed(matrix: Any) -> bool:
    major, minor = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
    return matrix.data.ndim == 1 and _points_inside(matrix, major, minor)


def _blocks(matrix: Any) -> bool:
    count, *block = matrix.data.shape
    rows, columns = (divmod(size, side) for size, side in zip(matrix.shape, block, strict=True))
    whole = rows[1] == columns[1] == 0 and count == len(matrix.indices)
    return whole and _points_inside(matrix, rows[0], columns[0])


def _points_inside(matrix: Any, major: int, minor: int) -> bool:
    """Whether ``indptr`` cuts ``indices`` into ``major`` pieces of numbers below ``minor``."""
    pointers, indices = matrix.indptr, matrix.indices
    if pointers.shape != (major + 1,) or indices.shape != matrix.data.shape[:1]:
        return False
    whole = pointers[0] == 0 and pointers[-1] == len(indices)
    return bool(whole and (np.diff(pointers) >= 0).all() and _below(indices, minor))


def _coordinates(matrix: Any) -> bool:
    # Before scipy 1.13 there is no ``coords``.
    coords = matrix.coords if hasattr(matrix, "coords") else (matrix.row, matrix.col)
    pairs = zip(coords, matrix.shape, strict=True)
    return all(i.shape == matrix.data.shape and _below(i, size) for i, size in pairs)


def _diagonals(matrix: Any) -> bool:
    offsets = matrix.offsets
    fits = matrix.data.ndim == 2 and offsets.shape == matrix.data.shape[:1]
    return bool(fits and (np.abs(offsets.astype(np.int64)) < max(matrix.shape)).all())


def _below(indices: np.ndarray, size: int) -> bool:
    """Whether all indices are whole numbers in [0, size)."""
    if indices.dtype.kind not in "iu":
        return False
    return not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < size)


_SOUND = {
    "csr": _compressed,
    "csc": _compressed,
    "bsr": _blocks,
    "coo": _coordinates,
    "dia": _diagonals,
}
