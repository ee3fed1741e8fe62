"""What an operator promises."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from priorkit.interfaces import (
    IdentityOperator,
    LinearOperator,
    MatrixOperator,
    Operator,
    RandomOperator,
    Shape,
    kind_of,
)
from priorkit.testing.chance import addressed
from priorkit.testing.compare import (
    Precision,
    bound_by,
    close,
    differentiated,
    dot_test,
    draws,
    finite,
    inner,
    slope,
    untouched,
)
from priorkit.testing.promises import promise
from priorkit.testing.steady import steady

__all__ = ["check_operator"]


@addressed
def check_operator(operator: Operator, *, shape: Shape) -> None:
    """Shapes, batch independence, the mask, and the vector-Jacobian product of an operator.

    For linear ones also linearity and the dot test Re⟨A x, y⟩ = ⟨x, Aᴴ y⟩, to a relative
    10⁻⁸ in float64, with complex y where A x is complex, and agreement of the rows with A.
    An operator that computes in float32 only is checked in float32.
    """
    hint = "leave bind, and size things in prepare(self)"
    bound = bound_by(operator, lambda: operator.bind(shape), hint)
    precision = Precision.of(bound.A, draws((1, *shape), 0), "A")
    x, x2 = draws((3, *shape), 0, precision.dtype), draws((3, *shape), 1, precision.dtype)
    steady("A", bound.A, x)
    with promise(
        "A has the shape that it says, and measures an image alike in every batch",
        "act on each x[i] alone; y_shape is known after prepare()",
    ):
        y = untouched("A", bound.A, x)
        assert tuple(y.shape) == (3, *bound.y_shape), (
            f"A(x) has shape {tuple(y.shape)}, y_shape says {bound.y_shape}"
        )
        alone = precision.exact(1e-10)
        close(bound.A(x[1:2]), y[1:2], alone, "A of one image differs from A of a batch")
    with promise("A is finite, of a black image too", "0/0 and log 0 are not"):
        zero = bound.A(torch.zeros_like(x))
        finite("A(x)", y)
        finite("A(0)", zero)
    r = draws(tuple(y.shape), 2, y.dtype)
    with promise(
        "vjp is the transposed Jacobian of A",
        "without a vjp of yours, autograd finds it: through torch alone, "
        "with no .detach(), .item() or numpy in A",
    ):
        with differentiated("A", by_autograd=type(bound).vjp is Operator.vjp):
            pulled = untouched("vjp", bound.vjp, x, r)
        assert pulled.shape == x.shape, f"vjp has shape {tuple(pulled.shape)}"
        assert not pulled.is_complex(), "vjp of a real x is complex: take the real part"
        kind = torch.dtype.to_complex if r.is_complex() else torch.dtype.to_real
        Precision.of(lambda x: bound.vjp(x, r.to(kind(x.dtype))), x, "vjp")
        steady("vjp", bound.vjp, x, r)
        close(bound.vjp(x[1:2], r[1:2]), pulled[1:2], alone, "vjp of one differs from a batch's")
        pushed, tolerance = slope(bound.A, x, x2, precision.step()), precision.slope(1e-5)
        close(inner(pushed, r), inner(pulled, x2), tolerance, "vjp isn't the transposed Jacobian")
    with promise("mask, sees_image and shape_from say what y is", "y is 0 where the mask is"):
        _check_sight(bound, y)
    if isinstance(bound, IdentityOperator):
        with promise("A x is x", "derive from LinearOperator where it isn't"):
            close(y, x, 0, "A x isn't x")
    if isinstance(bound, LinearOperator):
        _check_linear(bound, x, x2, y, zero, r, precision)
    if isinstance(bound, MatrixOperator):
        _check_matrix(bound, x, y)
    if isinstance(bound, RandomOperator) and bound.ensemble is not None:
        _check_random(bound, x)


def _check_sight(operator: Operator, y: Tensor) -> None:
    if operator.sees_image:
        assert operator.y_shape == operator.shape, (
            f"sees_image, but y is {operator.y_shape} and x {operator.shape}"
        )
    if kind_of(operator.shape).has_pixels and kind_of(operator.shape).fits(operator.y_shape):
        told = operator.shape_from(operator.y_shape)
        assert told in (None, operator.shape), (
            f"shape_from says that x is {told}, and it is {operator.shape}"
        )
    mask = operator.mask
    if mask is not None:
        assert tuple(mask.shape) == operator.y_shape, f"the mask has shape {tuple(mask.shape)}"
        assert bool(((mask == 0) | (mask == 1)).all()), "the mask isn't of zeros and ones"
        assert not bool((y * (1 - mask.to(y))).any()), "A(x) isn't 0 where the mask is"


def _check_linear(
    operator: LinearOperator,
    x: Tensor,
    x2: Tensor,
    y: Tensor,
    zero: Tensor,
    r: Tensor,
    precision: Precision,
) -> None:
    tolerance = precision.exact(1e-8)
    with promise(
        "A is linear", "derive from Operator where it isn't; of A x + b, subtract b from y"
    ):
        constant, scale = float(zero.abs().max()), float(y.abs().max())
        assert constant <= tolerance * scale, f"A(0) isn't 0, it is up to {constant:.3g}"
        close(operator.A(2 * x - x2), 2 * y - operator.A(x2), tolerance, "A isn't linear")
    with promise(
        "A_adjoint is the adjoint: Re⟨A x, y⟩ = ⟨x, Aᴴ y⟩",
        "of a convolution, the one with the kernel turned round; of complex y, the real part",
    ):
        adjoint = untouched("A_adjoint", operator.A_adjoint, r)
        assert adjoint.shape == x.shape, f"A_adjoint has shape {tuple(adjoint.shape)}"
        dot_test(y - zero, r, x, adjoint, tolerance, "dot test: ⟨A x, y⟩ ≠ ⟨x, Aᵀ y⟩")
        close(operator.T(r), adjoint, 0, ".T isn't A_adjoint")


def _check_matrix(operator: MatrixOperator, x: Tensor, y: Tensor) -> None:
    with promise("rows make up A", "row i is Aᴴ of the i-th unit vector"):
        m = math.prod(operator.y_shape)
        rows = operator.rows(0, m)
        rows = rows.to(y.dtype if rows.is_complex() else x.dtype)
        product = x.flatten(1).to(rows.dtype) @ rows.mT
        close(product, y.flatten(1), 1e-5, "rows don't make up A")
        part = operator.rows(m // 2, m).to(rows.dtype)
        close(part, rows[m // 2 :], 0, "rows depend on the block")


def _check_random(operator: RandomOperator, x: Tensor) -> None:
    """``gain`` and ``excess``, which message passing needs, on images of up to 512 pixels."""
    n = math.prod(operator.shape)
    if n > 512:
        return
    with promise(
        "gain is ‖A‖_F/√n, and excess ‖AᴴA/gain² − 1‖_F²/n", "in the mean over draws of A"
    ):
        unit = torch.eye(n, dtype=x.dtype).view(n, *operator.shape)
        columns = operator.A(unit).flatten(1)
        size = float(columns.abs().square().sum() / n)
        assert abs(operator.gain**2 / size - 1) < 0.5, f"gain² is {operator.gain**2}, not {size}"
        own = operator.A_adjoint(operator.A(unit)).flatten(1) / operator.gain**2
        excess = float((own - torch.eye(n).to(own)).square().sum() / n)
        said = operator.excess
        assert abs(said - excess) < 0.5 * excess + 1e-9, f"excess is {said}, not about {excess}"
