"""Writing a Glow as safetensors with a card. Imports torch and safetensors only."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, float16

from priorkit_glow.network import GlowConfig

__all__ = ["rounded", "write_weights"]


def rounded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convolution weights in fp16, everything that is inverted or exponentiated as it is."""
    return {key: value.to(float16) if value.ndim == 4 else value for key, value in state.items()}


def write_weights(
    path: Path, state: dict[str, Tensor], config: GlowConfig, about: dict[str, Any]
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
        "family": "glow",
        "architecture": config.to_dict(),
        "range": [0.0, 1.0],
        "parameters": sum(value.numel() for value in state.values()),
        "sha256": digest,
        **about,
    }
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(card, indent=2) + "\n")
    os.replace(partial, path.with_suffix(".json"))
    return path
