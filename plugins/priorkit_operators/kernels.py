"""Products with a matrix of standard normals that is never stored, ``csrc/gaussian.cu``."""

from __future__ import annotations

from ctypes import c_uint64
from pathlib import Path

import torch
from torch import Tensor

from priorkit import cuda
from priorkit.cuda import Argument, Launch
from priorkit.streams import key, normal

__all__ = ["SOURCES", "GaussianKernels", "check", "kernels"]

AGREEMENT = 1e-5  # relative, between our kernels and float64

SOURCES = {
    Path(__file__).parent / "csrc/gaussian.cu": (
        "gaussian_times",
        "gaussian_back",
        "gaussian_sum",
    )
}
_THREADS, _ROWS, _EACH, _IMAGES = 128, 4, 8, 8  # as in gaussian.cu
_SEGMENTS = 64  # of the rows, at most, for Aᵀ y


def kernels(device: torch.device) -> Launch | None:
    """Our kernels on a device, compiled and checked; None where they can't run there."""
    return cuda.kernels("gaussian", SOURCES, lambda launch: check(launch, device), device)


def check(launch: Launch, device: torch.device) -> None:
    """Raise RuntimeError where a product differs from that with the matrix."""
    m, n = 70, 300
    A = normal(3, "check", range(m), n).double()
    ours = GaussianKernels(launch, 3, "check", m, n, 1.0)
    x, y = (normal(4, "check", range(9), size) for size in (n, m))
    results = {
        "A x": (ours.times(x.to(device)), x.double() @ A.T),
        "Aᵀ y": (ours.back(y.to(device)), y.double() @ A),
    }
    cuda.require_agreement(results, AGREEMENT)


class GaussianKernels:
    """A ∈ ℝ^{m×n} whose row i is ``streams.normal(seed, purpose, [i], n)`` times ``scale``."""

    def __init__(
        self, launch: Launch, seed: int, purpose: str, m: int, n: int, scale: float
    ) -> None:
        self._launch, self._m, self._n, self._scale = launch, m, n, scale
        self._key = [c_uint64(part) for part in key(seed, purpose)]

    def times(self, x: Tensor) -> Tensor:
        """A x per image, (B, n) → (B, m), float32."""
        y = x.new_empty(len(x), self._m)
        grid = (-(-self._m // _ROWS), -(-len(x) // _IMAGES))
        self._run("gaussian_times", grid, x.contiguous(), y)
        return y

    def back(self, y: Tensor) -> Tensor:
        """Aᵀ y per image, (B, m) → (B, n), float32."""
        each = -(-self._m // _SEGMENTS)
        segments = -(-self._m // each)
        part = y.new_empty(segments, len(y), self._n)
        blocks = -(-self._n // _EACH)
        grid = (-(-blocks // _THREADS), segments * -(-len(y) // _IMAGES))
        self._run("gaussian_back", grid, y.contiguous(), part, each)
        x = y.new_empty(len(y), self._n)
        grid = (-(-x.numel() // _THREADS), 1)
        self._launch("gaussian_sum", grid, _THREADS, [part, x, segments, len(y), self._n])
        return x

    def _run(
        self, name: str, grid: tuple[int, int], source: Tensor, result: Tensor, *more: int
    ) -> None:
        arguments: list[Argument] = [source, result, *self._key, self._scale]
        arguments += [self._m, self._n, len(source), *more]
        self._launch(name, grid, _THREADS, arguments)
