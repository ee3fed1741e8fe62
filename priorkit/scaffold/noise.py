"""ℓ: how measurements scatter around A(x), and what a misfit costs."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import GaussianNoise, Level
from priorkit.streams import Streams


class Example(GaussianNoise):
    """y = A x + η for real y, η ~ N(0, σ²·1); its misfit ‖A x − y‖² comes with GaussianNoise.

    Another distribution derives from Noise, and has ``misfit`` and ``energy`` of its own.

    Parameters
    ----------
    sigma : σ, the standard deviation per entry of y
    """

    def __init__(self, *, sigma: Annotated[float, Field(ge=0)] = 0.05) -> None:
        self.level = Level(sigma=sigma)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if Ax.is_complex():
            raise BadInputError("This noise is for real measurements.", got=Ax.dtype)
        return Ax + self.std * streams.normal(Ax[0].numel()).view(Ax.shape).to(Ax)
