"""Writing a Glow as safetensors with a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, float16

from priorkit.training import output
from priorkit_glow.network import GlowConfig

__all__ = ["rounded", "write_weights"]


def rounded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convolution weights in fp16, everything that is inverted or exponentiated as it is."""
    return {key: value.to(float16) if value.ndim == 4 else value for key, value in state.items()}


def write_weights(
    path: Path, state: dict[str, Tensor], config: GlowConfig, about: dict[str, Any]
) -> Path:
    """Write ``path`` (NAME.safetensors) and its card; see :mod:`priorkit.training.output`."""
    return output.write_weights(
        path, state, family="glow", architecture=config.to_dict(), about=about
    )
