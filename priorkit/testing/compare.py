"""What all checks share: draws, tolerances, and the precision that a component works in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Precision", "close", "dot_test", "draws", "inner", "slope", "untouched"]


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
    def of(cls, function: Callable[[Tensor], Tensor], example: Tensor) -> Precision:
        """That of a function: float64 if it takes and returns that, else float32.

        Raises AssertionError where float32 doesn't come back as float32 either.
        """
        with torch.no_grad(), suppress(RuntimeError, TypeError):  # as weights in float32 raise
            if function(example.double()).dtype in (torch.float64, torch.complex128):
                return cls(torch.float64)
        out = function(example.float()).dtype
        assert out in (torch.float32, torch.complex64), (
            f"dtype {out} doesn't follow the input, which is float32"
        )
        return cls(torch.float32)


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


def untouched(function: Callable[[Tensor], object], x: Tensor, what: str) -> None:
    """Raise AssertionError where a function changes its input."""
    before = x.clone()
    function(x)
    assert torch.equal(x, before), f"{what} changes its input"
