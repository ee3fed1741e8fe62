"""Norms of the solver's variable u: of the latent, or of the pixels in pixel space."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import L1Penalty, NormPenalty, ProximalPenalty, ZeroPenalty
from priorkit.linear import column, energy, norms, sums

__all__ = ["L1", "L2", "L2Squared", "NoPenalty"]

TINY = torch.finfo(torch.float32).tiny  # below it a norm is 0


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
        norm = norms(u)
        return norm, u / column(norm.clamp_min(TINY), u)

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        shrunk = 1 - step / norms(u).clamp_min(TINY)
        return u * column(shrunk.clamp_min(0), u)

    def dual_norm(self, u: Tensor) -> Tensor:
        return norms(u)


class L2Squared(ProximalPenalty):
    """R(u) = ‖u‖². In a flow's latent space ½‖z‖² is −log p(z) up to a constant."""

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return energy(u), 2 * u

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u / (1 + 2 * column(step, u))


class L1(L1Penalty):
    """R(u) = ‖u‖₁, the sum of magnitudes; its prox is soft thresholding.

    Not smooth: solvers that need a gradient everywhere refuse it, Adam uses a subgradient.
    """

    smooth = False

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return sums(u.abs().double()), u.sign()

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u.sign() * (u.abs() - column(step, u)).clamp_min(0)

    def dual_norm(self, u: Tensor) -> Tensor:
        return u.flatten(1).abs().amax(1)
