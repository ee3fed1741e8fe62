"""What every step needs: where it runs, which networks, a clock, and where to write.

On a machine without a device the kernels run in the emulation of ``tests/cuda_host`` and sizes are
small: that tests the steps, and measures nothing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from priorkit_glow import device as glow
from priorkit_glow.device.glow import SOURCES, KernelGlow
from priorkit_glow.device.recorded import DeviceGlow
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.network import CouplingNet, Glow, GlowConfig
from torch import Tensor

from priorkit import cuda
from priorkit.recordings import SEEN, Recording, Recordings, record_graph

OUT = Path(os.environ.get("OUT", "priorkit-out"))
DATA = Path(__file__).resolve().parents[2] / ".gpu"
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
F32, BF16 = torch.float32, torch.bfloat16
WAYS = {"float32": (F32, F32), "mixed": (F32, BF16), "bfloat16": (BF16, BF16)}
LOST = ("illegal", "launch failure", "unspecified")  # after which a process can learn nothing more

WARM = SEEN + 2  # calls before the clock: those until it is recorded, that, and one more

Call = Callable[[Tensor, Tensor], object]
T = TypeVar("T")


def note(**values: Any) -> None:
    """A line of $OUT/results.jsonl, at once, and on the screen."""
    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / "results.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")
    said = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
    print("  ".join(said), flush=True)


def guarded(what: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
    """A part of a step: what goes wrong is noted, and the next part goes on while it can."""
    try:
        return function(*args, **kwargs)
    except torch.OutOfMemoryError:
        note(step=what, error="out of memory")
        torch.cuda.empty_cache()
    except Exception as error:  # of a driver, a compiler or a device
        note(step=what, error=f"{type(error).__name__}: {error}"[:400])
        traceback.print_exc(limit=6)
        if any(word in str(error) for word in LOST):
            sys.exit(3)
    return None


def launcher(*, checked: bool = False) -> cuda.Launch:
    """What executes the kernels here; unchecked, because ``agree`` says which numbers are right."""

    def check(launch: cuda.Launch) -> None:
        if checked:
            glow.check(launch, DEVICE)

    if CUDA:
        warnings.simplefilter("default")
        launch = cuda.kernels("glow", SOURCES, check, DEVICE)
        if launch is None:
            raise RuntimeError(f"no kernels: {cuda.state()}")
        return launch
    from tests.cuda_host import HostLibrary

    host = HostLibrary(SOURCES, Path(tempfile.gettempdir()) / "priorkit_gpu_host")
    check(host)
    return host


def sync() -> None:
    """Wait for the device."""
    if CUDA:
        torch.cuda.synchronize()


def milliseconds(function: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Medians of the device's milliseconds, and of those until the last launch was given to it."""
    whole, host = [], []
    for _ in range(repeats + WARM):
        sync()
        begun = time.perf_counter()
        if CUDA:
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            function()
            host.append(1000 * (time.perf_counter() - begun))
            last.record()
            last.synchronize()
            whole.append(first.elapsed_time(last))
        else:
            function()
            host.append(1000 * (time.perf_counter() - begun))
            whole.append(host[-1])
    return sorted(whole[WARM:])[repeats // 2], sorted(host[WARM:])[repeats // 2]


def config_of(name: str) -> GlowConfig:
    """``small`` is the network of glow-celeba, ``large`` has K = 48 and width 512."""
    if not CUDA:  # the emulation is slow
        return GlowConfig((3, 16, 16), (1, 1), (40, 24), (0.1, 0.1))
    if name == "small":
        return GlowConfig(width=(64, 96, 128, 192), scale_offset=(0.1,) * 4)
    offsets = (0.0, 0.0, 0.0, 1.0)
    return GlowConfig(steps=(48, 48, 48, 1), width=(512,) * 4, scale_offset=offsets)


def network_of(config: GlowConfig) -> Glow:
    """Nothing in it is zero, as an untrained last convolution would be: zeros run faster."""
    torch.manual_seed(0)
    network = Glow(config)
    for module in network.modules():
        if isinstance(module, CouplingNet):
            torch.nn.init.normal_(module.conv3.weight, std=1e-3)
    return network.requires_grad_(False)


def draws(config: GlowConfig, batch: int) -> tuple[Tensor, Tensor]:
    """z, and r of the shape of x."""
    z = 0.7 * torch.randn(batch, config.n, device=DEVICE)
    return z, torch.randn(batch, *config.shape, device=DEVICE)


def ours(folded: FoldedGlow, launch: cuda.Launch, way: str, *, recorded: bool = True) -> Call:
    """z and r ↦ J(z)ᵀ r, with G(z) on the way, by our kernels in one of :data:`WAYS`."""
    forward, back = WAYS[way]
    kernel = KernelGlow(folded, DEVICE, launch, forward=forward)
    record = record_graph if CUDA else _again
    own = DeviceGlow(kernel, Recordings(record=record) if recorded else Recordings(room=0))
    return lambda z, r: own.decode_vjp(z, back)[1](r)


def _again(function: Callable[[], tuple[Tensor, ...]], device: torch.device) -> Recording:
    """In place of a recording where there is no device: the function's first results."""
    return Recording(lambda: None, function())


def timed(step: str, call: Call, config: GlowConfig, batch: int, repeats: int, **of: Any) -> None:
    """Note how long a value and gradient of a batch takes, and how much memory."""
    z, r = draws(config, batch)
    before = torch.cuda.memory_allocated() if CUDA else 0
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    whole, host = milliseconds(lambda: call(z, r), repeats)
    peak = (torch.cuda.max_memory_allocated() - before) / batch / 2**20 if CUDA else 0.0
    note(step=step, **of, batch=batch, ms=round(whole, 4), ms_per_image=round(whole / batch, 5),
         host_ms=round(host, 3), mib_per_image=round(peak, 1))  # fmt: skip
