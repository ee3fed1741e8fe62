"""What float32 means here: convolutions with all 24 bits of it, on every device.

Unless told otherwise, PyTorch lets cuDNN round the operands of float32 convolutions on CUDA to
TF32, 11 bits: a switch of the whole process. Here each call says for itself that it wants float32:
what the user has set stays set, and no thread waits for another. Rounding that is wanted is
bfloat16, which has float32's range (``precision="mixed"``). Products with a matrix are in float32
proper where ``torch.set_float32_matmul_precision`` is left alone.

Training takes PyTorch's settings: a step of it bears TF32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["convolution"]


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    transposed: bool = False,
) -> Tensor:
    """A convolution of images (B, C, H, W) with frozen weights, or with ``transposed`` the adjoint
    of one; differentiable in x.

    Arguments are those of :func:`torch.nn.functional.conv2d`, or of ``conv_transpose2d``. For a
    gradient the stride must divide H + 2·padding − side of a convolution, and W likewise.
    """
    if _rounds(x):
        found: Tensor = _Float32.apply(  # type: ignore[no-untyped-call]
            x, weight, bias, list(stride), list(padding), transposed
        )
        return found
    apply = F.conv_transpose2d if transposed else F.conv2d
    return apply(x, weight, bias, tuple(stride), tuple(padding))


def _rounds(x: Tensor) -> bool:
    """Whether PyTorch may round x on its own account."""
    return x.is_cuda and x.dtype == torch.float32


class _Float32(torch.autograd.Function):
    """A convolution, or its adjoint, whose gradient is in float32 too."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: list[int],
        padding: list[int],
        transposed: bool,
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.how = stride, padding, transposed
        cudnn = torch.backends.cudnn
        fixed = cudnn.deterministic or torch.are_deterministic_algorithms_enabled()
        flags = (cudnn.benchmark, fixed, cudnn.enabled)
        shape = (stride, padding, [1, 1], transposed, [0, 0], 1)
        found: Tensor = torch.ops.aten._convolution(
            x, weight, bias, *shape, *flags, allow_tf32=False
        )
        return found

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        stride, padding, transposed = ctx.how
        pulled: Tensor = _Float32.apply(  # type: ignore[no-untyped-call]
            g, weight, None, stride, padding, not transposed
        )
        return pulled, None, None, None, None, None
