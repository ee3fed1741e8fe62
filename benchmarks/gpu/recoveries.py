"""The steps that recover pictures, beside what a processor came to, with defaults."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from priorkit_glow.prior import GlowPrior
from shared import CUDA, DATA, DEVICE, OUT, note, sync
from torch import Tensor

import priorkit
from priorkit import cuda
from priorkit.interfaces import Pullback
from priorkit.io.pictures import astronaut
from priorkit.registry import registry

KEPT = Path(__file__).with_name("kept.json")
SETTINGS: dict[str, Any] = {"op": "gaussian", "m": 500}
PRECISIONS = ("float32", "mixed")
GLOW, AMP = "glow-celeba", "diffusion-celeba"  # by L-BFGS, and by approximate message passing
T = TypeVar("T")


def glow() -> None:
    """The faces by GLOW: twice, of which the second has everything compiled, made and recorded,
    and once more with a clock around the network."""
    for precision in PRECISIONS if CUDA else PRECISIONS[:1]:
        for turn in (1, 2) if CUDA else (1,):
            _compare("recover", GLOW, precision, turn=turn)
        _compare("recover", ClockedGlow(), precision, turn="with a clock")


def amp() -> None:
    """The faces, and so many times 20, by AMP: three times, of which the last has what comes again
    recorded."""
    for precision in PRECISIONS:
        for times in (1, 20) if CUDA else (1,):
            for turn in (1, 2, 3) if CUDA else (1,):
                _compare("amp", AMP, precision, times, turn=turn)


def keep() -> None:
    """Write to ``kept.json`` what the processor comes to: which a device is compared with."""
    kept = json.loads(KEPT.read_text())
    for prior in (GLOW, AMP):
        for precision in PRECISIONS:
            found = priorkit.recover(faces(), prior=prior, device="cpu", precision=precision,
                                     **_budget(prior), **SETTINGS)  # fmt: skip
            kept[_case(prior, precision)] = [round(each, 3) for each in found.psnr.tolist()]
            lines = (f" {json.dumps(case)}: {json.dumps(found)}" for case, found in kept.items())
            KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def faces() -> list[Path]:
    """The 12 test faces, where they were given; else the default picture, six times."""
    given = DATA / "test"
    return sorted(given.iterdir()) if given.is_dir() else 6 * [astronaut()]


def _case(prior: str, precision: str) -> str:
    """What is kept under that name: a number for each of the faces."""
    return f"{'12 faces' if len(faces()) == 12 else 'default picture'}, {prior}, {precision}"


def _budget(prior: str) -> dict[str, int]:
    """That of the prior, or for the default picture less, which is no face."""
    return {} if prior == AMP or len(faces()) == 12 else {"budget": 100}


def processor() -> None:
    """The default picture on this machine's processor, with several numbers of threads."""
    cores = os.cpu_count() or 1
    for threads in sorted({1, 2, 4, 8, cores} & set(range(1, cores + 1))):
        torch.set_num_threads(threads)
        begun = time.perf_counter()
        priorkit.recover(prior="glow-celeba", op="gaussian", m=500, device="cpu", budget=20)
        seconds = round(time.perf_counter() - begun, 2)
        note(step="processor", cores=cores, threads=threads, seconds=seconds)


def learned(name: str) -> None:
    """The faces by a network that ``gpu run NAME`` trained."""
    weights = OUT / f"diffusion-{name}.safetensors"
    found = priorkit.recover(faces(), prior=str(weights), device=DEVICE.type, **SETTINGS)
    note(step=name, psnr=round(float(found.psnr.mean()), 3), images=len(found.psnr))


def _compare(
    step: str, prior: str | ClockedGlow, precision: str, times: int = 1, *, turn: object
) -> None:
    """Note how long the faces, so often, take, and how far the first ones are from those kept."""
    name = prior if isinstance(prior, str) else GLOW
    kept = torch.tensor(json.loads(KEPT.read_text())[_case(name, precision)], dtype=torch.float64)
    budget = _budget(name) if CUDA else {"budget": 2}
    sync()
    begun = time.perf_counter()
    found = priorkit.recover(times * faces(), prior=prior, device=DEVICE.type, precision=precision,
                             **budget, **SETTINGS)  # fmt: skip
    sync()
    about: dict[str, Any] = {"seconds": round(time.perf_counter() - begun, 4)}
    if isinstance(prior, ClockedGlow):
        about["network_s"] = round(prior.clock["seconds"], 4)
        about["solver_s"] = round(about["seconds"] - prior.clock["seconds"], 4)
        about["calls"] = int(prior.clock["calls"])
    apart = found.psnr.cpu()[: len(kept)] - kept
    note(step=step, prior=name, images=len(found.psnr), precision=precision, turn=turn, **about,
         psnr=round(float(found.psnr.mean()), 3), less_kept=round(float(apart.mean()), 3),
         worst=round(float(apart.abs().max()), 3), evaluations=max(found.evaluations),
         kernels=cuda.state().get("glow", ""))  # fmt: skip


class ClockedGlow(GlowPrior):
    """GLOW with a clock: how long its values and gradients took. The device is waited for around
    each, so that the whole takes a little longer."""

    def __init__(self) -> None:
        super().__init__(**registry().get("prior", GLOW).preset)
        self.clock = {"seconds": 0.0, "calls": 0.0}  # that of its copies too

    def decode_vjp(self, z: Tensor) -> tuple[Tensor, Pullback]:
        x, pullback = self._clocked(lambda: super(ClockedGlow, self).decode_vjp(z))
        return x, lambda r: self._clocked(lambda: pullback(r))

    def _clocked(self, function: Callable[[], T]) -> T:
        sync()
        begun = time.perf_counter()
        found = function()
        sync()
        self.clock["seconds"] += time.perf_counter() - begun
        self.clock["calls"] += 1
        return found
