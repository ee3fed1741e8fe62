"""Checks of arguments that several operators share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.arrays import numbers

__all__ = ["real_array", "require_picture"]


def require_picture(who: str, shape: Shape) -> None:
    """Raise BadInputError unless ``shape`` is that of a picture (C, H, W)."""
    if len(shape) != 3:
        raise BadInputError(f"{who} is for pictures (C, H, W).", got=shape)


def real_array(thing: Any, what: str) -> Tensor:
    """A user's array in float64. Raises BadInputError, also for complex numbers."""
    array = numbers(thing, what)
    if array.is_complex():
        raise BadInputError(f"{what} is an array of real numbers.", got="complex ones")
    return array.to(torch.float64)
