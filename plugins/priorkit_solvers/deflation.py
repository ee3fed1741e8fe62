"""Residuals of random measurements, weighed by how much of them coarse images explain."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor

from priorkit.interfaces import GaussianNoise, Problem, RandomOperator
from priorkit.linear import matvec, rmatvec

__all__ = ["Deflation"]

CYCLES = 12  # per picture: modes below are deflated, some 450, whatever the size of the picture
STRENGTH = 100.0  # of the mean brightness beside that of the finest detail, measured on faces


class Deflation:
    """P = (1 + B Bᵀ)⁻¹ for the residuals of y, B what A makes of the coarse modes of images.

    A decoder's images change most where they are coarse: of A J Jᵀ Aᵀ, J the decoder's Jacobian, a
    few eigenvalues stand far above the rest. J changes on the way, and a search by gradients has to
    learn again and again what these directions are. With C = 1 + U Λ Uᵀ near JJᵀ, U the cosines
    below ``CYCLES`` over all channels alike and Λ = STRENGTH/√(1 + k²) at k cycles per picture,
    A C Aᵀ is near b·(1 + B Bᵀ), B = A U √(Λ/b), since random rows make about b·1 of AAᵀ,
    b = ‖A‖_F²/m. rᵀP r falls on all scales alike. Where y can be fitted, P moves no solution; it
    takes no product with A but those of the modes, once.

    References: Nicolaides, "Deflation of conjugate gradients with applications to boundary value
    problems", SIAM J. Numer. Anal. 1987; Field, "Relations between the statistics of natural
    images and the response properties of cortical cells", JOSA A 1987 (the spectrum).
    """

    def __init__(self, factor: Tensor) -> None:
        self._factor = factor  # F, (m, modes), with P = 1 − F Fᵀ

    @classmethod
    def of(cls, problem: Problem) -> Self | None:
        """For random measurements of pictures, with Gaussian noise, fewer than latents."""
        A, y, squares = problem.operator, problem.y, isinstance(problem.noise, GaussianNoise)
        if problem.space == "pixel" or problem.gamma or not squares or y.is_complex():
            return None
        if len(problem.shape) != 3 or not isinstance(A, RandomOperator) or A.ensemble is None:
            return None
        if problem.size < (m := y[0].numel()):  # what can't be fitted is to be as near as it can
            return None
        modes, cycles = _modes(problem.shape, y)
        b = A.gain**2 * math.prod(problem.shape) / m
        strength = (STRENGTH / b / (1 + cycles.square()).sqrt()).sqrt()
        B = A.A(modes).flatten(1).T * strength
        inner = B.double().T @ B.double()
        inner.diagonal().add_(1.0)
        root = torch.linalg.cholesky(inner)
        return cls(torch.linalg.solve_triangular(root, B.double().T, upper=False).T.to(B))

    def __call__(self, r: Tensor) -> Tensor:
        """P r, (B, *y_shape) → the same."""
        flat = r.flatten(1)
        return (flat - matvec(self._factor, rmatvec(self._factor, flat))).view_as(r)


def _modes(shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """The coarse modes U (modes, C, H, W) of images, orthonormal, and their cycles (modes,)."""
    channels, height, width = shape
    rows, columns = _cosines(height, like), _cosines(width, like)
    i, j = torch.arange(len(rows)) / 2, torch.arange(len(columns)) / 2
    cycles = (i[:, None].square() + j.square()).sqrt()
    down, across = torch.where(cycles < CYCLES)
    modes = torch.einsum("kh,kw->khw", rows[down], columns[across]) / math.sqrt(channels)
    return modes[:, None].repeat(1, channels, 1, 1), cycles[down, across].to(like)


def _cosines(side: int, like: Tensor) -> Tensor:
    """The first rows of the orthonormal cosine transform, (rows, side)."""
    from scipy.fft import idct  # which other solves do without

    first = np.eye(min(2 * CYCLES, side), side)
    return torch.from_numpy(idct(first, norm="ortho")).to(like)
