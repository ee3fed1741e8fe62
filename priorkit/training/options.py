"""Options of training recipes: dataclasses that check themselves.

Imports torch only, so that a recipe also runs on a machine that has a GPU and little else.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from priorkit.devices import device_named
from priorkit.errors import TRY

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


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """A field of the dataclass of options of a trainer; no number below ``least`` or beyond
    ``most`` is taken, and none but those ``above`` and ``below`` two others."""
    limits = {"least": least, "most": most, "above": above, "below": below}
    metadata = {"help": help} | {name: limit for name, limit in limits.items() if limit is not None}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# How a number is limited, in words, and whether one keeps to it.
LIMITS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "most": ("at most", operator.le),
    "below": ("below", operator.lt),
}


def _limits(cls: type, name: str) -> dict[str, float]:
    """How an option is limited: what a family doesn't say again is as in what every recipe has."""
    told: dict[str, float] = {}
    for base in reversed(cls.__mro__):
        if is_dataclass(base) and (item := base.__dataclass_fields__.get(name)):
            told |= {key: item.metadata[key] for key in LIMITS if key in item.metadata}
    return told


def _require_allowed(item: Field[Any], value: Any, limits: Mapping[str, float]) -> None:
    """Raise ValueError for a number that an option can't be."""
    told = [(f"{LIMITS[key][0]} {limit}", LIMITS[key][1], limit) for key, limit in limits.items()]
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, float) and not math.isfinite(number):
            must = "finite"
        elif number is not None and not all(fits(number, limit) for _, fits, limit in told):
            must = " and ".join(words for words, *_ in told)
        else:
            continue
        usual = None if item.default is MISSING else item.default
        try_ = "" if usual is None else f".{TRY}{item.name}={usual}"
        raise ValueError(f"{item.name} must be {must}, got {value}{try_}")


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
    rate: float = option(1e-3, "learning rate of Adam", above=0)
    ema: float = option(0.999, "decay of the averaged weights", least=0, below=1)
    every: int = option(1000, "steps between validations and samples", least=1)
    minutes: float = option(0.0, "stop after so many minutes, to be continued; 0: never", least=0)
    seed: int = option(0, "seed of initialisation, order, augmentation and noise", least=0)
    licence: str = option("", "terms of the training pictures, for the card")
    device: str = option("", "cpu or cuda; default: cuda where there is one")

    def __post_init__(self) -> None:
        for item in fields(self):
            limits = _limits(type(self), item.name)
            _require_allowed(item, getattr(self, item.name), limits)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ValueError(f"name is letters, digits, '.', '_' and '-', got {self.name!r}")


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
    where each process has its own. Raises BadInputError."""
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    return device_named(f"cuda:{number}" if wanted == "cuda" else wanted)


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
