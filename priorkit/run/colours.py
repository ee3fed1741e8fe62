"""A colour picture where measurements are wanted that are none."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Operator
from priorkit.io.values import dimensions
from priorkit.settings.select import blaming

__all__ = ["refuse_colours"]

COLOURS = 3  # channels


def refuse_colours(y: Tensor, operator: Operator) -> None:
    """Raise BadInputError for a y of 8 bits and three colours, (…, 3, H, W) or (…, H, W, 3), where
    what the operator measures is no picture: its colours would be taken for three measurements,
    such as sinograms. What else has three channels, such as counts in bands of energy, has more
    bits."""
    last = tuple(y.shape[-3:])
    if y.dtype is not torch.uint8 or len(last) < 3 or COLOURS not in (last[0], last[2]):
        return
    sides = last[1:] if last[0] == COLOURS else last[:2]
    with blaming("operator"):
        shapes = [operator.shape_from((channels, *sides)) for channels in (1, COLOURS)]
    if shapes != [None, None]:
        return
    raise BadInputError(
        "The measurement y is a colour picture, and what the operator measures is no picture.",
        got=f"{COLOURS} colours of {dimensions(sides)} pixels, in 8 bits",
        try_="no y, and the picture as x, which is measured here then, or y.astype('float32') of "
        "numbers that were measured",
    )
