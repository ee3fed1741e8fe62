"""python steps.py STEP: what ``gpu run`` runs, each step in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import recoveries
import timings
import torch
from priorkit_glow.device.glow import SOURCES, KernelGlow
from priorkit_glow.device.recorded import DeviceGlow
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_operators import kernels as operators
from shared import (
    BF16,
    CUDA,
    DEVICE,
    OUT,
    WAYS,
    config_of,
    draws,
    guarded,
    launcher,
    milliseconds,
    network_of,
    note,
    ours,
    sync,
)

from priorkit import cuda
from priorkit.recordings import SEEN

# Relative to float64, of x and of the gradient.
LIMITS = {"float32.x": 1e-5, "float32.g": 1e-5, "mixed.x": 1e-5, "mixed.g": 1e-2,
          "bfloat16.x": 1e-2, "bfloat16.g": 4e-2}  # fmt: skip


def env() -> None:
    """The machine: versions, how long kernels compile, products and bytes per second."""
    for command in (["nvidia-smi", "--query-gpu=name,memory.total,driver_version,clocks.max.sm",
                     "--format=csv,noheader"], ["nproc"]):  # fmt: skip
        done = guarded("env", subprocess.run, command, capture_output=True, text=True, timeout=20)
        print(done.stdout.strip() if done else f"no {command[0]}")
    found: dict[str, str | None] = {}
    for name in ("numpy", "cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc", "triton", "pytest"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    name = torch.cuda.get_device_name(0) if CUDA else "none"
    found |= {"torch": torch.__version__, "cuda": torch.version.cuda}
    found |= {"cudnn": str(torch.backends.cudnn.version()), "python": sys.version.split()[0]}
    note(step="env", device=name, versions=found, obstacle=cuda.obstacle())
    arch = "sm_{}{}".format(*torch.cuda.get_device_capability()) if CUDA else "sm_90"
    for path in (*SOURCES, *operators.SOURCES):
        begun = time.perf_counter()
        if guarded(f"compile {path.name}", cuda.compiled, path, arch) is not None:
            seconds = round(time.perf_counter() - begun, 2)
            note(step="env", compiled=path.name, seconds=seconds)
    if CUDA:
        a = torch.randn(8192, 8192, device=DEVICE, dtype=BF16)
        product, _ = milliseconds(lambda: a @ a, 9)
        source = torch.empty(1 << 30, dtype=torch.int32, device=DEVICE)
        target = torch.empty_like(source)
        copy, _ = milliseconds(lambda: target.copy_(source), 7)
        note(step="env", bf16_tflops=round(2 * 8192**3 / product / 1e9),
             copy_tb_s=round(2 * source.numel() * 4 / copy / 1e9, 2))  # fmt: skip


def agree() -> None:
    """Every network in a process of its own: a fault in one says nothing of the others."""
    from tests.cuda.test_glow import CONFIGS

    launcher()  # compiled once, into the cache on disk

    def one(name: str) -> str:
        command = [sys.executable, __file__, "agree-one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            note(step="agree", network=name, error=done.stderr[-400:])
        return done.stdout

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for said in pool.map(one, CONFIGS):
            print(said, end="", flush=True)


def agree_one(name: str) -> None:
    """A network of the tests in every way, and its recordings."""
    from tests.cuda.test_glow import draws as drawn
    from tests.cuda.test_glow import network

    torch.set_num_threads(2)  # of the processor's part, beside seven others
    launch, folded = launcher(), network(name)
    worst: dict[str, float] = {}
    exact = FusedGlow(folded, torch.device("cpu"), torch.float64)
    for batch in (1, 3, 17):
        z, r = drawn(folded.config, batch)
        x, pullback = exact.decode_vjp(z.double(), torch.float64)
        g = pullback(r.double())
        for way, (forward, back) in WAYS.items():
            own = KernelGlow(folded, DEVICE, launch, forward=forward)
            found, kept = own.decode(z.to(DEVICE), keep=True)
            pulled = own.pull(kept, r.to(DEVICE), back)
            for what, a, b in (("x", found, x), ("g", pulled, g)):
                error = float((a.cpu() - b).norm() / b.norm())
                worst[f"{way}.{what}"] = max(worst.get(f"{way}.{what}", 0.0), error)
    bad = [what for what, error in worst.items() if not error < LIMITS[what]]
    about: dict[str, Any] = {k: float(f"{v:.2e}") for k, v in worst.items()}
    if CUDA:
        about |= _recordings(KernelGlow(folded, DEVICE, launch), z.to(DEVICE)[:3], r.to(DEVICE)[:3])
    note(step="agree", network=name, bad=bad, worst=about)


def _recordings(own: KernelGlow, z: torch.Tensor, r: torch.Tensor) -> dict[str, Any]:
    recorded = DeviceGlow(own)
    x, kept = own.decode(z, keep=True)
    exact = {dtype: own.pull(kept, r, dtype) for dtype in (torch.float32, BF16)}
    same = True
    for _ in range(SEEN + 2):
        for dtype in (torch.float32, BF16):
            found, pullback = recorded.decode_vjp(z, dtype)
            same &= torch.equal(found, x)
            for _ in range(2):
                same &= torch.equal(pullback(r), exact[dtype])
    held = len(recorded.recordings._held)  # both dtypes back, and one way to x
    return {"recorded_same_bits": same, "recordings": held}


def once(name: str, way: str, batch: str) -> None:
    """Two values and gradients of two steps per level, for a tool that looks at single kernels."""
    whole = config_of(name)
    config = dataclasses.replace(whole, steps=(2,) * len(whole.steps))
    call = ours(FoldedGlow.of(network_of(config).double()), launcher(), way, recorded=False)
    z, r = draws(config, int(batch) if CUDA else 1)
    for _ in range(2):
        call(z, r)
    sync()


def check() -> None:
    """The check at first use, of both sets of kernels: what a sanitizer looks at."""
    launcher(checked=True)
    if CUDA and operators.kernels(DEVICE) is None:
        raise RuntimeError(f"no kernels: {cuda.state()}")
    print("checked", flush=True)


def summary() -> None:
    """What went wrong, then how long everything took."""
    rows = [json.loads(line) for line in (OUT / "results.jsonl").read_text().splitlines()]
    print("--- errors")
    for row in rows:
        about = row.get("worst") if isinstance(row.get("worst"), dict) else {}
        if "error" in row or row.get("bad") or about.get("recorded_same_bits") is False:
            print("  ", row)
    print("--- ms per image (ms, host ms)")
    for row in rows:
        if "ms_per_image" in row:
            what = f"{row['network']:6s} {row['way']:45s} batch {row['batch']:4d}"
            print(f"   {what}: {row['ms_per_image']:9.4f} ({row['ms']:.2f}, {row['host_ms']:.2f})")
    for row in rows:
        if "seconds" in row or "psnr" in row or "pictures_per_s" in row:
            print("  ", {k: v for k, v in row.items() if k != "evaluations"})


STEPS: dict[str, Callable[..., None]] = {
    "env": env,
    "agree": agree,
    "agree-one": agree_one,
    "recover": recoveries.glow,
    "amp": recoveries.amp,
    "keep": recoveries.keep,
    "processor": recoveries.processor,
    "learned": recoveries.learned,
    "once": once,
    "check": check,
    "summary": summary,
    "small": timings.small,
    "large": timings.large,
    "baseline": timings.baseline,
    "compile": timings.compiled,
    "profile": timings.profile,
    "train": timings.train,
}

if __name__ == "__main__":
    STEPS[sys.argv[1]](*sys.argv[2:])
