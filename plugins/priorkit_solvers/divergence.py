"""The divergence of a denoiser, by one probe: what its estimate owes to each pixel's own noise."""

from __future__ import annotations

from torch import Tensor

from priorkit.interfaces import Problem
from priorkit.linear import column

__all__ = ["divergence", "probe"]

PROBE = 0.05  # how far it goes, in parts of σ
LEAST = 1e-4  # and at least


def probe(problem: Problem, v: Tensor, sigma: Tensor, evaluations: Tensor) -> Tensor:
    """εs (B, *shape), ε = 0.05σ + 0.0001 with σ (B,), s random signs.

    Their address holds how far each image is, its ``evaluations`` (B,).
    """
    signs = problem.streams("probe", evaluations.tolist()).signs(problem.size)
    return column(sigma * PROBE + LEAST, v) * signs.to(v).view_as(v)


def divergence(clean: Tensor, moved: Tensor, step: Tensor) -> Tensor:
    """⟨s, D(v + εs) − D(v)⟩/ε (B,) in float64, from D(v), D(v + εs) and εs, each (B, *shape).

    Its mean over random signs is div D(v), where D is as smooth as ε. Reference: Ramani, Blu &
    Unser, "Monte-Carlo SURE", IEEE Trans. Image Process. 2008, eq. 14.
    """
    flat = step.flatten(1).double()
    length = flat.square().mean(1)  # ε²
    return ((moved - clean).flatten(1).double() * flat).sum(1) / length
