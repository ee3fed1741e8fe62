"""Measurements: simulated from images, or the user's own, checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit.engine.components import blaming
from priorkit.engine.setup import Setup
from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.arrays import read_array
from priorkit.io.pictures import layout, load
from priorkit.streams import Streams

__all__ = ["measurement", "shape_of", "simulate"]


def simulate(setup: Setup, x: Tensor) -> Tensor:
    """y ~ p(· | A x); the noise of image i depends on the seed and i alone, never on the batch."""
    operator = setup.problem.operator
    streams = Streams(setup.config.seed, "noise", range(len(x)))
    with blaming(f"operator {setup.selections['operator'].name!r}"):
        clean = operator.A(x)
    with blaming(f"noise {setup.selections['noise'].name!r}"):
        y = setup.problem.noise.sample(clean, streams)
    return y if operator.mask is None else y * operator.mask.to(y)


def shape_of(y: Any) -> Shape | None:
    """The image's shape where the measurement is itself a picture."""
    values = _values(y)
    return tuple(values.shape[-3:]) if values.ndim >= 3 else None


def measurement(y: Any, setup: Setup) -> Tensor:
    """y as (B, *y_shape), checked. Raises BadInputError for another shape or values."""
    operator = setup.problem.operator
    shape = operator.y_shape
    values = _values(y)
    given = tuple(values.shape)
    if values.ndim == len(shape):
        values = values[None]
    if tuple(values.shape[1:]) != shape or not len(values):
        raise BadInputError(
            f"The measurement y must be {shape}, or a batch of these.",
            got=given,
            try_="the operator's own m, and shape=… of the picture to recover",
        )
    dtype = setup.dtype
    probe = operator.A(torch.zeros(1, *setup.problem.shape, device=setup.device))
    if values.is_complex() and not probe.is_complex():
        raise BadInputError(
            "The measurement y is complex, and the operator's output is real.", try_="y.real"
        )
    if probe.is_complex():
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    values = values.to(setup.device, dtype)
    if not bool(torch.isfinite(values).all()):
        raise BadInputError("The measurement y has values that are NaN or infinite.")
    setup.problem.noise.check(values)
    return values if operator.mask is None else values * operator.mask.to(values)


def _values(y: Any) -> Tensor:
    """Numbers as they are; pictures (files, PIL, uint8, channels last) as NCHW in [0, 1].

    A measured picture is never resized: that would be another measurement.
    """
    if isinstance(y, (str, os.PathLike)) and str(y).endswith(".npy"):
        y = read_array(Path(y))
    if isinstance(y, (str, os.PathLike, Image.Image)):
        return load(y).x
    try:
        values = torch.as_tensor(np.array(y) if isinstance(y, np.ndarray) else y)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(
            "The measurement y is an array, a .npy file or a picture.", got=type(y).__name__
        ) from error
    whole = (torch.uint8, torch.uint16, torch.bool)
    if values.ndim in (3, 4) and not values.is_complex():
        return layout(values) if values.dtype in whole or _is_hwc(values) else values
    return values


def _is_hwc(values: Tensor) -> bool:
    return values.shape[-3] not in (1, 3) and values.shape[-1] in (1, 3)
