"""Tomography: sums along parallel rays."""

from __future__ import annotations

import logging
import math
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sparse
import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Level, MatrixOperator
from priorkit_operators.checks import require_picture
from priorkit_operators.matrix import Matrix

__all__ = ["Radon"]

log = logging.getLogger("priorkit")

MOST = 100_000  # angles, and detectors


class Radon(MatrixOperator):
    """A x = line integrals of x along parallel rays at several angles: the Radon transform.

    y is (C, angles, detectors), in units of the picture's width, so that a ray through a white
    square of it measures 1. Each pixel adds to the two detectors that it lies between. A is kept
    as a sparse matrix, and its adjoint is exact. Simulated noise has σ = 0.01.

    Parameters
    ----------
    angles : how many, evenly in [0°, 180°); or a list of them in degrees, anticlockwise, where
        rays at 0° are the columns
    detectors : how many, a pixel apart; default: as many as the diagonal needs, even where the
        width is even and odd where it is odd, so that each column meets one detector at 0°.
        With the other parity each column is shared by two detectors at 0°, which blurs by half
        a pixel; a warning says so

    Reference: Kak & Slaney, "Principles of computerized tomographic imaging", IEEE Press 1988,
    section 3.1.
    """

    default_noise = Level(sigma=0.01)

    def __init__(
        self,
        *,
        angles: Annotated[int, Field(ge=1, le=MOST)]
        | Annotated[list[float], Field(max_length=MOST)] = 30,
        detectors: Annotated[int, Field(ge=1, le=MOST)] | None = None,
    ) -> None:
        if not isinstance(angles, int) and not angles:
            raise BadInputError("A tomography needs at least one angle.", got=angles)
        if not isinstance(angles, int) and not all(map(math.isfinite, angles)):
            raise BadInputError("Angles are finite numbers of degrees.", got=str(angles)[:80])
        self.angles, self.detectors = angles, detectors

    def prepare(self) -> None:
        require_picture("The operator 'radon'", self.shape)
        channels, height, width = self.shape
        angles = self.angles if isinstance(self.angles, int) else len(self.angles)
        self.y_shape = (channels, angles, self._count(height, width))
        vars(self).pop("_rays", None)  # of an earlier binding

    @cached_property
    def _rays(self) -> Matrix:
        """The operator of one channel, made when it is first used."""
        _, height, width = self.shape
        rays = _rays(height, width, self._degrees(), self.y_shape[2])
        return Matrix(matrix=rays).bind((1, height, width))

    @property
    def memory(self) -> int:
        rays, pixels = math.prod(self.y_shape[1:]), math.prod(self.shape[1:])
        return _bytes(rays, 2 * self.y_shape[1] * pixels)

    def A(self, x: Tensor) -> Tensor:
        return self._rays.A(x.reshape(-1, 1, *self.shape[1:])).view(-1, *self.y_shape)

    def A_adjoint(self, y: Tensor) -> Tensor:
        rays = y.reshape(len(y) * self.y_shape[0], -1)
        return self._rays.A_adjoint(rays).view(-1, *self.shape)

    def rows(self, i: int, j: int) -> Tensor:
        each = self._rays.matrix.shape[0]
        n = math.prod(self.shape[1:])
        block = torch.zeros(j - i, self.shape[0], n)
        for channel in range(self.shape[0]):
            first, last = (min(max(k - channel * each, 0), each) for k in (i, j))
            if first < last:
                at = first + channel * each - i
                block[at : at + last - first, channel] = self._rays.rows(first, last)
        return block.flatten(1)

    def image(self, y: Tensor) -> Tensor:
        """The sinogram, a row per angle."""
        return y

    def _count(self, height: int, width: int) -> int:
        """The number of detectors; warns where at 0° they lie between the columns."""
        if self.detectors is None:
            least = math.ceil(math.hypot(height, width)) + 1
            return least + (least - width) % 2
        straight = isinstance(self.angles, int) or any(angle % 180 == 0 for angle in self.angles)
        if straight and (self.detectors - width) % 2:
            log.warning(
                "radon: the middles of %d detectors and %d columns are half a pixel apart: at 0° "
                "each column is shared by two detectors, which is a blur. Try: detectors=%d",
                self.detectors,
                width,
                self.detectors + 1,
            )
        return self.detectors

    def _degrees(self) -> list[float]:
        if isinstance(self.angles, int):
            return [180 * k / self.angles for k in range(self.angles)]
        return list(self.angles)


def _index(rays: int, entries: int) -> type[np.signedinteger]:
    """The smallest integer type for indices of so many, as scipy chooses it."""
    return np.int32 if max(rays, entries) < 2**31 else np.int64


def _bytes(rays: int, entries: int) -> int:
    """What a matrix of so many entries takes: their weights, columns, and where rows begin."""
    size = np.dtype(_index(rays, entries)).itemsize
    return entries * (8 + size) + rays * size


def _rays(height: int, width: int, degrees: list[float], detectors: int) -> Any:
    """The matrix of one channel, (angles · detectors, H · W), written angle by angle in place."""
    rows = (np.arange(height) - (height - 1) / 2)[:, None]
    columns = np.arange(width) - (width - 1) / 2
    shape = (len(degrees) * detectors, height * width)
    most = 2 * len(degrees) * height * width
    index = _index(shape[0], most)
    weights, pixels = np.empty(most), np.empty(most, dtype=index)
    begins, filled = np.zeros(shape[0] + 1, dtype=index), 0
    for k, angle in enumerate(np.radians(degrees)):
        place = (columns * np.cos(angle) - rows * np.sin(angle)).ravel() + (detectors - 1) / 2
        below = np.floor(place).astype(np.int64)
        entries = []
        for detector, weight in ((below, below + 1 - place), (below + 1, place - below)):
            inside = (detector >= 0) & (detector < detectors) & (weight > 0)
            entries.append((weight[inside] / width, detector[inside], np.flatnonzero(inside)))
        weight, detector, pixel = map(np.concatenate, zip(*entries, strict=True))
        own = sparse.csr_array((weight, (detector, pixel)), shape=(detectors, shape[1]))
        part = slice(filled, filled + own.nnz)
        weights[part], pixels[part] = own.data, own.indices
        begins[k * detectors + 1 : (k + 1) * detectors + 1] = filled + own.indptr[1:]
        filled += own.nnz
    return sparse.csr_array((weights[:filled], pixels[:filled], begins), shape=shape)
