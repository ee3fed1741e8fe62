"""A coupling's three convolutions, one way or back: a library's products, our kernels between."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.cuda import Argument, Launch
from priorkit_glow.convolution import convolution

__all__ = ["NAMES", "Way"]

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_EACH, _THREADS = 8, 128  # channels of a thread, as in ``hidden.cu``


class Way:
    """The three convolutions in one direction, without the last one's bias.

    Parameters
    ----------
    launch : executes the kernels of ``hidden.cu``
    weights : of the convolutions, exact
    biases : of the hidden layers; none on the way back, where the weights are transposed and the
        hidden values are masked by the bits
    """

    def __init__(
        self,
        launch: Launch,
        weights: list[Tensor],
        biases: list[Tensor] | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._launch, self._name = launch, NAMES[dtype]
        self._weights = [
            w.to(device, dtype).contiguous(memory_format=torch.channels_last) for w in weights
        ]
        self._biases = [b.to(device, torch.float32) for b in biases] if biases else None

    def __call__(self, x: Tensor, bits: list[Tensor | None]) -> Tensor:
        """The network of x, (B, H, W, in) → (B, H, W, out).

        ``bits`` are those of the hidden layers in the order of this way: written on the way
        forward where they are kept, and read on the way back.
        """
        for layer, weight in enumerate(self._weights):
            # Where one channel or one pixel makes two layouts alike, a library may take the other.
            x = convolution(x.permute(0, 3, 1, 2), weight, None).permute(0, 2, 3, 1).contiguous()
            if layer < len(self._weights) - 1:
                self._between(x, layer, bits[layer])
        return x

    def _between(self, x: Tensor, layer: int, bits: Tensor | None) -> None:
        hidden = x.shape[3]
        pixels = x.numel() // hidden
        grid = (-(-pixels * 4 * (-(-hidden // (4 * _EACH))) // _THREADS), 1)
        last: list[Argument] = [bits, pixels, hidden]
        if self._biases is None:
            self._launch(f"mask_{self._name}", grid, _THREADS, [x, *last])
        else:
            self._launch(f"rectify_{self._name}", grid, _THREADS, [x, self._biases[layer], *last])
