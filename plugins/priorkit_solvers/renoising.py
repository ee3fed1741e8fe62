"""The noise that solvers add to images again."""

from __future__ import annotations

from torch import Tensor

from priorkit.interfaces import Problem

__all__ = ["normals"]


def normals(problem: Problem, purpose: str, number: int, like: Tensor) -> Tensor:
    """ε ~ N(0, 1) shaped like a batch (B, *shape), a function of each image, of what it is for and
    of the ``number`` of the draw."""
    found = problem.streams(purpose, number).normal(problem.size, like.device)
    return found.to(like).view_as(like)
