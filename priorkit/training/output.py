"""The files of a training run: checkpoints, a log, samples, and weights with a card."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from priorkit.draw.tiles import png
from priorkit.io.files import json_sha256, unwritable, write_atomic
from priorkit.io.pictures import to_pil

__all__ = [
    "claim",
    "load_checkpoint",
    "log_line",
    "mosaic",
    "not_finite",
    "prune_log",
    "save_checkpoint",
    "write_weights",
]

CHECKPOINT = "checkpoint.pt"


def claim(folder: Path, data: Path) -> None:
    """Make a folder for a training run.

    Raises ValueError for a folder with files but no checkpoint, which another program wrote, and
    for one that holds the training data.
    """
    if data.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{folder} holds the training data: give another folder as out")
    folder.mkdir(parents=True, exist_ok=True)
    files = [p for p in folder.iterdir() if p.suffix != ".partial"]
    if files and not (folder / CHECKPOINT).exists():
        raise ValueError(
            f"{folder} holds files, such as {files[0].name}, and no {CHECKPOINT} of a training: "
            "give another folder as out"
        )


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint of a folder, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(folder / CHECKPOINT, buffer.getvalue())


def load_checkpoint(
    folder: Path, settings: Mapping[str, Any], device: torch.device
) -> dict[str, Any] | None:
    """The checkpoint in a folder, or None. Its "settings" must equal ``settings``.

    Raises ValueError for a damaged file, or one of other settings, naming the first of these.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        before = dict(state["settings"])
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise ValueError(f"{path} can't be read: begin again in another folder") from error
    for name, now in settings.items():
        if before.get(name) != now:
            raise ValueError(
                f"{path} is of a run with another {name}: {before.get(name)}, not {now}. "
                "Give the options and data it was started with, or another folder as out"
            )
    return state


def not_finite(state: Mapping[str, Tensor]) -> str:
    """The name of the first tensor with NaN or infinite numbers in it; empty without one."""
    return next((name for name, value in state.items() if not bool(value.isfinite().all())), "")


def write_weights(
    path: Path,
    state: Mapping[str, Tensor],
    *,
    family: str,
    architecture: dict[str, Any],
    about: dict[str, Any],
) -> Path:
    """Write ``path`` (NAME.safetensors) and NAME.json; the card last, each file whole.

    ``about`` goes on the card: data, licence, bits_per_dim, how it was trained. Raises ValueError
    for weights that aren't finite, as in a type that is too small for them.
    """
    if name := not_finite(state):
        raise ValueError(f"no weights are written, since {name} isn't finite: try a smaller rate")
    data = save({key: value.contiguous().cpu() for key, value in state.items()})
    write_atomic(path, data)
    card = {
        "name": path.stem,
        "family": family,
        "architecture": architecture,
        "architecture_sha256": json_sha256([family, architecture]),
        "range": [0.0, 1.0],
        "parameters": sum(value.numel() for value in state.values()),
        "sha256": hashlib.sha256(data).hexdigest(),
        **about,
    }
    write_atomic(path.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())
    return path


def log_line(folder: Path, **values: Any) -> None:
    """Append a line to ``folder/log.jsonl``, numbers rounded, null for those that aren't finite."""
    line = {
        k: (round(v, 4) if math.isfinite(v) else None) if isinstance(v, float) else v
        for k, v in values.items()
    }
    try:
        with open(folder / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
    except OSError as error:  # a full disk
        raise unwritable(folder / "log.jsonl", error) from error


def prune_log(folder: Path, step: int) -> None:
    """Remove the lines that a killed run wrote after its checkpoint at ``step``."""
    path = folder / "log.jsonl"
    if not path.exists():
        return
    kept = []
    for line in path.read_text(errors="replace").splitlines():
        with suppress(ValueError, KeyError, TypeError):  # cut off
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
    write_atomic(path, "".join(kept).encode())


def mosaic(x: Tensor, path: Path, columns: int = 8) -> None:
    """Save images (B, C, H, W) in [0, 1] as one picture; B is a multiple of ``columns``."""
    tiles = x.nan_to_num().unflatten(0, (-1, columns)).permute(2, 0, 3, 1, 4)
    write_atomic(path, png(to_pil(tiles.flatten(3, 4).flatten(1, 2))))
