"""Images out of focus or shaken: convolution with a kernel."""

from __future__ import annotations

import logging
import math
import os
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Level, LinearOperator, Shape
from priorkit.io.pictures import load
from priorkit.io.raw import numbers_or_picture
from priorkit.linear import in_company
from priorkit_operators.checks import real_array, sides_of

__all__ = ["Blur"]

log = logging.getLogger("priorkit")

POINTS = 4096  # points of a line that are processed at once
Boundary = Literal["valid", "reflect", "edge", "wrap", "zero"]


class Blur(LinearOperator):
    """A x = k ∗ x, every channel convolved with one kernel whose entries sum to 1.

    Images are of any kind: k has as many dimensions as they have without their channels. The
    Gaussian is the same along each. Simulated noise has σ = 0.01 unless said otherwise.

    Parameters
    ----------
    kernel : "gaussian", "motion" (a straight shake of a picture), a file, also
        ``lens.h5::dataset=psf``, or an array, (h, w) for pictures, (d, h, w) for volumes, (n,) for
        signals and vectors
    width : standard deviation of "gaussian" in pixels
    length, angle : of "motion": in pixels, and in degrees, anticlockwise from the right
    boundary : what is beyond the edge: "reflect" (the picture mirrored), "edge" (its last
        pixels), "wrap" (its other side, a circular convolution), "zero"; or "valid": y has only
        pixels whose kernel lies inside, and is smaller than x by the kernel less one pixel
    """

    default_noise = Level(sigma=0.01)

    kernels: list[Tensor]  # set by bind: convolved one after the other they are k, reversed

    def __init__(
        self,
        *,
        kernel: Annotated[Any, Field(examples=["gaussian", "motion"])] = "gaussian",
        width: Annotated[float, Field(gt=0, le=100)] = 1.5,
        length: Annotated[float, Field(ge=1, le=500)] = 9.0,
        angle: Annotated[float, Field(allow_inf_nan=False)] = 0.0,
        boundary: Boundary = "reflect",
    ) -> None:
        gaussian = isinstance(kernel, str) and kernel == "gaussian"
        self._given = None if gaussian else _kernel(kernel, length, angle)
        self.width, self.boundary = width, boundary

    def prepare(self) -> None:
        sides = sides_of(self.shape)
        self.kernels = self._factors(len(sides))
        self._copies = [Copies(kernel.to) for kernel in self.kernels]
        extents = _extents(self.kernels)
        if any(extent > side for side, extent in zip(sides, extents, strict=True)):
            raise BadInputError(
                f"A kernel must fit into the image, {'×'.join(map(str, sides))}.",
                got="×".join(map(str, extents)),
                try_="a smaller width or length, or another shape",
            )
        self._edges = {
            axis - len(sides): _Edges(side, extent, self.boundary)
            for axis, (side, extent) in enumerate(zip(sides, extents, strict=True))
        }
        wide = (edges.wide for edges in self._edges.values())
        smaller = (size - extent + 1 for size, extent in zip(wide, extents, strict=True))
        self.y_shape = (*self.shape[: -len(sides)], *smaller)

    def A(self, x: Tensor) -> Tensor:
        for axis, edges in self._edges.items():
            x = edges.extended(x, axis)
        x = x.reshape(-1, 1, *x.shape[-len(self._edges) :])
        for copies in self._copies:
            x = _convolved(x, copies.like(x))
        return x.view(-1, *self.y_shape)

    def A_adjoint(self, y: Tensor) -> Tensor:
        y = y.reshape(-1, 1, *sides_of(self.y_shape))
        for copies in reversed(self._copies):
            # The transposed convolution, as a plain one: ten times as fast for one channel.
            kernel = copies.like(y)
            turned = kernel.flip(tuple(range(kernel.ndim)))
            y = _convolved(y, turned, pad=tuple(extent - 1 for extent in kernel.shape))
        sides = sides_of(self.shape)
        x = y.view(-1, *self.shape[: -len(sides)], *y.shape[2:])
        for axis, edges in reversed(self._edges.items()):
            x = edges.gathered(x, axis)
        return x

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: Shape) -> Shape | None:
        if self.boundary != "valid":
            return y_shape
        sides = sides_of(y_shape)
        extents = _extents(self._factors(len(sides)))
        larger = (side + extent - 1 for side, extent in zip(sides, extents, strict=True))
        return (*y_shape[: -len(sides)], *larger)

    def _factors(self, axes: int) -> list[Tensor]:
        """Kernels of so many dimensions, reversed, as PyTorch's convolutions are correlations.

        Raises BadInputError where the kernel that was given has another number of them.
        """
        if self._given is None:
            return _gaussian(self.width, axes)
        if self._given.ndim != axes:
            raise BadInputError(
                f"A kernel has one dimension for each axis but the channels, here {axes}.",
                got=f"shape {tuple(self._given.shape)}",
                try_="kernel='gaussian', which is for images of any kind",
            )
        return [_reversed(self._given)]


class _Edges:
    """The pixels beyond both ends of a side, each a copy of one of the picture, or zero."""

    def __init__(self, side: int, extent: int, boundary: Boundary) -> None:
        index = _sources(side, extent, boundary)
        self.side, self.wide = side, len(index)
        self._sources = Copies(lambda device, _: index.clamp_min(0).to(device))
        # 1 for what copies a pixel, 0 for zeros; None where nothing is zero.
        copied = (index >= 0).double() if int(index.min()) < 0 else None
        self._copied = None if copied is None else Copies(copied.to)

    def extended(self, x: Tensor, axis: int) -> Tensor:
        """x with pixels beyond its edges."""
        return self._inside(x.index_select(axis, self._sources.like(x)), axis)

    def gathered(self, wide: Tensor, axis: int) -> Tensor:
        """The adjoint of :meth:`extended`: every pixel gets the sum of its copies."""
        shape = list(wide.shape)
        shape[axis] = self.side
        inside = self._inside(wide, axis)
        return wide.new_zeros(shape).index_add(axis, self._sources.like(wide), inside)

    def _inside(self, wide: Tensor, axis: int) -> Tensor:
        if self._copied is None:
            return wide
        return wide * self._copied.like(wide).view(-1, *[1] * (-axis - 1))


def _extents(kernels: list[Tensor]) -> list[int]:
    """The size along every axis of what all kernels together are."""
    shapes = zip(*(kernel.shape for kernel in kernels), strict=True)
    return [1 + sum(extent - 1 for extent in each) for each in shapes]


def _convolved(x: Tensor, kernel: Tensor, pad: tuple[int, ...] | int = 0) -> Tensor:
    """x (B, 1, …) correlated with a kernel that has an axis for each of the others."""
    convolve = (F.conv1d, F.conv2d, F.conv3d)[kernel.ndim - 1]
    return in_company(lambda planes: convolve(planes, kernel[None, None], padding=pad), x)


def _sources(side: int, extent: int, boundary: Boundary) -> Tensor:
    """For each pixel of the extended side, the pixel that it copies; −1 for a zero."""
    before, after = (extent - 1) // 2, extent // 2
    if boundary == "valid":
        return torch.arange(side)
    if boundary == "zero":
        return torch.from_numpy(np.pad(np.arange(side), (before, after), constant_values=-1))
    mode: Any = {"reflect": "symmetric"}.get(boundary, boundary)
    return torch.from_numpy(np.pad(np.arange(side), (before, after), mode=mode))


def _reversed(kernel: Tensor) -> Tensor:
    """The kernel turned round along every axis, with sum 1."""
    return kernel.flip(tuple(range(kernel.ndim))) / kernel.sum()


def _gaussian(width: float, axes: int) -> list[Tensor]:
    """The factors of a Gaussian that is cut off at 3 standard deviations, in float64.

    The last two axes are blurred at once, which is the fastest for pictures, and every other by
    itself, which needs fewer products.
    """
    reach = torch.arange(-math.ceil(3 * width), math.ceil(3 * width) + 1).double()
    bell = torch.exp(-0.5 * (reach / width) ** 2)
    factors = [bell[:, None] * bell if axes > 1 else bell]
    factors += [bell.view(-1, *[1] * later) for later in range(2, axes)]
    return [_reversed(factor[(None,) * (axes - factor.ndim)]) for factor in factors]


def _kernel(asked: Any, length: float, angle: float) -> Tensor:
    """The kernel in float64. Raises BadInputError for one that can't be used."""
    if isinstance(asked, str) and asked == "motion":
        return _line(length, angle)
    asked = numbers_or_picture(asked, "A kernel", ("gaussian", "motion"))
    pictured = isinstance(asked, (str, os.PathLike, Image.Image))  # whose sum means nothing
    if pictured:
        asked = load(asked).x[0].mean(0)
    kernel = real_array(asked, "A kernel")
    if kernel.ndim not in (1, 2, 3) or 0 in kernel.shape:
        raise BadInputError(
            "A kernel has two dimensions, (h, w); for signals one, for volumes three.",
            got=tuple(kernel.shape),
        )
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
