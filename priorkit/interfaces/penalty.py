"""R: what is asked of the solution besides agreeing with the measurement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from priorkit.interfaces.component import Component, Shape
from priorkit.interfaces.noise import Noise
from priorkit.interfaces.operator import Operator
from priorkit.interfaces.prior import Prior

__all__ = ["L1Penalty", "NormPenalty", "Penalty", "ProximalPenalty", "ZeroPenalty"]


class Penalty(Component, ABC):
    """R, a number per image that is small for what is likely.

    ``acts_on`` says of what: "u", the solver's variable (a latent, or pixels), or "x",
    the image in either space. ``requires`` lists classes that the prior must implement.
    A penalty that isn't ``smooth`` returns a subgradient.
    """

    acts_on: ClassVar[Literal["u", "x"]] = "u"
    smooth: ClassVar[bool] = True
    requires: ClassVar[tuple[type[Prior], ...]] = ()

    def bind(self, prior: Prior, shape: Shape) -> Penalty:
        """This penalty for that prior and images of ``shape``; by default unchanged.

        Raises a PriorkitError where it can't serve them.
        """
        return self

    def hint(self, operator: Operator, noise: Noise) -> float | None:
        """A γ that did well where it was measured on such a problem, None where none was."""
        return None

    @abstractmethod
    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """R and its gradient: u of any shape (B, …) → (B,) and (B, …)."""


class ProximalPenalty(Penalty):
    """A penalty with a known proximal map."""

    @abstractmethod
    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        """argmin over v of R(v) + ‖v − u‖² / (2·step); a step for all, or one per image (B,)."""


class ZeroPenalty(ProximalPenalty):
    """R = 0 exactly: there is nothing for γ to weigh."""


class NormPenalty(ProximalPenalty):
    """A norm, whose dual gives a lower bound of the objective, and so a certificate."""

    @abstractmethod
    def dual_norm(self, u: Tensor) -> Tensor:
        """sup over v of ⟨u, v⟩ with R(v) ≤ 1: (B, …) → (B,)."""


class L1Penalty(NormPenalty):
    """R(u) = ‖u‖₁ exactly, for solvers that know no other penalty."""
