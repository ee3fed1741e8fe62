"""What all checks share: draws, tolerances, and the precision that a component works in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Precision", "close", "draws", "precision_of", "untouched"]


@dataclass(frozen=True)
class Precision:
    """float64, or float32 with looser tolerances for a component that computes in no other."""

    dtype: torch.dtype

    @property
    def double(self) -> bool:
        """Whether it is float64."""
        return self.dtype == torch.float64

    @property
    def step(self) -> float:
        """The step of finite differences."""
        return 1e-6 if self.double else 1e-2

    def step_for(self, n: int) -> float:
        """The step of finite differences along a vector of n numbers, shorter for many: a long
        one crosses more kinks of a network of ReLUs."""
        return self.step * min(1.0, 200 / n)

    def exact(self, tolerance: float) -> float:
        """A tolerance for what should be equal up to rounding."""
        return tolerance if self.double else max(tolerance, 1e-4)

    def slope(self, tolerance: float) -> float:
        """A tolerance for finite differences."""
        return tolerance if self.double else max(tolerance, 3e-2)


def precision_of(function: Callable[[Tensor], Tensor], example: Tensor) -> Precision:
    """The precision of a function: float64 if it takes and returns that, else float32.

    Raises AssertionError where float32 doesn't come back as float32 either.
    """
    try:
        out = function(example.double())
        if out.dtype in (torch.float64, torch.complex128):
            return Precision(torch.float64)
    except (RuntimeError, TypeError):  # weights in float32 refuse a float64 input
        pass
    out = function(example.float())
    assert out.dtype in (torch.float32, torch.complex64), (
        f"dtype {out.dtype} doesn't follow the input, which is float32"
    )
    return Precision(torch.float32)


def draws(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normals; for a complex dtype both parts are."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_complex:
        parts = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
        return torch.complex(parts[0], parts[1]).to(dtype)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


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
