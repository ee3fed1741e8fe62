"""R: what is asked of the solution besides agreeing with the measurement."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces.answers import answers
from priorkit.interfaces.component import Component, Shape
from priorkit.interfaces.noise import Noise
from priorkit.interfaces.operator import Operator
from priorkit.interfaces.prior import Prior

__all__ = ["L1Penalty", "NormPenalty", "Penalty", "ProximalPenalty", "ZeroPenalty", "total"]


class Penalty(Component, ABC):
    """R, a number per image that is small for what is likely; ``R1 + 0.5 * R2`` is one too.

    ``acts_on`` says of what: "u", the solver's variable (a latent, or pixels), or "x",
    the image in either space. ``requires`` lists classes that the prior must implement.
    A penalty that isn't ``smooth`` returns a subgradient.
    """

    acts_on: ClassVar[Literal["u", "x"]] = "u"
    smooth: ClassVar[bool] = True
    requires: ClassVar[tuple[type[Prior], ...]] = ()

    def __init_subclass__(cls, **more: Any) -> None:
        """Raises TypeError where ``acts_on`` or ``requires`` is set to what it can't be."""
        super().__init_subclass__(**more)
        if cls.acts_on not in ("u", "x"):
            raise TypeError(f"{cls.__name__}.acts_on is 'u' or 'x', and not {cls.acts_on!r}")
        said = cls.requires
        if not isinstance(said, (tuple, property)):
            why = f"a tuple of classes of priors, such as (Density,), and not {said!r}"
            raise TypeError(f"{cls.__name__}.requires is {why}")

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

    def over(self, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """R (B,) at the solver's variable u and its image x, and its gradients in u and in x,
        None in what it doesn't act on."""
        of_x = self.acts_on == "x"
        at = x if of_x else u
        found = self.value_grad(at)
        value, gradient = answers(self, "value_grad", found, (len(at),), at.shape)
        return (value, None, gradient) if of_x else (value, gradient, None)

    def __add__(self, other: Penalty) -> Penalty:
        """R₁ + R₂."""
        return total([(1.0, self), (1.0, other)]) if isinstance(other, Penalty) else NotImplemented

    def __rmul__(self, weight: float) -> Penalty:
        """``0.5 * R``. Raises BadInputError for a weight below 0."""
        return total([(weight, self)]) if isinstance(weight, (int, float)) else NotImplemented


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


def total(parts: Sequence[tuple[float, Penalty]]) -> Penalty:
    """Σ wᵢ·Rᵢ, whose prox is known where a single wᵢ is above 0 and that part has one.

    Raises BadInputError for a weight that isn't a number from 0 on.
    """
    for weight, _ in parts:
        if isinstance(weight, bool) or not (weight >= 0 and math.isfinite(weight)):
            raise BadInputError(
                "The weight of a penalty is a number from 0 on.", got=weight, try_="0.1"
            )
    flat = [
        (weight * inner, part)
        for weight, whole in parts
        for inner, part in (whole.parts if isinstance(whole, _Sum) else [(1.0, whole)])
    ]
    kept = [(w, part) for w, part in flat if w and not isinstance(part, ZeroPenalty)] or flat[:1]
    if len(kept) == 1 and kept[0][0] == 1:
        return kept[0][1]
    alone = len(kept) == 1 and isinstance(kept[0][1], ProximalPenalty)
    return (_ProximalSum if alone else _Sum)(kept)


class _Sum(Penalty):
    """Σ wᵢ·Rᵢ, see :func:`total`: of u, of x, or of both, as its parts are."""

    def __init__(self, parts: Sequence[tuple[float, Penalty]]) -> None:
        self.parts = list(parts)
        self.provenance = {k: v for _, part in parts for k, v in part.provenance.items()}

    @property
    def smooth(self) -> bool:  # type: ignore[override]  # of these parts
        return all(part.smooth for _, part in self.parts)

    @property
    def requires(self) -> tuple[type[Prior], ...]:  # type: ignore[override]  # by these parts
        return tuple(dict.fromkeys(cls for _, part in self.parts for cls in part.requires))

    def seeded(self, seed: int) -> Self:
        return type(self)([(w, part.seeded(seed)) for w, part in self.parts])

    def bind(self, prior: Prior, shape: Shape) -> Self:
        return type(self)([(w, part.bind(prior, shape)) for w, part in self.parts])

    def hint(self, operator: Operator, noise: Noise) -> float | None:
        """That of the first part which has one, in parts of its weight."""
        hints = ((w, part.hint(operator, noise)) for w, part in self.parts)
        return next((hint / w for w, hint in hints if w and hint), None)

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """As if all parts were of u, which they are where u is the image."""
        found = [(w, *part.value_grad(u)) for w, part in self.parts]
        gradient = _added([(w, slope) for w, _, slope in found])
        assert gradient is not None
        return _weighed([(w, value) for w, value, _ in found]), gradient

    def over(self, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        found = [(w, *part.over(u, x)) for w, part in self.parts]
        value = _weighed([(w, value) for w, value, _, _ in found])
        return (
            value,
            _added([(w, g) for w, _, g, _ in found]),
            _added([(w, g) for w, *_, g in found]),
        )


class _ProximalSum(_Sum, ProximalPenalty):
    """w·R of a single R whose prox is known."""

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        ((weight, part),) = self.parts
        assert isinstance(part, ProximalPenalty)
        return part.prox(u, weight * step) if weight else u


def _added(slopes: Sequence[tuple[float, Tensor | None]]) -> Tensor | None:
    """Σ wᵢ·gᵢ without those that are None; None where all are."""
    known = [w * slope for w, slope in slopes if slope is not None]
    return sum(known[1:], known[0]) if known else None


def _weighed(values: Sequence[tuple[float, Tensor]]) -> Tensor:
    """Σ wᵢ·vᵢ in float64."""
    return torch.stack([w * value.double() for w, value in values]).sum(0)
