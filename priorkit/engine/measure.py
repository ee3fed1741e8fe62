"""Measurements: simulated from pictures, or the user's own, checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit import records
from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.pictures import layout, load
from priorkit.problem import Setup
from priorkit.streams import normal

__all__ = ["measurement", "shape_of", "simulate"]


def simulate(setup: Setup, x: Tensor) -> Tensor:
    """y = A(x) + η; the noise of image i depends on the seed and i alone, never on the batch."""
    y = setup.operator.A(x)
    seen = setup.operator.seen()
    std = setup.noise.std(setup.entries(y))
    if std:
        eta = normal(setup.config.seed, "noise", range(len(x)), y[0].numel())
        eta = std * eta.view(y.shape).to(y.device, y.dtype)
        y = y + (eta if seen is None else eta * seen.to(eta))
    return y


def shape_of(y: Any) -> Shape | None:
    """The image's shape where the measurement is itself a picture."""
    values = _values(y)
    return tuple(values.shape[-3:]) if values.ndim >= 3 else None


def measurement(y: Any, setup: Setup) -> Tensor:
    """y as (B, *y_shape), checked. Raises BadInputError for another shape or values."""
    shape = setup.operator.y_shape
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
    if values.is_complex():
        probe = setup.operator.A(torch.zeros(1, *setup.shape, device=setup.device))
        if not probe.is_complex():
            raise BadInputError(
                "The measurement y is complex, and the operator's output is real.", try_="y.real"
            )
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    values = values.to(setup.device, dtype)
    if not bool(torch.isfinite(values).all()):
        raise BadInputError("The measurement y has values that are NaN or infinite.")
    seen = setup.operator.seen()
    return values if seen is None else values * seen.to(values)


def _values(y: Any) -> Tensor:
    """Numbers as they are; pictures (files, PIL, uint8, channels last) as NCHW in [0, 1].

    A measured picture is never resized: that would be another measurement.
    """
    if isinstance(y, (str, os.PathLike)) and str(y).endswith(".npy"):
        y = records.read_array(Path(y))
    if isinstance(y, (str, os.PathLike, Image.Image)):
        return load(y).x
    try:
        values = torch.as_tensor(np.array(y) if isinstance(y, np.ndarray) else y)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(
            "The measurement y is an array, a .npy file or a picture.", got=type(y).__name__
        ) from error
    if values.ndim in (3, 4) and not values.is_complex():
        return layout(values) if values.dtype == torch.uint8 or _is_hwc(values) else values
    return values


def _is_hwc(values: Tensor) -> bool:
    return values.shape[-3] not in (1, 3) and values.shape[-1] in (1, 3)
