"""The basis in which patches of pictures are learned."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["coordinates", "matrix"]


def coordinates(patches: Tensor, side: int) -> Tensor:
    """Patches (B, 3·side²) in a basis in which their numbers are nearly uncorrelated.

    Cosines across the patch, times the colours grey, red − blue and red + blue − 2·green. It is
    orthonormal, so that a density has the same value in it.
    """
    return patches @ matrix(side).to(patches)


def matrix(side: int) -> Tensor:
    """That basis, (3·side², 3·side²) in float64, a column per coordinate."""
    colours = torch.tensor([[1, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
    place = torch.arange(side, dtype=torch.float64)
    cosines = torch.cos(torch.pi / side * (place + 0.5) * place[:, None])
    first, second = (row / row.norm(dim=1, keepdim=True) for row in (colours, cosines))
    return torch.kron(first, torch.kron(second, second)).T
