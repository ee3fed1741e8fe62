"""u₀: where a solver begins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from priorkit.interfaces.component import Component
from priorkit.interfaces.problem import Problem
from priorkit.interfaces.solver import Requires, require

__all__ = ["Start"]


class Start(Component, ABC):
    """The first u of a solver."""

    requires: ClassVar[Requires] = Requires(latent=())

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        require(cls, cls.requires)

    def check(self, problem: Problem) -> None:
        """Raise a PriorkitError, before any compute, where this start can't serve.

        ``problem`` has no data yet.
        """

    @abstractmethod
    def make(self, problem: Problem) -> Tensor:
        """u₀ of shape (B, problem.size); random ones draw from ``problem.streams("start")``."""
