"""Our kernels on a CUDA device, beside PyTorch.

    python benchmarks/gpu.py                  # K = 48, width 512, batches 1, 6, 12, 64, 512
    python benchmarks/gpu.py --network small --batches 1 6

Per batch, one value and gradient: the network as it was trained with its parameters frozen, the
same compiled by torch.compile, the folded network by PyTorch's operations, and our kernels with
hidden layers in float32, with the pullback in bfloat16 ("mixed"), and in bfloat16 both ways;
milliseconds per image, peak memory per image, operations per second, and the share of the floor,
which is the operations at the rate that a matrix product of bfloat16 reaches here. Then seconds
per recovered image: 600 evaluations.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import torch
from priorkit_glow.device import kernels
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.kernels import KernelGlow
from priorkit_glow.network import Glow, GlowConfig
from priorkit_glow.replay import ReplayedGlow
from roofline import works
from speed import LARGE
from torch import Tensor

EVALUATIONS = 600
NETWORKS = {"large": LARGE, "small": GlowConfig(width=(64, 96, 128, 192))}
F32, BF16 = torch.float32, torch.bfloat16
Call = Callable[[Tensor, Tensor], Tensor]


def calls(network: Glow, device: torch.device) -> dict[str, Call]:
    """z and r ↦ J(z)ᵀ r, with G(z) on the way, by every means there is."""
    trained = copy.deepcopy(network).float().to(device).requires_grad_(False)
    folded = FoldedGlow.of(network.double())

    def by_autograd(decode: Callable[[Tensor], Tensor]) -> Call:
        def call(z: Tensor, r: Tensor) -> Tensor:
            z = z.clone().requires_grad_(True)
            (g,) = torch.autograd.grad(decode(z), z, r)
            return g

        return call

    fused = FusedGlow(folded, device, F32)
    found: dict[str, Call] = {
        "as trained, frozen": by_autograd(trained.decode),
        "torch.compile": by_autograd(torch.compile(trained.decode)),
        "folded, PyTorch": lambda z, r: fused.decode_vjp(z, F32)[1](r),
    }
    launch = kernels(device)
    if launch is None:
        print("No kernels of our own here: priorkit doctor says why", flush=True)
        return found
    for name, forward, back, on_chip in (
        ("float32", F32, F32, True),
        ("mixed", F32, BF16, True),
        ("bfloat16", BF16, BF16, True),
        ("bfloat16, layer by layer", BF16, BF16, False),
    ):
        kernel = KernelGlow(folded, device, launch, forward=forward, on_chip=on_chip)
        own = ReplayedGlow(kernel)

        def call(z: Tensor, r: Tensor, own: ReplayedGlow = own, back: torch.dtype = back) -> Tensor:
            return own.pull(own.decode(z, keep=True)[1], r, back)

        found[f"ours, {name}"] = call
    return found


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """The median, by the device's own clock."""
    times = []
    for _ in range(repeats + 2):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times[2:])[repeats // 2]


def matrix_rate(device: torch.device) -> float:
    """Operations per second of a matrix product of bfloat16."""
    a = torch.randn(8192, 8192, device=device, dtype=BF16)
    return 2 * 8192**3 / (milliseconds(lambda: a @ a, 9) / 1000)


def main() -> None:
    """Print a row per batch and means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 6, 12, 64, 512])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--network", choices=NETWORKS, default="large")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(1, "There is no CUDA device.\n")
    device = torch.device("cuda")
    torch.manual_seed(0)
    config = NETWORKS[options.network]
    ways = calls(Glow(config), device)
    rate, work = matrix_rate(device), sum(w.needed for w in works(config, 2).values())
    name = torch.cuda.get_device_name(device)
    print(f"{name}, torch {torch.__version__}, {rate / 1e12:.0f} TFLOP/s bfloat16, "
          f"{work / 1e9:.1f} GFLOP per image, value and gradient", flush=True)  # fmt: skip
    for batch in options.batches:
        z = 0.7 * torch.randn(batch, config.n, device=device)
        r = torch.randn(batch, *config.shape, device=device)
        for name, call in ways.items():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            try:
                each = milliseconds(lambda call=call, z=z, r=r: call(z, r), options.repeats) / batch
            except torch.OutOfMemoryError:
                print(f"  batch {batch}, {name}: out of memory", flush=True)
                continue
            peak = (torch.cuda.max_memory_allocated() - before) / batch / 2**20
            share = work / rate / (each / 1000)
            print(f"  batch {batch}, {name}: {each:.3f} ms per image, {share:.0%} of the floor, "
                  f"{peak:.0f} MiB per image; {EVALUATIONS} evaluations: "
                  f"{EVALUATIONS * each / 1000:.2f} s per image", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
