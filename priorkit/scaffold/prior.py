"""D: what is known of images before measuring."""

import copy
from typing import Annotated

from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import LinearDecoder, Shape


class Example(LinearDecoder):
    """D(z) = z with every pixel enlarged to ``size`` × ``size``: pictures made of blocks.

    Parameters
    ----------
    size : side of a block in pixels; the sides of a picture must be multiples of it
    """

    coarse: Shape  # of z as a picture, set by bind

    def __init__(self, *, size: Annotated[int, Field(ge=1)] = 4) -> None:
        self.size = size

    def bind(self, shape: Shape) -> "Example":
        channels, height, width = shape
        if height % self.size or width % self.size:
            raise BadInputError(
                f"The sides of a picture must be multiples of size = {self.size}.",
                got=f"{height}×{width}",
                try_="size=1",
            )
        bound = copy.copy(self)
        bound.shape = shape
        bound.coarse = (channels, height // self.size, width // self.size)
        return bound

    @property
    def latent_size(self) -> int:
        channels, height, width = self.coarse
        return channels * height * width

    def decode(self, z: Tensor) -> Tensor:
        blocks = z.view(-1, *self.coarse)
        return blocks.repeat_interleave(self.size, 2).repeat_interleave(self.size, 3)

    def decode_adjoint(self, x: Tensor) -> Tensor:
        channels, height, width = self.coarse
        return x.view(-1, channels, height, self.size, width, self.size).sum((3, 5)).flatten(1)
