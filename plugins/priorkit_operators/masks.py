"""Masks of zeros and ones: by a rule, or of a user's array."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.arrays import require_finite
from priorkit.io.values import dimensions
from priorkit.streams import permutation
from priorkit_operators.checks import real_array, sides_of

__all__ = ["by_rule", "of_array"]


def by_rule(rule: str, fraction: float | None, seed: int, shape: Shape) -> Tensor:
    """A mask (*shape) by one of the rules of :class:`~priorkit_operators.pointwise.Mask`: "center",
    "random", "left" or "bottom". Raises BadInputError for images that have no bottom."""
    sides = sides_of(shape)
    seen = torch.ones(sides)
    if fraction is None:
        fraction = 0.3 if rule == "center" else 0.5
    if rule == "center":
        seen[tuple(_hole(side, fraction) for side in sides)] = 0
    elif rule == "random":
        n = seen.numel()
        seen.view(-1)[permutation(seed, "mask", n)[: round(fraction * n)]] = 0
    elif rule == "left":
        seen[..., : round(fraction * sides[-1])] = 0
    elif len(sides) == 1:
        raise BadInputError(
            "mask='bottom' is for pictures (C, H, W) and volumes (C, D, H, W).",
            got=f"shape {shape}",
            try_="mask='left', which is the beginning of a signal",
        )
    else:
        seen[..., sides[-2] - round(fraction * sides[-2]) :, :] = 0
    return seen.expand(shape).clone()


def of_array(source: Any, shape: Shape) -> Tensor:
    """A user's array as a mask (*shape), 1 from ½ on, or where it goes up to 255 from half of that.
    Raises BadInputError."""
    array, sides = real_array(source, "A mask"), sides_of(shape)
    require_finite(array, "The mask")
    given = dimensions(array.shape) or "a single number"
    if array.ndim == len(sides):
        array = array[None]
    if array.shape[1:] != sides:
        raise BadInputError(
            f"The mask must be {dimensions(sides)}.",
            got=given,
            try_=f"one of {dimensions(sides)}"
            + (", or a PNG of it, which is brought to that size" if len(sides) == 2 else ""),
        )
    if float(array.max()) > 1:
        array = array / 255
    channels = math.prod(shape[: -len(sides)])
    if array.shape[0] not in (1, channels):
        said = "1 channel" if channels == 1 else f"1 or {channels} channels"
        raise BadInputError(f"The mask must have {said}.", got=given)
    return (array >= 0.5).float().expand(channels, *sides).reshape(shape).clone()


def _hole(side: int, fraction: float) -> slice:
    """The rows of a centred hole."""
    start = int((side - side * fraction) / 2)
    return slice(start, start + max(1, int(side * fraction)))
