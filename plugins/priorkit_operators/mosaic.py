"""The mosaic of colour filters on a camera's sensor, which sees one colour at each pixel."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor

from priorkit.interfaces import Level, Shape
from priorkit_operators.checks import require_colours
from priorkit_operators.pointwise import Masked

__all__ = ["Mosaic"]

COLOURS = "rgb"
Pattern = Annotated[
    Literal["rggb", "bggr", "grbg", "gbrg"],
    BeforeValidator(lambda said: said.lower() if isinstance(said, str) else said),
]


class Mosaic(Masked):
    """A x = the one colour of three that a camera's sensor sees at each pixel: demosaicing.

    y has the shape of x, (3, H, W), and zeros in the two colours that aren't seen. A raw picture
    (1, H, W) or (H, W), as cameras write it, is taken too, and the picture to recover has its
    sides. Simulated noise has σ = 0.01.

    Parameters
    ----------
    pattern : the colours of the first two rows of the first two columns, repeated all over, in
        small letters or capitals: "rggb" is red and green above green and blue

    Reference: Bayer, "Color imaging array", US patent 3 971 065, 1976.
    """

    default_noise = Level(sigma=0.01)

    def __init__(self, *, pattern: Pattern = "rggb") -> None:
        self.pattern = pattern.lower()

    def prepare(self) -> None:
        require_colours("A mosaic is of a colour picture (3, H, W).", self.shape)
        _, height, width = self.shape
        cell = torch.tensor([COLOURS.index(c) for c in self.pattern]).view(2, 2)
        which = cell.repeat(-(-height // 2), -(-width // 2))[:height, :width]
        self._see((which == torch.arange(3)[:, None, None]).float())
        self.y_shape = self.shape

    def shape_from(self, y_shape: Shape) -> Shape | None:
        return (3, *y_shape[1:])

    def taken(self, y: Tensor) -> Tensor:
        return y.expand(-1, 3, -1, -1) if y.shape[1:] == (1, *self.shape[1:]) else y
