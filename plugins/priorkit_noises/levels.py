"""For additive noises: the level from its two options, and complex draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Level

__all__ = ["Amount", "added", "level"]

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


def level(sigma: float | None, noise_norm: float | None) -> Level:
    """A level from one of the two. Raises BadInputError for both."""
    if sigma is not None and noise_norm is not None:
        raise BadInputError("Say sigma or noise_norm, not both.")
    return Level(sigma, noise_norm)


def added(Ax: Tensor, draw: Callable[[int], Tensor]) -> Tensor:
    """A x + η with η from ``draw(columns)``, (B, columns) of the standard deviation wanted.

    For complex A x both parts are drawn, each with half the variance.
    """
    n = Ax[0].numel()
    if Ax.is_complex():
        parts = draw(2 * n).view(-1, 2, n) / 2**0.5
        eta = torch.complex(parts[:, 0], parts[:, 1])
    else:
        eta = draw(n)
    return Ax + eta.view(Ax.shape).to(Ax.device, Ax.dtype)
