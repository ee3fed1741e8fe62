"""A: how images become measurements."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator


class Example(LinearOperator):
    """A x = every ``step``-th row of x.

    Parameters
    ----------
    step : rows from one that is measured to the next
    """

    def __init__(self, *, step: Annotated[int, Field(ge=1)] = 2) -> None:
        self.step = step

    def prepare(self) -> None:
        if len(self.shape) != 3:
            raise BadInputError("This operator is for pictures (C, H, W).", got=self.shape)

    def A(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.step]

    def A_adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros(len(y), *self.shape)
        x[:, :, :: self.step] = y
        return x
