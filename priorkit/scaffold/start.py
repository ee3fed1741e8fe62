"""u₀: where a solver begins."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Problem, Start


class Example(Start):
    """u₀ ~ N(0, std²·1), a draw of its own for every image and restart.

    Parameters
    ----------
    std : standard deviation of each entry
    """

    def __init__(self, *, std: Annotated[float, Field(ge=0)] = 0.1) -> None:
        self.std = std

    def make(self, problem: Problem) -> Tensor:
        return self.std * problem.streams("start").normal(problem.size).to(problem.y.real)
