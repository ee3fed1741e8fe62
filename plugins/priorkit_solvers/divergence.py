"""The divergence of a denoiser, Σᵢ ∂Dᵢ/∂vᵢ, estimated with one random probe."""

from __future__ import annotations

from torch import Tensor

from priorkit.interfaces import Problem
from priorkit.linear import column, dots, energy

__all__ = ["divergence", "probe"]

PROBE = 0.05  # ε in parts of σ
LEAST = 1e-4  # added to ε, for σ = 0


def probe(problem: Problem, v: Tensor, sigma: Tensor, number: int) -> Tensor:
    """εs (B, *shape), ε = 0.05σ + 0.0001 with σ (B,), s random signs.

    The signs are a function of the image and of the ``number`` of the probe.
    """
    signs = problem.streams("probe", number).signs(problem.size, v.device)
    return column(sigma * PROBE + LEAST, v) * signs.to(v).view_as(v)


def divergence(clean: Tensor, moved: Tensor, step: Tensor) -> Tensor:
    """⟨s, D(v + εs) − D(v)⟩/ε (B,) in float64, from D(v), D(v + εs) and εs, each (B, *shape).

    Its mean over random signs is div D(v), where D is nearly linear within ε. Reference: Ramani,
    Blu & Unser, "Monte-Carlo SURE", IEEE Trans. Image Process. 2008, eq. 14.
    """
    return dots(moved - clean, step) * step[0].numel() / energy(step)
