"""Operators beyond their contract: files that lie."""

import numpy as np
import pytest
import scipy.sparse
from priorkit_operators.matrix import Matrix

from priorkit.errors import BadInputError


def npz(path, kind, **changes):
    """A sparse matrix in scipy's own format, some of its arrays replaced."""
    whole = scipy.sparse.random(6, 12, 0.4, format=kind, random_state=0)
    scipy.sparse.save_npz(path, whole)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    np.savez(path, **arrays)
    return path


def outside(values):
    values = values.copy()
    values[-1] = 10**6
    return values


def without_end(values):
    """Row ends whose last is 0: scipy then takes the matrix for empty, and checks nothing."""
    values = values.copy()
    values[-1] = 0
    return values


LIES = {
    "no end": ("csr", {"indptr": without_end}),
    "no end of columns": ("csc", {"indptr": without_end}),
    "no end of blocks": ("bsr", {"indptr": without_end}),
    "a diagonal outside": ("dia", {"offsets": lambda v: v + 100}),
    "a column outside": ("csr", {"indices": outside}),
    "a negative column": ("csr", {"indices": lambda v: v - 5}),
    "row ends beyond the data": ("csr", {"indptr": outside}),
    "row ends that fall": ("csr", {"indptr": lambda v: np.concatenate([v[:1], v[:0:-1]])}),
    "a row outside": ("csc", {"indices": outside}),
    "a block outside": ("bsr", {"indices": outside}),
    "a coordinate outside": ("coo", {"row": outside}),
    "a negative coordinate": ("coo", {"col": lambda v: v - 20}),
    "less data than indices": ("csr", {"data": lambda v: v[:3]}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_sparse_file_that_points_outside_is_refused(lie, tmp_path):
    """Before any product, which would read or write past the arrays."""
    kind, changes = LIES[lie]
    path = npz(tmp_path / "A.npz", kind, **changes)
    with pytest.raises(BadInputError, match=r"sparse matrix is damaged|can't be read|not a matrix"):
        Matrix(path=path)


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia"])
def test_sound_files_of_every_format_are_taken(kind, tmp_path):
    assert Matrix(path=npz(tmp_path / "A.npz", kind)).matrix.shape == (6, 12)
