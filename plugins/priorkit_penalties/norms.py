"""Norms of the solver's variable u: of the latent, or of the pixels in pixel space."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import L1Penalty, NormPenalty, ProximalPenalty, ZeroPenalty
from priorkit.linear import column

__all__ = ["L1", "L2", "L2Squared", "NoPenalty"]


class NoPenalty(ZeroPenalty):
    """R(u) = 0."""

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u.new_zeros(len(u)), torch.zeros_like(u)

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u


class L2(NormPenalty):
    """R(u) = ‖u‖, the paper's penalty for denoising (Asim et al. 2020, eq. 3).

    Its gradient is u/‖u‖, and 0 at u = 0. The kink there is one point, which solvers for
    smooth functions pass in practice, so it counts as smooth.
    """

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        norm = _norm(u)
        return norm.flatten(), u / norm.clamp_min(torch.finfo(u.dtype).tiny)

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        norm = _norm(u).clamp_min(torch.finfo(u.dtype).tiny)
        return u * (1 - column(step, u) / norm).clamp_min(0)

    def dual_norm(self, u: Tensor) -> Tensor:
        return _norm(u).flatten()


class L2Squared(ProximalPenalty):
    """R(u) = ‖u‖². In a flow's latent space ½‖z‖² is −log p(z) up to a constant."""

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u.flatten(1).square().sum(1), 2 * u

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u / (1 + 2 * column(step, u))


class L1(L1Penalty):
    """R(u) = ‖u‖₁, the sum of magnitudes; its prox is soft thresholding.

    Not smooth: solvers that need a gradient everywhere refuse it, Adam uses a subgradient.
    """

    smooth = False

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u.flatten(1).abs().sum(1), u.sign()

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u.sign() * (u.abs() - column(step, u)).clamp_min(0)

    def dual_norm(self, u: Tensor) -> Tensor:
        return u.flatten(1).abs().amax(1)


def _norm(u: Tensor) -> Tensor:
    return u.flatten(1).norm(dim=1).view(-1, *[1] * (u.ndim - 1))
