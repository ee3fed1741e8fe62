"""D: smooth pictures, made of a few slow waves."""

import copy
import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import LinearDecoder, Shape


class Smooth(LinearDecoder):
    """D(z) = V z Wᵀ per channel, where V and W hold the slowest cosines of each side.

    Parameters
    ----------
    frequencies : how many cosines per side; z has their square per channel
    """

    def __init__(self, *, frequencies: Annotated[int, Field(ge=1)] = 16) -> None:
        self.frequencies = frequencies

    def bind(self, shape: Shape) -> "Smooth":
        bound = copy.copy(self)
        bound.shape = shape
        bound.V, bound.W = (cosines(side, self.frequencies) for side in shape[1:])
        return bound

    @property
    def latent_size(self) -> int:
        return self.shape[0] * self.V.shape[1] * self.W.shape[1]

    def decode(self, z: Tensor) -> Tensor:
        waves = z.view(-1, self.shape[0], self.V.shape[1], self.W.shape[1])
        return self.V.to(z) @ waves @ self.W.to(z).T

    def decode_adjoint(self, x: Tensor) -> Tensor:
        return (self.V.to(x).T @ x @ self.W.to(x)).flatten(1)


def cosines(side: int, count: int) -> Tensor:
    """The first columns of the orthonormal inverse DCT-II, (side, min(count, side))."""
    place = torch.arange(side, dtype=torch.float64)[:, None] + 0.5
    waves = torch.cos(math.pi / side * place * torch.arange(min(count, side)))
    return waves / waves.norm(dim=0)
