"""Options of training recipes: dataclasses that check themselves.

Imports torch only, so that a recipe also runs on a machine that has a GPU and little else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

__all__ = [
    "Options",
    "PictureOptions",
    "Progress",
    "compiler_of",
    "device_of",
    "halved",
    "held_back",
    "option",
    "print_progress",
]

Progress = Callable[[int, int, str], None]

HELD_BACK = 336  # examples for validation at most, where nobody says how many


def option(default: Any, help: str, *, least: float | None = None) -> Any:
    """A field of the dataclass of options of a trainer; no number below ``least`` is taken."""
    metadata = {"help": help, "least": least}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Options:
    """What every recipe has. That of a family adds its own, and says again what is otherwise.

    Raises ValueError for numbers that are too small, infinite or NaN, a name that isn't one of a
    file, or rates.
    """

    data: Path = option(Path(), "folder or zip of pictures")
    out: Path = option(Path(), "folder for checkpoints, samples and the weights")
    name: str = option("", "name of the weights, family-dataset")
    validation: int | None = option(
        None, "pictures kept, the last by name; none: 10%, at most 336", least=0
    )
    batch: int = option(64, "pictures per step", least=2)
    iterations: int = option(20000, "optimizer steps in all", least=1)
    rate: float = option(1e-3, "learning rate of Adam")
    ema: float = option(0.999, "decay of the averaged weights")
    every: int = option(1000, "steps between validations and samples", least=1)
    minutes: float = option(0.0, "stop after so many minutes, to be continued; 0: never", least=0)
    seed: int = option(0, "seed of initialisation, order, augmentation and noise", least=0)
    licence: str = option("", "terms of the training pictures, for the card")
    device: str = option("", "cpu or cuda; default: cuda where there is one")

    def __post_init__(self) -> None:
        for item in fields(self):
            value, least = getattr(self, item.name), item.metadata.get("least")
            numbers = value if isinstance(value, list) else [value]
            if not all(math.isfinite(v) for v in numbers if isinstance(v, float)):
                raise ValueError(f"{item.name} must be finite, got {value}")
            if least is not None and value is not None and value < least:
                raise ValueError(f"{item.name} must be at least {least}, got {value}")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ValueError(f"name is letters, digits, '.', '_' and '-', got {self.name!r}")
        if not (self.rate > 0 and 0 <= self.ema < 1):
            raise ValueError("rate > 0 and 0 ≤ ema < 1 are needed")


@dataclass
class PictureOptions(Options):
    """And what a recipe of whole pictures has."""

    size: int = option(64, "side of the pictures in pixels", least=2)
    box: list[float] = option([], "left top right bottom of the crop; none: centre square")
    shift: float = option(0.0, "augmentation: shift of the box, in source pixels", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        box = self.box
        if box and not (len(box) == 4 and 0 <= box[0] < box[2] and 0 <= box[1] < box[3]):
            raise ValueError(
                f"box is left top right bottom, left < right and top < bottom, got {box}"
            )


def held_back(validation: int | None, examples: int) -> int:
    """How many of the examples are kept for validation: as many as were asked for, else a tenth of
    them and at most 336."""
    return min(HELD_BACK, examples // 10) if validation is None else validation


def device_of(name: str, number: int = 0) -> torch.device:
    """The named device, by default cuda where there is one; ``number`` is that of the CUDA device
    where each process has its own. Raises ValueError."""
    try:
        wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
        wanted = f"cuda:{number}" if wanted == "cuda" else wanted
        return torch.zeros(1, device=wanted).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {name!r} isn't available") from error


def halved(precision: str, device: torch.device) -> bool:
    """Whether convolutions are bfloat16: what ``precision`` says, and where it is empty, on a CUDA
    device that has bfloat16. Raises ValueError for another word."""
    if precision not in ("", "fp32", "bf16"):
        raise ValueError(f"precision is fp32 or bf16, got {precision!r}")
    if precision:
        return precision == "bf16"
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def compiler_of(device: torch.device) -> str:
    """The backend of ``torch.compile`` that makes training on a device faster; "" if none does."""
    return "inductor" if device.type == "cuda" and find_spec("triton") else ""


def print_progress(step: int, total: int, message: str) -> None:
    """The progress of a recipe that runs by itself."""
    if message.endswith("\n") or step % 200 == 0:
        print(f"{step}/{total}  {message.rstrip()}", flush=True)
