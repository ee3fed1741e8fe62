"""Options of training recipes: a dataclass, checked.

Imports torch only, so that a recipe also runs on a machine that has a GPU and little else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from importlib.util import find_spec
from typing import Any

import torch

__all__ = [
    "Progress",
    "check_options",
    "compiler_of",
    "device_of",
    "halved",
    "held_back",
    "option",
    "print_progress",
]

Progress = Callable[[int, int, str], None]

LEAST = {
    "every": 1, "iterations": 1, "size": 2, "validation": 0, "warmup": 0, "shift": 0, "minutes": 0,
    "seed": 0,
}  # fmt: skip
HELD_BACK = 336  # examples for validation at most, where nobody says how many


def option(default: Any, help: str) -> Any:
    """A field of the dataclass of options of a trainer."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


def check_options(options: Any, least: Mapping[str, int]) -> None:
    """Check what recipes have in common; ``least`` are the smallest values of further numbers.

    Raises ValueError for numbers that are too small, infinite or NaN, a bad name, box, precision,
    or rates.
    """
    given = {item.name: getattr(options, item.name) for item in fields(options)}
    for name, value in given.items():
        numbers = value if isinstance(value, list) else [value]
        if not all(math.isfinite(v) for v in numbers if isinstance(v, float)):
            raise ValueError(f"{name} must be finite, got {value}")
    for name, low in (LEAST | dict(least)).items():
        if given.get(name) is not None and given[name] < low:
            raise ValueError(f"{name} must be at least {low}, got {given[name]}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", given["name"]):
        raise ValueError(f"name is letters, digits, '.', '_' and '-', got {given['name']!r}")
    if given.get("precision", "") not in ("", "fp32", "bf16"):
        raise ValueError(f"precision is fp32 or bf16, got {given['precision']!r}")
    box = given["box"]
    if box and not (len(box) == 4 and 0 <= box[0] < box[2] and 0 <= box[1] < box[3]):
        raise ValueError(f"box is left top right bottom, left < right and top < bottom, got {box}")
    if not (given["rate"] > 0 and 0 <= given["ema"] < 1 and 0 <= given.get("decay", 0) <= 1):
        raise ValueError("rate > 0, 0 ≤ ema < 1 and 0 ≤ decay ≤ 1 are needed")


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
    device that has bfloat16."""
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
