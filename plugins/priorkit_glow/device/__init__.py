"""G on a CUDA device: kernels of our own between PyTorch's products, recorded by size of batch.

Nothing here says anything new of a Glow: the same x = G(z) and pullback are in ``fused.py``, which
every other device runs, and which these are checked against. Read in the order levels, glow,
couplings, recorded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit import cuda
from priorkit_glow.device.glow import SOURCES, KernelGlow, fits
from priorkit_glow.device.recorded import DeviceGlow
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.network import Glow, GlowConfig

__all__ = ["DeviceGlow", "check", "generator", "kernels"]

# Relative, between our kernels and float64.
AGREEMENT = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def generator(network: FoldedGlow, device: torch.device) -> DeviceGlow | None:
    """G in float32 on a device; None where our kernels can't run there, or have no room for it."""
    launch = kernels(device) if fits(network.config) else None
    if launch is None:
        return None
    return DeviceGlow(KernelGlow(network, device, launch))


def kernels(device: torch.device) -> cuda.Launch | None:
    """Our kernels on a device, compiled and checked; None where they can't run there."""
    return cuda.kernels("glow", SOURCES, lambda launch: check(launch, device), device)


@torch.no_grad()
def check(launch: cuda.Launch, device: torch.device) -> None:
    """Raise RuntimeError where x = G(z) or its pullback isn't that of float64.

    Every kernel runs, those for bfloat16 where the device multiplies it.
    """
    old = device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0)
    for channels in (1, 3):
        folded, z, r = _example(channels)
        exact = FusedGlow(folded, torch.device("cpu"), torch.float64)
        x, pullback = exact.decode_vjp(z.double(), torch.float64)
        g = pullback(r.double())
        for dtype in (torch.float32,) if old else AGREEMENT:
            ours = KernelGlow(folded, device, launch, forward=dtype)
            found, kept = ours.decode(z.to(device), keep=True)
            pulled = ours.pull(kept, r.to(device), dtype)
            results = {"G(z)": (found, x), "the pullback of G": (pulled, g)}
            cuda.require_agreement(results, AGREEMENT[dtype])


def _example(channels: int) -> tuple[FoldedGlow, Tensor, Tensor]:
    """A network whose widths fill bytes of bits, and don't; z, and r."""
    config = GlowConfig((channels, 24, 12), (1, 1), (40, 12), scale_offset=(0.0, 1.0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Glow(config).double()
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        return FoldedGlow.of(network), torch.randn(1, config.n), torch.randn(1, *config.shape)
