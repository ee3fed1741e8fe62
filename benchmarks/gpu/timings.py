"""The steps that time: our kernels, PyTorch's ways to do the same, training."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from priorkit_diffusion.train import DiffusionTraining
from priorkit_diffusion.train import train as train_diffusion
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.train import GlowTraining
from priorkit_glow.train import train as train_glow
from shared import (
    BF16,
    CUDA,
    DEVICE,
    F32,
    Call,
    config_of,
    draws,
    guarded,
    launcher,
    network_of,
    note,
    ours,
    sync,
    timed,
)
from torch import Tensor
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiling

from priorkit.recordings import record_graph


def small() -> None:
    """The network of glow-celeba by our kernels."""
    _times("small", [("float32", (1, 6, 12, 64, 512)), ("mixed", (1, 64)),
                     ("bfloat16", (1, 6, 64, 512))])  # fmt: skip


def large() -> None:
    """K = 48 and width 512 by our kernels."""
    _times("large", [("bfloat16", (1, 6, 64)), ("float32", (1, 6, 64)), ("mixed", (1, 64)),
                     ("bfloat16", (512,))])  # fmt: skip


def _times(name: str, plan: list[tuple[str, tuple[int, ...]]]) -> None:
    launch, config = launcher(), config_of(name)
    folded = FoldedGlow.of(network_of(config).double())
    for way, batches in plan:
        call = ours(folded, launch, way)
        for batch in batches if CUDA else (2,):
            about = {"network": name, "way": f"ours {way}"}
            repeats = 5 if batch <= 64 else 3
            guarded(f"{name} {way}", timed, name, call, config, batch, repeats, **about)
    plain = ours(folded, launch, "bfloat16", recorded=False)  # what recordings save
    about = {"network": name, "way": "ours bfloat16, no recording"}
    guarded("plain", timed, name, plain, config, 1, 5, **about)


def baseline() -> None:
    """PyTorch's: as trained, folded, in either dtype, and the folded network as a recording."""
    for name, batches in (("small", (1, 6, 64, 512)), ("large", (1, 6, 64))):
        config = config_of(name)
        network = network_of(config)
        folded = FoldedGlow.of(network.double())
        single, half = FusedGlow(folded, DEVICE, F32), FusedGlow(folded, DEVICE, BF16)
        ways: dict[str, Call] = {
            "float32": lambda z, r, made=single: made.decode_vjp(z, F32)[1](r),
            "mixed": lambda z, r, made=single: made.decode_vjp(z, BF16)[1](r),
            "bfloat16": lambda z, r, made=half: made.decode_vjp(z.to(BF16), BF16)[1](r.to(BF16)),
        }
        for batch in batches if CUDA else (1,):
            for way, call in ways.items():
                about = {"network": name, "way": f"folded, PyTorch, {way}"}
                guarded(way, timed, "baseline", call, config, batch, 3, **about)
                about["way"] += ", recorded"
                recorded = guarded("record", _recorded, call, *draws(config, batch))
                if recorded is not None:
                    guarded(way, timed, "baseline", recorded, config, batch, 3, **about)
        trained = network.float().to(DEVICE, memory_format=torch.channels_last)
        for batch in (1, 64) if CUDA else (1,):
            about = {"network": name, "way": "as trained, frozen"}
            call = by_autograd(trained.decode)
            guarded("as trained", timed, "baseline", call, config, batch, 2, **about)


def _recorded(call: Call, z: Tensor, r: Tensor) -> Call | None:
    """The same launches for any input, which is enough to time them."""
    if not CUDA:
        return None

    def function() -> tuple[Tensor, ...]:
        found = call(z, r)
        assert isinstance(found, Tensor)
        return (found,)

    recording = record_graph(function, DEVICE)
    return lambda z, r: recording.replay()


def by_autograd(decode: Callable[[Tensor], Tensor]) -> Call:
    """z and r ↦ J(z)ᵀ r as PyTorch differentiates."""

    def call(z: Tensor, r: Tensor) -> Tensor:
        z = z.clone().requires_grad_(True)
        return torch.autograd.grad(decode(z), z, r)[0]

    return call


def compiled() -> None:
    """torch.compile of the small network alone: a large one takes minutes to be traced."""
    config = config_of("small")
    network = network_of(config).float().to(DEVICE, memory_format=torch.channels_last)
    network.set_hidden_dtype(BF16)
    for batch in (64, 1):
        torch._dynamo.reset()
        call, begun = by_autograd(torch.compile(network.decode, dynamic=False)), time.perf_counter()
        if guarded("compile", call, *draws(config, batch)) is None:
            return
        note(step="compile", batch=batch, seconds=round(time.perf_counter() - begun, 1))
        about = {"network": "small", "way": "as trained, hidden bfloat16, torch.compile"}
        guarded("compiled", timed, "compile", call, config, batch, 5, **about)


def profile() -> None:
    """Where the device's time goes, by kernel."""
    launch, what = launcher(), ProfilerActivity.CUDA if CUDA else ProfilerActivity.CPU
    made: dict[str, FoldedGlow] = {}
    for name, way, batch in (("large", "bfloat16", 64), ("large", "bfloat16", 1),
                             ("small", "float32", 64), ("small", "float32", 1),
                             ("large", "float32", 64)):  # fmt: skip
        config = config_of(name)
        if name not in made:
            made[name] = FoldedGlow.of(network_of(config).double())
        call = ours(made[name], launch, way, recorded=False)
        z, r = draws(config, batch if CUDA else 1)
        call(z, r)
        sync()
        with profiling(activities=[what]) as found:
            call(z, r)
            sync()
        spent = {e.key[:40]: (e.count, round(e.device_time_total, 1)) for e in found.key_averages()}
        top = sorted(spent.items(), key=lambda item: -item[1][1])[:14]
        kernels = {key: {"calls": calls, "us": us} for key, (calls, us) in top}
        note(step="profile", network=name, way=way, batch=batch, kernels=kernels)


def train() -> None:
    """Pictures per second of the trainers, from step 40 on: of Glow, and of the diffusion networks
    of faces and of photographs, compiled or not."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = _pictures(Path(folder, "small"), 64), _pictures(Path(folder, "large"), 160)
        faces = {"data": small, "batch": 256, "iterations": 400}
        plan: list[tuple[str, Any, Any, dict[str, Any]]] = [
            ("faces", DiffusionTraining, train_diffusion, faces),
            ("photos", DiffusionTraining, train_diffusion,
             {"data": large, "crop": 128, "batch": 64, "iterations": 400}),
            ("faces, not compiled", DiffusionTraining, train_diffusion, faces | {"compile": False}),
            *[("glow", GlowTraining, train_glow,
               {"data": small, "batch": batch, "iterations": 120, "precision": precision,
                "warmup": 10, "rate": 1e-4})
              for precision, batch in (("bf16", 16), ("bf16", 64), ("fp32", 64), ("bf16", 256))],
        ]  # fmt: skip
        for number, (name, options, run, told) in enumerate(plan):
            at: dict[int, float] = {}

            def progress(step: int, total: int, said: str, at: dict[int, float] = at) -> None:
                at.setdefault(step, time.perf_counter())

            if not CUDA:
                told |= TINY[options]
            made = options(out=Path(folder, str(number)), every=10**6, validation=0, **told)
            guarded(name, run, made, progress)
            marks = sorted(step for step in at if step >= (40 if CUDA else 1))
            if len(marks) > 1:
                each = (at[marks[-1]] - at[marks[0]]) / (marks[-1] - marks[0])
                speed = {"ms_per_step": 1000 * each, "pictures_per_s": made.batch / each}
                precision = made.precision or "default"
                note(step="train", network=name, precision=precision, batch=made.batch, **speed)


def _pictures(folder: Path, side: int) -> Path:
    """Smooth ones of random colours: what is in them costs nothing."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(600 if CUDA else 12):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i:04d}.png")
    return folder


TINY: dict[Any, dict[str, Any]] = {
    GlowTraining: {"size": 16, "steps_per_level": [1, 1], "width": [8, 8], "batch": 4,
                   "iterations": 45},
    DiffusionTraining: {"channels": [8, 16], "blocks": [1, 1], "batch": 4, "iterations": 45},
}  # fmt: skip
