"""What a training run leaves: checkpoints, a log, samples, and weights with a card."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["load_checkpoint", "log_line", "mosaic", "save_checkpoint", "write_weights"]


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write ``folder/checkpoint.pt``, whole or not at all."""
    partial = folder / "checkpoint.pt.partial"
    torch.save(state, partial)
    os.replace(partial, folder / "checkpoint.pt")


def load_checkpoint(
    folder: Path, architecture: dict[str, Any], device: torch.device
) -> dict[str, Any] | None:
    """What :func:`save_checkpoint` wrote, or None. Its "config" must be ``architecture``.

    Raises ValueError for a file that is damaged or of another architecture.
    """
    path = folder / "checkpoint.pt"
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise ValueError(f"{path} can't be read: remove it to start again") from error
    if state["config"] != architecture:
        raise ValueError(
            f"{path} holds another architecture: {state['config']}. "
            "Give the options it was started with, or another --out"
        )
    return state


def write_weights(
    path: Path,
    state: dict[str, Tensor],
    *,
    family: str,
    architecture: dict[str, Any],
    about: dict[str, Any],
) -> Path:
    """Write ``path`` (NAME.safetensors) and NAME.json; the card last, each file whole.

    ``about`` goes on the card: data, licence, bits_per_dim, how it was trained.
    """
    partial = path.with_suffix(".partial")
    save_file({key: value.contiguous().cpu() for key, value in state.items()}, partial)
    os.chmod(partial, 0o644)  # save_file leaves it readable by its owner only
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    os.replace(partial, path)
    card = {
        "name": path.stem,
        "family": family,
        "architecture": architecture,
        "range": [0.0, 1.0],
        "parameters": sum(value.numel() for value in state.values()),
        "sha256": digest,
        **about,
    }
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(card, indent=2) + "\n")
    os.replace(partial, path.with_suffix(".json"))
    return path


def log_line(folder: Path, **values: Any) -> None:
    """Append a line to ``folder/log.jsonl``, numbers rounded."""
    line = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
    with open(folder / "log.jsonl", "a") as log:
        log.write(json.dumps(line) + "\n")


def mosaic(x: Tensor, path: Path, columns: int = 8) -> None:
    """Save images (B, C, H, W) in [0, 1] as one picture; B is a multiple of ``columns``."""
    count, channels, height, width = x.shape
    rows = count // columns
    tiles = x.nan_to_num().clamp(0, 1).cpu().view(rows, columns, channels, height, width)
    grid = tiles.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    array = (grid * 255).round().byte().numpy()
    Image.fromarray(array[..., 0] if channels == 1 else array).save(path)
