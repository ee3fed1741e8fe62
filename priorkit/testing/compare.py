"""What all checks share: draws, tolerances, and the precision that a component works in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from priorkit.errors import PluginError
from priorkit.interfaces import Component
from priorkit.testing.promises import promise

__all__ = [
    "Precision",
    "bound_by",
    "close",
    "differentiated",
    "dot_test",
    "draws",
    "finite",
    "inner",
    "pair",
    "slope",
    "untouched",
]

T = TypeVar("T")
C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Precision:
    """float64, or float32 with looser tolerances for a component that computes in no other."""

    dtype: torch.dtype

    @property
    def double(self) -> bool:
        """Whether it is float64."""
        return self.dtype == torch.float64

    def step(self, n: int = 1) -> float:
        """The step of finite differences along a vector of n numbers; shorter for many, so that
        it crosses few kinks of a network of ReLUs."""
        return (1e-6 if self.double else 1e-2) * min(1.0, 200 / n)

    def exact(self, tolerance: float) -> float:
        """A tolerance for what should be equal up to rounding."""
        return tolerance if self.double else max(tolerance, 1e-4)

    def slope(self, tolerance: float) -> float:
        """A tolerance for finite differences."""
        return tolerance if self.double else max(tolerance, 3e-2)

    @classmethod
    def of(cls, function: Callable[[Tensor], object], example: Tensor, what: str) -> Precision:
        """That of a function: float64 if it takes and returns that, else float32.

        It may raise in one of the two, as weights of the other do, and promises to answer in the
        dtype of its input where it doesn't.
        """
        found: dict[torch.dtype, object] = {}
        with torch.no_grad():
            for dtype in (torch.float64, torch.float32):
                with suppress(RuntimeError, TypeError):
                    found[dtype] = function(example.to(dtype, copy=True))
            if not found:
                function(example.float())  # raises once more, what it did above
        with promise(
            f"{what} answers in the dtype of its input",
            "x.new_zeros(…), table.to(x) and x.dtype instead of a dtype of your own",
        ):
            for dtype, answer in found.items():
                assert isinstance(answer, Tensor), f"{what} gives {_kind(answer)}, not a tensor"
                assert answer.dtype in (dtype, dtype.to_complex()), (
                    f"{what} gives {answer.dtype} for {dtype}"
                )
        answer = found.get(torch.float64)
        double = isinstance(answer, Tensor) and answer.dtype in (torch.float64, torch.complex128)
        return cls(torch.float64 if double else torch.float32)


def draws(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normals; for a complex dtype both parts are."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_complex:
        parts = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
        return torch.complex(parts[0], parts[1]).to(dtype)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Re⟨a, b⟩ per image: (B, …) twice → (B,) float64."""
    product = a.detach() * b.detach().conj()
    return (product.real if product.is_complex() else product).flatten(1).double().sum(1)


def slope(f: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, step: float) -> Tensor:
    """The derivative of f at x along a direction d, by central differences of step h:
    (f(x + h·d) − f(x − h·d)) / 2h."""
    with torch.no_grad():
        return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


def dot_test(
    Ax: Tensor, y: Tensor, x: Tensor, adjoint: Tensor, tolerance: float, what: str
) -> None:
    """Raise AssertionError unless Re⟨A x, y⟩ = ⟨x, Aᴴ y⟩ per image, up to tolerance·‖A x‖·‖y‖."""
    size = Ax.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1)  # of the terms, which cancel
    size = size.clamp_min(torch.finfo(size.dtype).tiny)  # A may see nothing of an x
    close(inner(Ax, y) / size, inner(x, adjoint) / size, tolerance, what)


def close(a: Tensor, b: Tensor, tolerance: float, what: str) -> None:
    """Raise AssertionError unless |a − b| ≤ tolerance·max|b|."""
    assert a.shape == b.shape, f"{what}: shapes {tuple(a.shape)} and {tuple(b.shape)}"
    scale = float(b.detach().abs().max()) if b.numel() else 0.0
    gap = float((a - b).detach().abs().max()) if b.numel() else 0.0
    assert gap <= tolerance * max(scale, 1e-12) + (1e-12 if tolerance else 0), (
        f"{what}: off by {gap:.2e}, largest value {scale:.2e}"
    )


def untouched(what: str, function: Callable[..., T], *inputs: Tensor) -> T:
    """What a function gives; raise AssertionError where it changes an input, or gives no tensor."""
    before = [x.clone() for x in inputs]
    found = function(*inputs)
    assert all(map(torch.equal, inputs, before)), f"{what} changes its input"
    assert isinstance(found, (Tensor, tuple)), f"{what} gives {_kind(found)}, not a tensor"
    return found


def finite(what: str, *values: Tensor) -> None:
    """Raise AssertionError where a value is infinite or NaN."""
    for value in values:
        bad = value[~torch.isfinite(value)]
        assert not len(bad), f"{what} isn't finite: {bad[0].item()}"


def pair(what: str, found: object) -> tuple[Tensor, Tensor]:
    """A value and its gradient; raise AssertionError where they aren't two tensors."""
    if isinstance(found, tuple) and len(found) == 2:
        value, gradient = found
        if isinstance(value, Tensor) and isinstance(gradient, Tensor):
            return value, gradient
    raise AssertionError(f"{what} gives {_kind(found)}, not two tensors, a value and its gradient")


def bound_by(component: C, bind: Callable[[], C], hint: str) -> C:
    """What ``bind``, that of a component, gives; raise AssertionError where that is none, or where
    the one that it was called on has changed."""
    before = dict(vars(component))
    try:
        found = bind()  # which may refuse a shape, and keeps its promise
    except PluginError as error:
        raise AssertionError(str(error)) from error
    with promise("bind returns a copy", hint):
        assert isinstance(found, Component), f"bind gives {_kind(found)}, not the bound copy"
        now = vars(component)
        lazy = {k for k in now if isinstance(getattr(type(component), k, None), cached_property)}
        changed = [k for k in now if k not in lazy and now[k] is not before.get(k, before)]
        assert not changed, f"bind changes the component itself, not a copy: {', '.join(changed)}"
    return found


@contextmanager
def differentiated(what: str, *, by_autograd: bool) -> Iterator[None]:
    """Say of what autograd finds no gradient, where the component leaves that to it."""
    try:
        yield
    except RuntimeError as error:
        if not by_autograd:
            raise
        said = str(error).splitlines()[0]
        raise AssertionError(f"the result of {what} has no gradient (autograd: {said})") from error


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
