"""A photograph where measurements are wanted that are no pictures."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Operator, Shape
from priorkit.io.values import dimensions
from priorkit.settings.select import blaming

__all__ = ["question_gray", "refuse_colours"]

log = logging.getLogger("priorkit")

COLOURS = 3  # channels
LEAST = 8  # sides of a photograph


def refuse_colours(y: Tensor, operator: Operator) -> None:
    """Raise BadInputError for a y of 8 bits and three colours, (…, 3, H, W) or (…, H, W, 3), where
    what the operator measures is no picture: its colours would be taken for three measurements,
    such as sinograms. What else has three channels, such as counts in bands of energy, has more
    bits."""
    last = tuple(y.shape[-3:])
    if y.dtype is not torch.uint8 or len(last) < 3 or COLOURS not in (last[0], last[2]):
        return
    sides = last[1:] if last[0] == COLOURS else last[:2]
    if _may_be_picture(operator, sides):
        return
    raise BadInputError(
        "The measurement y is a colour picture, and what the operator measures is no picture.",
        got=f"{COLOURS} colours of {dimensions(sides)} pixels, in 8 bits",
        try_="no y, and the picture as x, which is measured here then, or y.astype('float32') of "
        "numbers that were measured",
    )


def question_gray(y: Tensor, operator: Operator) -> None:
    """Warn of a y of 8 bits in gray, (…, H, W) or (…, H, W, 1), where what the operator measures is
    no picture. It isn't refused: a sinogram may have been scanned, or written as a picture."""
    sides = tuple(y.shape[-3:-1] if y.ndim > 2 and y.shape[-1] == 1 else y.shape[-2:])
    if y.dtype is not torch.uint8 or len(sides) < 2 or min(sides) < LEAST:
        return
    if _may_be_picture(operator, sides):
        return
    log.warning(
        "y has numbers of 8 bits, as gray photographs have, and what the operator measures is no "
        "picture: they are taken for what it measured, from 0 to 255. Try: no y, and the picture "
        "as x, which is measured here then, or y.astype('float32') of numbers that were measured"
    )


def _may_be_picture(operator: Operator, sides: Shape) -> bool:
    """Whether what an operator measures may be a picture of these sides."""
    with blaming("operator"):
        return any(operator.shape_from((channels, *sides)) for channels in (1, COLOURS))
