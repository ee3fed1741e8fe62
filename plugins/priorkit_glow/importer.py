"""Checkpoints ``glowmodel.pt`` of the reference implementation of the paper.

Its flat list of modules holds, per level, a squeeze, the steps of flow and, except at the
last level, a split; only steps have parameters, so the gaps in their numbers give L and K.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priorkit.errors import WeightsError
from priorkit_glow.network import Glow, GlowConfig

__all__ = ["import_checkpoint"]

_RENAME = {
    "actnorm.logs": "actnorm.logs",
    "actnorm.b": "actnorm.bias",
    "invconv.W": "invconv",
    "coupling.net.conv1.weight": "net.conv1.weight",
    "coupling.net.conv1.bias": "net.conv1.bias",
    "coupling.net.actnorm1.logs": "net.actnorm1.logs",
    "coupling.net.actnorm1.b": "net.actnorm1.bias",
    "coupling.net.conv2.weight": "net.conv2.weight",
    "coupling.net.conv2.bias": "net.conv2.bias",
    "coupling.net.actnorm2.logs": "net.actnorm2.logs",
    "coupling.net.actnorm2.b": "net.actnorm2.bias",
    "coupling.net.conv3.weight": "net.conv3.weight",
    "coupling.net.conv3.bias": "net.conv3.bias",
    "coupling.net.logs": "net.logs",
}


def import_checkpoint(
    path: str | Path,
    *,
    size: int = 64,
    n_bits: int = 5,
    coupling_bias: float = 0.0,
    last_zeros: bool = True,
) -> Glow:
    """Read a state dict of the reference project into a :class:`Glow`.

    Parameters
    ----------
    path : the checkpoint; read with ``weights_only``, so nothing in it is executed
    size : side of the images, which a convolutional checkpoint doesn't say
    n_bits : bits per channel that it was trained on
    coupling_bias : its offset of the couplings' scale
    last_zeros : whether it was trained with that flag; the published code then adds 1 to
        the scale of the last level's couplings

    Raises WeightsError for a file that isn't such a checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        steps = _by_step(state)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise WeightsError(
            f"{path} is not a checkpoint of the reference Glow.",
            got=f"{type(error).__name__}: {str(error).splitlines()[0][:120]}",
        ) from error
    levels = _levels(sorted(steps))
    first = [steps[level[0]] for level in levels]
    offsets = [coupling_bias] * len(levels)
    offsets[-1] = 1.0 if last_zeros else 0.0
    try:
        channels = first[0]["actnorm.logs"].numel()
        outputs = first[0]["coupling.net.conv3.bias"].numel()
        network = Glow(
            GlowConfig(
                shape=(channels // 4, size, size),
                steps=tuple(len(level) for level in levels),
                width=tuple(s["coupling.net.conv1.bias"].numel() for s in first),
                scale_offset=tuple(offsets),
                coupling="affine" if outputs == channels else "additive",
                n_bits=n_bits,
            )
        )
        network.load_state_dict(_renamed(steps, levels, network.state_dict()))
    except (ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{path} doesn't have the layout of the reference Glow.",
            got=str(error).splitlines()[0][:160],
        ) from error
    return network


def _by_step(state: Any) -> dict[int, dict[str, Tensor]]:
    steps: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        prefix, number, rest = key.split(".", 2)
        if prefix != "glow_modules" or rest not in _RENAME:
            raise KeyError(key)
        steps.setdefault(int(number), {})[rest] = value
    if not steps:
        raise KeyError("glow_modules")
    return steps


def _levels(numbers: list[int]) -> list[list[int]]:
    """Runs of consecutive numbers."""
    levels = [[numbers[0]]]
    for before, number in pairwise(numbers):
        if number == before + 1:
            levels[-1].append(number)
        else:
            levels.append([number])
    return levels


def _renamed(
    steps: dict[int, dict[str, Tensor]], levels: list[list[int]], like: dict[str, Tensor]
) -> dict[str, Tensor]:
    state = {}
    for i, level in enumerate(levels):
        for k, number in enumerate(level):
            for old, new in _RENAME.items():
                key = f"levels.{i}.{k}.{new}"
                state[key] = steps[number][old].reshape(like[key].shape)
    return state
