"""What a penalty promises."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import (
    L1Penalty,
    NormPenalty,
    Penalty,
    Prior,
    ProximalPenalty,
    Shape,
    ZeroPenalty,
)
from priorkit.testing.chance import addressed
from priorkit.testing.compare import (
    Precision,
    bound_by,
    close,
    draws,
    finite,
    inner,
    pair,
    slope,
    untouched,
)
from priorkit.testing.promises import promise
from priorkit.testing.steady import steady

__all__ = ["check_penalty"]

TINY = 1e-12  # of u in [0, 1]: what is rounded off is so at more


@addressed
def check_penalty(penalty: Penalty, *, shape: Shape, prior: Prior | None = None) -> None:
    """Value and gradient of a penalty, batch independence, the optimality of its prox.

    Of a norm also the dual: ⟨u, v⟩ ≤ R(u)·R*(v), tight for the gradient of R.
    """
    given, hint = penalty, "copy.copy(self), and what depends on prior and shape set on that"
    penalty = bound_by(given, lambda: given.bind(prior or Prior(), shape), hint)
    x = torch.sigmoid(draws((3, *shape), 0))

    def gradient_of(u: Tensor) -> Tensor:
        return pair("value_grad", penalty.value_grad(u))[1]

    precision = Precision.of(gradient_of, x, "value_grad")
    steady("value_grad", penalty.value_grad, x.to(precision.dtype))
    u, direction = x.to(precision.dtype), draws((3, *shape), 1, precision.dtype)
    tolerance = precision.exact(1e-9)
    with promise(
        "value_grad gives a number and a gradient per image, alike in every batch",
        "priorkit.linear.sums(x.double()), or .flatten(1).double().sum(1)",
    ):
        value, gradient = untouched("value_grad", penalty.value_grad, u)
        untouched("value_grad", penalty.value_grad, 3 * u - 1)  # as pixels are on the way
        assert tuple(value.shape) == (3,), f"the value has shape {tuple(value.shape)}"
        assert value.dtype == torch.float64, f"the value is {value.dtype}, not float64"
        assert gradient.shape == u.shape, f"the gradient has shape {tuple(gradient.shape)}"
        alone, own = penalty.value_grad(u[1:2])
        close(alone, value[1:2], tolerance, "the value of one image differs from that in a batch")
        close(own, gradient[1:2], tolerance, "the gradient of one image differs from a batch's")
    with promise("the gradient is that of the value", "with respect to u, of a sum and no mean"):
        single = torch.float32 in (u.dtype, value.dtype)  # of the value, told above
        rough = Precision(torch.float32 if single else torch.float64)
        step, near = rough.step(u[0].numel()), rough.slope(1e-4)
        change = slope(lambda v: penalty.value_grad(v)[0], u, direction, step)
        close(change, inner(gradient, direction), near, "the gradient isn't that of the value")
    with promise("value and gradient are finite, at u = 0 too", "of √, divide by what isn't 0"):
        finite("the value or its gradient", value, gradient)
        at_zero = penalty.value_grad(torch.zeros_like(u))
        finite("the value at u = 0", at_zero[0])
        finite("the gradient at u = 0", at_zero[1])
    if penalty.smooth:
        with promise("the gradient has no jump", "smooth = False where R has a kink, as |u| at 0"):
            _check_kinks(penalty, u, direction)
    if isinstance(penalty, ZeroPenalty):
        with promise("R is 0", "derive from ProximalPenalty where it isn't"):
            assert not bool(value.any()), "a ZeroPenalty isn't zero"
    if isinstance(penalty, L1Penalty):
        with promise("R is ‖u‖₁", "derive from ProximalPenalty where it isn't"):
            norm = u.flatten(1).abs().sum(1)
            close(value.to(u), norm, tolerance, "an L1Penalty isn't ‖u‖₁")
    if isinstance(penalty, ProximalPenalty):
        _check_prox(penalty, draws((3, *shape), 2, precision.dtype), precision)
    if isinstance(penalty, NormPenalty):
        _check_dual(penalty, u, direction, precision)


def _check_kinks(penalty: Penalty, u: Tensor, direction: Tensor) -> None:
    """Across 0 in half of the entries, those of the first half along an axis.

    Not in all: the norm ‖u‖ has its kink where nothing is left, which no path meets.
    """

    def jump(at: Tensor, way: Tensor) -> Tensor:
        ahead, behind = (penalty.value_grad(at + sign * way)[1] for sign in (1, -1))
        return inner(ahead - behind, direction).abs()

    for axis in range(1, u.ndim):
        half = u.shape[axis] // 2
        kept = torch.zeros_like(u)
        kept.narrow(axis, half, u.shape[axis] - half).fill_(1)
        way = direction * (1 - kept)
        tiny, whole = jump(kept * u, TINY * way), jump(kept * u, way)
        assert bool((tiny <= 0.01 * whole).all()), (
            f"the gradient jumps where entries of u pass 0: along a line by {float(tiny.max()):.3g}"
        )


def _check_prox(penalty: ProximalPenalty, u: Tensor, precision: Precision) -> None:
    t = 0.3
    with promise("prox is the minimiser of R(v) + ‖v − u‖²/2t", "a step for all, or one per image"):
        Precision.of(lambda u: penalty.prox(u, t), u, "prox")
        steady("prox", lambda u: penalty.prox(u, t), u)
        best = untouched("prox", lambda u: penalty.prox(u, t), u)

        def objective(v: Tensor) -> Tensor:
            return penalty.value_grad(v)[0] + (v - u).flatten(1).square().sum(1) / (2 * t)

        slack = 1e-9 if precision.double else 1e-3
        lowest = objective(best)
        # Towards u and away from it, along R's slope, and anywhere.
        ways = [u - best, penalty.value_grad(best)[1], draws(tuple(u.shape), 0, u.dtype)]
        for way in ways:
            for scale in (1e-3, 1e-2, 1e-1, -1e-3, -1e-2, -1e-1):
                other = objective(best + scale * way)
                assert bool((lowest <= other + slack).all()), "prox isn't the minimiser"
        steps = torch.tensor([0.1, 0.3, 0.7], dtype=u.dtype)
        each = torch.cat([penalty.prox(u[i : i + 1], float(steps[i])) for i in range(3)])
        close(penalty.prox(u, steps), each, 1e-6, "prox takes one step per image too")


def _check_dual(penalty: NormPenalty, u: Tensor, v: Tensor, precision: Precision) -> None:
    value, gradient = penalty.value_grad(u)
    with promise("dual_norm is that of R"):
        bound = value * penalty.dual_norm(v)
        assert bool((inner(u, v) <= bound * (1 + 1e-6) + 1e-6).all()), "⟨u, v⟩ is above R(u)·R*(v)"
        one = torch.ones_like(value)
        tolerance = precision.exact(1e-6)
        close(penalty.dual_norm(gradient), one, tolerance, "the dual norm of R's gradient isn't 1")
        close(inner(u, gradient), value, tolerance, "⟨u, ∇R(u)⟩ isn't R(u)")
