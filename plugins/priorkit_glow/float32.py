"""What float32 means here: products with all 24 bits of it, on every device.

Unless told otherwise, PyTorch lets cuDNN round the operands of float32 convolutions on CUDA to
TF32, 11 bits, and those of matrix products where ``torch.set_float32_matmul_precision`` allows it.
Both are switches of the whole process. Here each call says for itself that it wants float32: what
the user has set stays set, and no thread waits for another. Products with a matrix are 1×1
convolutions for that, because only a convolution can be told. Rounding that is wanted is bfloat16,
which has float32's range (``precision="mixed"``).

Training (``network.py``) takes PyTorch's settings: a step of it bears TF32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from priorkit.linear import pixelwise

__all__ = ["convolution", "mixed"]


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The "same" convolution of images (B, C, H, W) with frozen weights, stride 1."""
    if _rounds(x):
        return _Float32.apply(x, weight, bias, False)
    return F.conv2d(x, weight, bias, padding=weight.shape[2] // 2)


def mixed(x: Tensor, M: Tensor, c: Tensor | None = None) -> Tensor:
    """x M + c at every pixel, (B, pixels, i) → (B, pixels, o), as :func:`pixelwise`."""
    if not _rounds(x):
        return pixelwise(x, M, c)
    image = x.transpose(1, 2).unsqueeze(3)
    return convolution(image, M.T[:, :, None, None], c).squeeze(3).transpose(1, 2).contiguous()


def _rounds(x: Tensor) -> bool:
    """Whether PyTorch may round x on its own account."""
    return x.is_cuda and x.dtype == torch.float32


class _Float32(torch.autograd.Function):
    """A convolution, or its adjoint, whose gradient is in float32 too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, adjoint: bool) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.adjoint = adjoint
        cudnn, pads = torch.backends.cudnn, [weight.shape[2] // 2, weight.shape[3] // 2]
        fixed = cudnn.deterministic or torch.are_deterministic_algorithms_enabled()
        how = (cudnn.benchmark, fixed, cudnn.enabled)
        return torch.ops.aten._convolution(
            x, weight, bias, [1, 1], pads, [1, 1], adjoint, [0, 0], 1, *how, allow_tf32=False
        )

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        return _Float32.apply(g, weight, None, not ctx.adjoint), None, None, None
