"""Operators beyond their contract: random matrices, and files that lie."""

import numpy as np
import pytest
import scipy.sparse
import torch
from priorkit_operators import random_matrix
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.matrix import Matrix
from priorkit_operators.rademacher import Rademacher
from priorkit_operators.srht import SRHT

from priorkit.engine.components import resolve
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


@pytest.mark.parametrize("kind", [Gaussian, Rademacher])
def test_made_anew_is_stored_to_the_last_bit(kind, monkeypatch):
    """In blocks of three rows, for one image and for five."""
    monkeypatch.setattr(random_matrix, "_BLOCK", 3 * 4 * 192)
    stored, anew = (kind(m=20, seed=4, store=s).bind((3, 8, 8)) for s in (None, 0))
    x = torch.rand(5, 3, 8, 8)
    y = stored.A(x)
    assert torch.equal(anew.A(x), y)
    assert torch.equal(anew.A_adjoint(y), stored.A_adjoint(y))
    assert torch.equal(anew.A(x[2:3]), y[2:3])
    assert not stored.rows(0, 20).equal(kind(m=20, seed=5).bind((3, 8, 8)).rows(0, 20))


@pytest.mark.parametrize(
    "operator",
    [Gaussian(m=9), Rademacher(m=9), SRHT(m=9), Matrix(matrix=np.eye(4, 192)), "identity", "mask"],
)
def test_autograd_goes_through_every_operator(operator):
    """For who writes a loss of their own: the gradient of ½‖A x‖² is Aᵀ A x."""
    bound = resolve("operator", operator).build(0).bind((3, 8, 8))
    x = torch.rand(3, 3, 8, 8, requires_grad=True)
    y = bound.A(x)
    (gradient,) = torch.autograd.grad(0.5 * y.square().sum(), x)
    torch.testing.assert_close(gradient, bound.A_adjoint(bound.A(x.detach())))


def test_a_random_matrix_is_not_made_at_once(tmp_path):
    """A matrix of 77 GB, of which one row is looked at."""
    big = Gaussian(m=98_304, store=0).bind((3, 256, 256))
    assert big.memory < 1 << 27
    assert abs(float(big.rows(70_000, 70_001).square().sum()) - 2) < 0.05  # n / m


@pytest.mark.parametrize("kind", [Rademacher, SRHT])
def test_signs_have_unit_columns(kind):
    """Every entry is ±m^{−½}, and about half of them are negative."""
    rows = kind(m=64, seed=1).bind((1, 100)).rows(0, 64)
    torch.testing.assert_close(rows.abs(), torch.full_like(rows, 1 / 8))
    assert 0.45 < float((rows < 0).float().mean()) < 0.55


def test_srht_with_every_row_keeps_lengths():
    """With m = n = N the transform is orthogonal."""
    whole = SRHT(m=64, seed=2).bind((1, 64))
    x = torch.rand(2, 1, 64, dtype=torch.float64)
    torch.testing.assert_close(whole.A_adjoint(whole.A(x)), x)


@pytest.mark.parametrize("kind", [Gaussian, Rademacher, SRHT])
def test_more_measurements_than_numbers(kind):
    with pytest.raises(BadInputError, match="at most n = 192"):
        kind(m=193).bind((3, 8, 8))
