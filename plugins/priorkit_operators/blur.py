"""Pictures out of focus or shaken: convolution with a kernel."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Level, LinearOperator, Shape
from priorkit.io.arrays import read_array
from priorkit.io.pictures import load
from priorkit_operators.checks import real_array, require_picture

__all__ = ["Blur"]

log = logging.getLogger("priorkit")

POINTS = 4096  # points of a line that are processed at once
Boundary = Literal["valid", "reflect", "edge", "wrap", "zero"]


class Blur(LinearOperator):
    """A x = k ∗ x, every channel convolved with one kernel whose entries sum to 1.

    Simulated noise has σ = 0.01 unless said otherwise.

    Parameters
    ----------
    kernel : "gaussian", "motion" (a straight shake), a picture or .npy file, or an array (h, w)
    width : standard deviation of "gaussian" in pixels
    length, angle : of "motion": in pixels, and in degrees, anticlockwise from the right
    boundary : what is beyond the edge: "reflect" (the picture mirrored), "edge" (its last
        pixels), "wrap" (its other side, a circular convolution), "zero"; or "valid": y has only
        pixels whose kernel lies inside, and is smaller than x by the kernel less one pixel
    """

    default_noise = Level(sigma=0.01)

    def __init__(
        self,
        *,
        kernel: Any = "gaussian",
        width: Annotated[float, Field(gt=0, le=100)] = 1.5,
        length: Annotated[float, Field(ge=1, le=500)] = 9.0,
        angle: Annotated[float, Field(allow_inf_nan=False)] = 0.0,
        boundary: Boundary = "reflect",
    ) -> None:
        self.kernel = _flipped(_kernel(kernel, width, length, angle))
        self.boundary = boundary
        self._kernels = Copies(self.kernel.to)

    def prepare(self) -> None:
        require_picture("A blur", self.shape)
        channels, *sides = self.shape
        self._indices = []
        for side, extent in zip(sides, self.kernel.shape, strict=True):
            if extent > side:
                raise BadInputError(
                    f"A kernel must fit into the picture, {sides[0]}×{sides[1]}.",
                    got="×".join(map(str, self.kernel.shape)),
                    try_="a smaller width or length, or another shape",
                )
            self._indices.append(_sources(side, extent, self.boundary))
        smaller = [
            len(index) - extent + 1
            for index, extent in zip(self._indices, self.kernel.shape, strict=True)
        ]
        self.y_shape = (channels, *smaller)

    def A(self, x: Tensor) -> Tensor:
        return self._convolved(_extended(_extended(x, self._indices[0], 2), self._indices[1], 3))

    def A_adjoint(self, y: Tensor) -> Tensor:
        kernel = self._kernels.like(y)[None, None]
        alone = y.reshape(-1, 1, *y.shape[2:])
        # The transposed convolution, as a plain one: that is ten times as fast for one channel.
        pad = tuple(extent - 1 for extent in self.kernel.shape)
        full = F.conv2d(alone, kernel.flip(2, 3), padding=pad)
        wide = full.view(*y.shape[:2], *map(len, self._indices))
        inner = _gathered(wide, self._indices[1], 3, self.shape[2])
        return _gathered(inner, self._indices[0], 2, self.shape[1])

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: Shape) -> Shape | None:
        channels, *sides = y_shape
        if self.boundary == "valid":
            sides = [s + k - 1 for s, k in zip(sides, self.kernel.shape, strict=True)]
        return (channels, *sides)

    def _convolved(self, wide: Tensor) -> Tensor:
        kernel = self._kernels.like(wide)[None, None]
        return F.conv2d(wide.reshape(-1, 1, *wide.shape[2:]), kernel).view(-1, *self.y_shape)


def _sources(side: int, extent: int, boundary: Boundary) -> Tensor:
    """For each pixel of the extended side, the pixel that it copies; −1 for a zero."""
    before, after = (extent - 1) // 2, extent // 2
    if boundary == "valid":
        return torch.arange(side)
    if boundary == "zero":
        return torch.from_numpy(np.pad(np.arange(side), (before, after), constant_values=-1))
    mode: Any = {"reflect": "symmetric"}.get(boundary, boundary)
    return torch.from_numpy(np.pad(np.arange(side), (before, after), mode=mode))


def _extended(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """x with pixels beyond its edges."""
    index = index.to(x.device)
    wide = x.index_select(axis, index.clamp_min(0))
    return wide * _inside(index, x, axis) if int(index.min()) < 0 else wide


def _gathered(wide: Tensor, index: Tensor, axis: int, side: int) -> Tensor:
    """The adjoint of :func:`_extended`: every pixel gets the sum of its copies."""
    index = index.to(wide.device)
    inside = wide * _inside(index, wide, axis)
    shape = list(wide.shape)
    shape[axis] = side
    return wide.new_zeros(shape).index_add(axis, index.clamp_min(0), inside)


def _inside(index: Tensor, like: Tensor, axis: int) -> Tensor:
    """1 for pixels that copy one of the picture, 0 for zeros, shaped to multiply along an axis."""
    return (index >= 0).to(like).view(*[-1 if i == axis else 1 for i in range(4)])


def _flipped(kernel: Tensor) -> Tensor:
    """The kernel reversed, as PyTorch's convolutions are correlations, and with sum 1."""
    return kernel.flip(0, 1) / kernel.sum()


def _kernel(asked: Any, width: float, length: float, angle: float) -> Tensor:
    """The kernel (h, w) in float64. Raises BadInputError for one that can't be used."""
    if isinstance(asked, str) and asked == "gaussian":
        reach = torch.arange(-math.ceil(3 * width), math.ceil(3 * width) + 1).double()
        bell = torch.exp(-0.5 * (reach / width) ** 2)
        return bell[:, None] * bell
    if isinstance(asked, str) and asked == "motion":
        return _line(length, angle)
    if isinstance(asked, (str, os.PathLike)):
        if not os.path.exists(asked):
            raise BadInputError(
                "A kernel is gaussian, motion, a picture or .npy file, or an array.",
                got=repr(str(asked)),
            )
        if str(asked).endswith(".npy"):
            asked = read_array(Path(asked))
    pictured = isinstance(asked, (str, os.PathLike, Image.Image))  # whose sum means nothing
    if pictured:
        asked = load(asked).x[0].mean(0)
    kernel = real_array(asked, "A kernel")
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise BadInputError("A kernel has two dimensions, (h, w).", got=tuple(kernel.shape))
    total = float(kernel.sum())
    if not bool(torch.isfinite(kernel).all()) or abs(total) < 1e-12:
        raise BadInputError("A kernel is of finite numbers whose sum isn't 0.")
    if not pictured and abs(total - 1) > 1e-3:
        log.warning("blur: the kernel adds up to %.4g, and is divided by that.", total)
    return kernel


def _line(length: float, angle: float) -> Tensor:
    """A centred straight line one pixel wide, every point shared among the pixels around it."""
    reach = math.ceil(length / 2)
    along = (torch.arange(64 * math.ceil(length)) + 0.5) / (64 * math.ceil(length)) - 0.5
    turned = math.radians(angle)
    row = reach - along.double() * (length - 1) * math.sin(turned)
    column = reach + along.double() * (length - 1) * math.cos(turned)
    pixels = torch.arange(2 * reach + 1).double()
    kernel = torch.zeros(len(pixels), len(pixels), dtype=torch.float64)
    for rows, columns in zip(row.split(POINTS), column.split(POINTS), strict=True):
        near = (1 - (rows[:, None] - pixels).abs()).clamp_min(0)
        beside = (1 - (columns[:, None] - pixels).abs()).clamp_min(0)
        kernel += near.T @ beside
    return kernel
