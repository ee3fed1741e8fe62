"""A: volumes with fewer, thicker slices."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator, Shape


class Slabs(LinearOperator):
    """A x = the mean of every ``thickness`` slices that follow each other."""

    def __init__(self, *, thickness: Annotated[int, Field(ge=1)] = 2) -> None:
        self.thickness = thickness

    def prepare(self) -> None:
        if len(self.shape) != 4 or self.shape[1] % self.thickness:
            raise BadInputError(
                f"Slabs are for volumes whose slices are a multiple of {self.thickness}.",
                got=self.shape,
                try_="another thickness, or another shape",
            )

    def A(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, self.thickness)).mean(3)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return y.repeat_interleave(self.thickness, 2) / self.thickness

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: Shape) -> Shape:
        channels, depth, height, width = y_shape
        return (channels, depth * self.thickness, height, width)
