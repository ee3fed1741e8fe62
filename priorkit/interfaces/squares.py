"""The squares ‖A x − y‖² that a misfit is, or is near."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from priorkit.interfaces.noise import GaussianNoise, WeightedNoise
from priorkit.interfaces.operator import LinearOperator, Operator
from priorkit.linear import directional

__all__ = ["Map", "Squares", "pushforward", "squares"]

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
    exact = isinstance(noise, GaussianNoise)
    a = y if exact else noise.measured(y)
    if isinstance(operator, LinearOperator):
        there = None if near is None or exact else operator.A(near)
        plain = Squares(operator.A, operator.A_adjoint, a)
    else:
        assert near is not None, "a curved A has a tangent at images: give near="
        there = operator.A(near)
        plain = _tangent(operator, a, near, there)
    if exact:
        return plain
    weights = noise.weights(a).to(a.real.dtype)
    if there is not None:
        reach = SURE * (noise.energy / noise.entries / weights).sqrt()
        at = there if there.is_complex() else there.clamp(a - reach, a + reach)
        weights = noise.weights(at).to(a.real.dtype)
    A, adjoint, told = plain
    root = weights.sqrt()
    return Squares(lambda x: root * A(x), lambda r: adjoint(root * r), root * told)


def pushforward(operator: Operator, near: Tensor, there: Tensor) -> Map:
    """The Jacobian of A at images ``near``, where it gives ``there``, as a linear map."""
    return lambda x: directional(operator.A, near, there, x, NUDGE)


def _tangent(operator: Operator, y: Tensor, near: Tensor, there: Tensor) -> Squares:
    """J, its adjoint and y − A(near) + J·near, J the Jacobian of A there."""
    J = pushforward(operator, near, there)
    return Squares(J, lambda r: operator.vjp(near, r), y - (there - J(near)))
