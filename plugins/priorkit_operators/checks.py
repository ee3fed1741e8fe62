"""What several operators ask of an image and of arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.arrays import numbers

__all__ = ["real_array", "require_colours", "require_picture", "sides_of"]


def sides_of(shape: Shape) -> Shape:
    """The axes along which pixels have neighbours: all but the channels, and of a vector (d,),
    which has none, its own. They are the last ones of a batch of any kind of image.

    >>> sides_of((3, 8, 9)), sides_of((12,))
    ((8, 9), (12,))
    """
    return shape[1:] or shape


def require_picture(who: str, shape: Shape, try_: str | None = None) -> None:
    """Raise BadInputError unless ``shape`` is that of a picture (C, H, W)."""
    if len(shape) != 3:
        raise BadInputError(f"{who} is for pictures (C, H, W).", got=f"shape {shape}", try_=try_)


def require_colours(what: str, shape: Shape) -> None:
    """Raise BadInputError, which says ``what``, unless a shape is that of a colour picture."""
    if len(shape) != 3 or shape[0] != 3:
        raise BadInputError(what, got=shape, try_=f"shape={(3, *shape[1:])}")


def real_array(thing: Any, what: str) -> Tensor:
    """A user's array in float64. Raises BadInputError, also for complex numbers."""
    array = numbers(thing, what)
    if array.is_complex():
        raise BadInputError(f"{what} is an array of real numbers.", got="complex ones")
    return array.to(torch.float64)
