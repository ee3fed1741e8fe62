"""A: pictures with fewer pixels."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator, Shape


class Binning(LinearOperator):
    """A x = the mean of every block of ``factor`` × ``factor`` pixels: superresolution."""

    def __init__(self, *, factor: Annotated[int, Field(ge=1)] = 4) -> None:
        self.factor = factor

    def prepare(self) -> None:
        channels, height, width = self.shape
        if height % self.factor or width % self.factor:
            raise BadInputError(
                f"The sides of a picture must be multiples of factor = {self.factor}.",
                got=f"{height}×{width}",
                try_="factor=2, or another shape",
            )
        self.y_shape = (channels, height // self.factor, width // self.factor)

    def A(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.factor)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return F.interpolate(y, scale_factor=self.factor) / self.factor**2

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: Shape) -> Shape:
        channels, height, width = y_shape
        return (channels, height * self.factor, width * self.factor)
