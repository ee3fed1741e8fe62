"""Compressed sensing: a matrix of independent normals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from priorkit.cuda import Accelerated, Launch
from priorkit.interfaces import Copies
from priorkit.streams import normal
from priorkit_operators.kernels import GaussianKernels, kernels
from priorkit_operators.random_matrix import RandomMatrix

__all__ = ["Gaussian"]


class Gaussian(RandomMatrix, Accelerated):
    """A ∈ ℝ^{m×n} with i.i.d. N(0, 1/m) entries; simulated noise has √E‖η‖² = 0.1.

    Entry (i, j) is a function of the seed, i and j: the same matrix whether it is stored, or
    regenerated block by block on every product, which is slow and takes no memory.

    Parameters
    ----------
    m : number of measurements, 1 ≤ m ≤ n
    seed : of the matrix; default: the run's
    store : a matrix of more bytes is regenerated; default: it is always stored, and a run is
        refused where it doesn't fit into memory

    Reference: Asim et al. 2020, section 4.2.
    """

    kurtosis = 3.0

    def prepare(self) -> None:
        super().prepare()
        self._copies = self._made.setdefault((self.seed, self.n), Copies(self._matrix))

    def A(self, x: Tensor) -> Tensor:
        own = self._unstored(x)
        return super().A(x) if own is None else own.times(x.flatten(1))

    def A_adjoint(self, y: Tensor) -> Tensor:
        own = self._unstored(y)
        return super().A_adjoint(y) if own is None else own.back(y).view(-1, *self.shape)

    @classmethod
    def kernels(cls, device: torch.device) -> Launch | None:
        return kernels(device)

    def _unstored(self, like: Tensor) -> GaussianKernels | None:
        """CUDA kernels that need no matrix; None where it is stored, or where they can't run."""
        fits = like.is_cuda and like.dtype == torch.float32 and not like.requires_grad
        launch = self.kernels(like.device) if fits and not self._stored else None
        if launch is None:
            return None
        scale = 1 / math.sqrt(self.m)
        return GaussianKernels(launch, self.seed or 0, "gaussian", self.m, self.n, scale)

    @property
    def bytes(self) -> int:
        return 4 * self.m * self.n

    def rows(self, i: int, j: int) -> Tensor:
        return normal(self.seed or 0, "gaussian", range(i, j), self.n).div_(math.sqrt(self.m))

    def _stored_rows(self, i: int, j: int, like: Tensor) -> Tensor:
        copy: Tensor = self._copies.like(like)
        return copy[i:j]

    def _matrix(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        whole = torch.empty(self.m, self.n, dtype=dtype, device=device)
        for first in range(0, self.m, 64):
            whole[first : first + 64] = self.rows(first, min(first + 64, self.m))
        return whole
