"""What is made of one network: its exact folding, and G for each device and dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from priorkit.cuda import Launch
from priorkit.interfaces import Copies
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import SEVERAL, FusedGlow
from priorkit_glow.network import Glow

if TYPE_CHECKING:
    from priorkit_glow.device import DeviceGlow

__all__ = ["Made"]


class Made:
    """A network folded in float64, with whatever was made of it when an input first asked.

    Raises LinAlgError for a 1×1 convolution that has no inverse.
    """

    def __init__(self, network: Glow) -> None:
        self.config = network.config
        self.exact = FoldedGlow.of(network)
        self._folded = Copies(self.exact.to)
        self._generators: dict[
            tuple[torch.device, torch.dtype, bool, bool], FusedGlow | DeviceGlow
        ] = {}

    def folded(self, x: Tensor) -> FoldedGlow:
        """The folded network on the device and in the dtype of x."""
        return self._folded.like(x)

    def generator(self, z: Tensor, *, reversible: bool) -> FusedGlow | DeviceGlow:
        """G for z's device, dtype and number."""
        several = z.is_cuda or len(z) > 1  # a CUDA device computes one as it does many
        key = (z.device, z.dtype, several, reversible)
        if key not in self._generators:
            own = self._on_device(z, reversible=reversible)
            batch = SEVERAL if several else 1
            self._generators[key] = own or FusedGlow(
                self.exact, z.device, z.dtype, batch=batch, reversible=reversible
            )
        return self._generators[key]

    def _on_device(self, z: Tensor, *, reversible: bool) -> DeviceGlow | None:
        """G by kernels of our own; None on a processor, and where they can't run."""
        if z.is_cuda and z.dtype == torch.float32 and not reversible:
            from priorkit_glow.device import generator

            return generator(self.exact, z.device)
        return None

    @staticmethod
    def kernels(device: torch.device) -> Launch | None:
        """Our kernels on a device, compiled and checked; None where they can't run there."""
        from priorkit_glow.device import kernels

        return kernels(device)
