"""The squares ‖A x − y‖² that a misfit is, or is near."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from priorkit.interfaces.noise import GaussianNoise, WeightedNoise
from priorkit.interfaces.operator import LinearOperator, Operator
from priorkit.linear import directional

__all__ = ["NUDGE", "Squares", "squares"]

SURE = 3.0  # standard deviations of y, within which an estimate of what it is of must lie
NUDGE = 3e-3  # root mean square of the step of an image that shows the slope of a curved A

Map = Callable[[Tensor], Tensor]


class Squares(NamedTuple):
    """A linear map, its adjoint, and what it should give."""

    A: Map
    adjoint: Map
    y: Tensor


def squares(
    operator: Operator, noise: WeightedNoise, y: Tensor, near: Tensor | None = None
) -> Squares:
    """A, its adjoint and y of the squares ‖A x − y‖² that ℓ(A(x), y) is, or is ``near`` images.

    Where A isn't linear they are of its tangent at those images, A(near) + J·(x − near), which have
    to be given then. Of noise that isn't Gaussian they are √w·A and √w·a, see
    :class:`WeightedNoise`: w at A(near) brought to within three standard deviations of
    a = measured(y), else at a.

    Reference: Nocedal & Wright, "Numerical optimization", 2nd ed. 2006, section 10.3 (the tangent).
    """
    A, adjoint, rest = _linear(operator, near)
    if isinstance(noise, GaussianNoise):
        return Squares(A, adjoint, y if rest is None else y - rest)
    a = noise.measured(y)
    weights = noise.weights(a).to(a.real.dtype)
    if near is not None:
        Ax, reach = operator.A(near), SURE * (noise.energy / noise.entries / weights).sqrt()
        weights = noise.weights(Ax if Ax.is_complex() else Ax.clamp(a - reach, a + reach))
    root = weights.to(a.real.dtype).sqrt()
    told = a if rest is None else a - rest
    return Squares(lambda x: root * A(x), lambda r: adjoint(root * r), root * told)


def _linear(operator: Operator, near: Tensor | None) -> tuple[Map, Map, Tensor | None]:
    """A itself, or J, its adjoint and A(near) − J·near, J the Jacobian of A there."""
    if isinstance(operator, LinearOperator):
        return operator.A, operator.A_adjoint, None
    assert near is not None, "a curved A has a tangent at images: give near="
    there = operator.A(near)

    def pushed(x: Tensor) -> Tensor:
        return directional(operator.A, near, there, x, NUDGE)

    return pushed, lambda r: operator.vjp(near, r), there - pushed(near)
