"""Convolutions of a frozen network: weights laid out once for the library that multiplies.

oneDNN wants its weights in blocks that depend on the processor; given plain ones it reorders
them on every call, which at 4×4 and 8×8 pixels takes as long as the product. PyTorch has the
packed form for its own compiler, ``torch.ops.mkldnn``: where that is missing or refuses, the
plain convolution does the same.

On a device every product is in float32 proper, see :mod:`priorkit.float32`; inversion couldn't bear
less. Those with a matrix are 1×1 convolutions there, because only a convolution can be told.
"""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit import float32
from priorkit.linear import pixelwise

__all__ = ["Convolution", "convolution", "mixed", "transposed"]

_ONE = [1, 1]


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The "same" convolution of images (B, C, H, W) with frozen weights, stride 1."""
    side = weight.shape[2] // 2
    return float32.convolution(x, weight, bias, padding=(side, side))


def mixed(x: Tensor, M: Tensor, c: Tensor | None = None) -> Tensor:
    """x M + c at every pixel, (B, pixels, i) → (B, pixels, o), as :func:`pixelwise`."""
    return _convolved(x, M, c) if x.is_cuda else pixelwise(x, M, c)


def _convolved(x: Tensor, M: Tensor, c: Tensor | None) -> Tensor:
    image = x.transpose(1, 2).unsqueeze(3)
    return convolution(image, M.T[:, :, None, None], c).squeeze(3).transpose(1, 2).contiguous()


def transposed(weight: Tensor) -> Tensor:
    """Weights of the adjoint of a convolution with stride 1 and "same" padding."""
    return weight.flip(2, 3).transpose(0, 1)


class Convolution:
    """A "same" convolution, 1×1 or 3×3, with bias and ReLU, of images (B, C, H, W) that are
    channels-last in memory, as its results are.

    Parameters
    ----------
    weight, bias : of the convolution, exact; rounded here to ``dtype``
    relu : whether negative results become 0
    batch, side : of the images that it will mostly get, for which weights are packed
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        device: torch.device,
        dtype: torch.dtype,
        *,
        relu: bool = False,
        batch: int,
        side: int,
    ) -> None:
        self.weight = weight.to(device, dtype).contiguous(memory_format=torch.channels_last)
        self.bias = None if bias is None else bias.to(device, dtype)
        self.relu, self.padding = relu, weight.shape[2] // 2
        self.packed = self.matrix = None
        # One image in float32 is too little work for oneDNN to repay its longer calls.
        small = batch == 1 and dtype == torch.float32
        if self.padding == 0 and dtype != torch.bfloat16 and device.type != "cuda":
            self.matrix = self.weight[:, :, 0, 0].T.contiguous()
        elif device.type == "cpu" and dtype in (torch.float32, torch.bfloat16) and not small:
            self.packed = self._pack((batch, weight.shape[1], side, side))

    def _pack(self, shape: tuple[int, ...]) -> Tensor | None:
        pads = [self.padding] * 2
        try:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, pads, _ONE, _ONE, 1, list(shape)
            )
            self._packed_product(self.weight.new_zeros(shape), packed)
        except (AttributeError, RuntimeError, TypeError):  # another build or version of torch
            return None
        return packed

    def _packed_product(self, x: Tensor, packed: Tensor) -> Tensor:
        pads, then = [self.padding] * 2, "relu" if self.relu else "none"
        return torch.ops.mkldnn._convolution_pointwise(
            x, packed, self.bias, pads, _ONE, _ONE, 1, then, [], ""
        )

    def __call__(self, x: Tensor) -> Tensor:
        if self.packed is not None:
            return self._packed_product(x, self.packed)
        if self.matrix is None:
            y = convolution(x, self.weight, self.bias)
        else:
            b, _, h, w = x.shape
            found = pixelwise(x.permute(0, 2, 3, 1).flatten(1, 2), self.matrix, self.bias)
            y = found.view(b, h, w, -1).permute(0, 3, 1, 2)
        return y.relu_() if self.relu else y
