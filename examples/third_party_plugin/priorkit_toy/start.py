"""u₀: a gray picture."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Encoder, Problem, Requires, Start


class Even(Start):
    """The u of a picture whose pixels are all ``value``."""

    requires = Requires(latent=(Encoder,))  # in pixel space every prior will do

    def __init__(self, *, value: Annotated[float, Field(ge=0, le=1)] = 0.5) -> None:
        self.value = value

    def make(self, problem: Problem) -> Tensor:
        pictures = torch.full((len(problem.y), *problem.shape), self.value)
        return problem.to_u(image=pictures.to(problem.y.real))
