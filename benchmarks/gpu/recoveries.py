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

KEPT = json.loads(Path(__file__).with_name("kept.json").read_text())
SETTINGS: dict[str, Any] = {"op": "gaussian", "m": 500, "device": DEVICE.type}
PRECISIONS = ("float32", "mixed")
T = TypeVar("T")


def faces() -> list[Path]:
    """The 12 test faces, where they were given; else the default picture."""
    given = DATA / "test"
    return sorted(given.iterdir()) if given.is_dir() else [astronaut()]


def glow() -> None:
    """12 faces by ``glow-celeba``: twice, of which the second has everything compiled, made and
    recorded, and once more with a clock around the network."""
    few = {} if len(faces()) > 1 and CUDA else {"budget": 100 if CUDA else 4}
    for precision in PRECISIONS if CUDA else PRECISIONS[:1]:
        given = {"precision": precision, **few}
        for turn in (1, 2) if CUDA else (1,):
            _recover("recover", "glow-celeba", 1, turn=turn, **given)
        clocked = ClockedGlow(**registry().get("prior", "glow-celeba").preset)
        _recover("recover", clocked, 1, turn="with a clock", **given)


def amp() -> None:
    """12 and 240 faces by ``diffusion-celeba``, three times each: what comes for the third time
    is recorded."""
    few = {} if CUDA else {"budget": 2}
    for precision in PRECISIONS:
        for times in (1, 20) if CUDA else (1,):
            for turn in (1, 2, 3) if CUDA else (1,):
                given = {"precision": precision, **few}
                _recover("amp", "diffusion-celeba", times, turn=turn, **given)


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
    weights = OUT / name / f"diffusion-{name}.safetensors"
    found = priorkit.recover(faces(), prior=str(weights), **SETTINGS)
    note(step=name, psnr=round(float(found.psnr.mean()), 3), images=len(found.psnr))


def _recover(
    step: str, prior: str | ClockedGlow, times: int, *, turn: object, **given: Any
) -> None:
    """Note how long the faces, so often, take, and how far the first ones are from those kept."""
    name = prior if isinstance(prior, str) else "glow-celeba"
    pictures = faces()
    which = "default picture" if len(pictures) == 1 else "12 faces"
    kept = torch.tensor(KEPT[f"{which}, {name}, {given['precision']}"], dtype=torch.float64)
    sync()
    begun = time.perf_counter()
    found = priorkit.recover(times * pictures, prior=prior, **SETTINGS, **given)
    sync()
    about: dict[str, Any] = {"seconds": round(time.perf_counter() - begun, 2)}
    if isinstance(prior, ClockedGlow):
        about["network_s"] = round(prior.clock["seconds"], 2)
        about["solver_s"] = round(about["seconds"] - prior.clock["seconds"], 2)
        about["calls"] = int(prior.clock["calls"])
    first = found.psnr.cpu()[: len(kept)]
    apart = first - kept[: len(first)]
    note(step=step, prior=name, images=len(found.psnr), precision=given["precision"], turn=turn,
         **about, psnr=round(float(found.psnr.mean()), 3),
         less_kept=round(float(apart.mean()), 3), worst=round(float(apart.abs().max()), 3),
         evaluations=max(found.evaluations), kernels=cuda.state().get("glow", ""))  # fmt: skip


class ClockedGlow(GlowPrior):
    """A Glow that says how long its values and gradients took. The device is waited for around
    each, so that the whole takes a little longer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
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
