"""Tomography: sums along rays."""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Kind, Level, MatrixOperator, Shape
from priorkit.interfaces.kinds import PICTURE
from priorkit.io.arrays import require_finite
from priorkit_operators.backprojection import Window, back_projection
from priorkit_operators.checks import require_picture
from priorkit_operators.rays import ACROSS, ROTATED, SHARED, matrix, matrix_bytes
from priorkit_operators.scanner import MOST, Geometry, Layout, Scanner
from priorkit_operators.sinograms import picture_behind, require_sinogram
from priorkit_operators.sparse import SparseMatrix
from priorkit_operators.turns import Turns

__all__ = ["Radon"]

FINITE = "noise='transmission' with y the counts themselves, where they are logarithms of 0"
Length = Annotated[float, Field(gt=0, le=1e9)]


class Radon(MatrixOperator):
    """A x = line integrals of x along rays at several angles: the Radon transform.

    y is (C, angles, detectors), x times length. The unit of length is the picture's width, so that
    a ray through a white square of it measures 1, or what ``pixel_size`` says. Where no lengths are
    given, each pixel adds to the two detectors that it lies between, which is enough for simulated
    measurements. With ``pixel_size`` or ``detector_spacing``, and of a fan, a ray adds up what it
    crosses, interpolated between the two pixels of each row or column: some ten times nearer to
    what is measured. A is kept as a sparse matrix, and its adjoint is exact. Simulated noise has
    σ = 0.01 of what a white square of the picture's width measures. Reports show the filtered
    back-projection of y.

    Parameters
    ----------
    angles : how many, evenly in [0°, ``arc``); or a list of them in degrees, anticlockwise, where
        rays at 0° are the columns
    arc : in degrees, negative clockwise; default: 180, of a fan 360
    detectors : how many; default: as many as the diagonal needs, or the fan around it. Of parallel
        rays they are even where the width is even and odd where it is odd, so that each column
        meets one detector at 0°. With the other parity each column is shared by two detectors
        at 0°, which blurs by half a pixel; a warning says so
    pixel_size : a pixel's side, in the unit of all other lengths and of y, such as mm; default:
        1/width, or 1 in the layout of scikit-image
    geometry : "parallel", or "fan": rays from a source to a straight line of detectors. At 0° the
        source is below the picture, with the detectors from left to right
    source_distance, detector_distance : of a fan, from the centre of rotation, the middle of the
        picture; detectors at distance 0 stand in the middle
    detector_spacing : from one to the next; default: a pixel, as seen from the source in the middle
    detector_offset : by how much the middle of the detectors is off the central ray, positive
        towards the last one
    layout : "angles", or "skimage": y as ``skimage.transform.radon`` gives it, (C, detectors,
        angles) in units of pixels, around the pixel (H // 2, W // 2), by its own interpolation
    circle : in that layout, its option: whether only the square in the middle is measured, which
        is black outside of a circle (default), or the whole picture

    Raises BadInputError for a source within the circle around the picture, and for options that
    say nothing in the geometry or layout.

    Reference: Kak & Slaney, "Principles of computerized tomographic imaging", IEEE Press 1988,
    chapter 3.
    """

    def __init__(
        self,
        *,
        angles: Annotated[int, Field(ge=1, le=MOST)]
        | Annotated[list[float], Field(max_length=MOST)] = 30,
        arc: Annotated[float, Field(ge=-36_000, le=36_000)] | None = None,
        detectors: Annotated[int, Field(ge=1, le=MOST)] | None = None,
        pixel_size: Annotated[float, Field(ge=1e-9, le=1e9)] | None = None,
        geometry: Geometry = "parallel",
        source_distance: Length | None = None,
        detector_distance: Annotated[float, Field(ge=0, le=1e9)] | None = None,
        detector_spacing: Length | None = None,
        detector_offset: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None,
        layout: Layout = "angles",
        circle: bool | None = None,
    ) -> None:
        self._scanner = Scanner(
            angles=angles,
            arc=arc,
            detectors=detectors,
            pixel_size=pixel_size,
            geometry=geometry,
            source_distance=source_distance,
            detector_distance=detector_distance,
            detector_spacing=detector_spacing,
            detector_offset=detector_offset,
            layout=layout,
            circle=circle,
        )

    def shape_behind(self, y_shape: Shape, kind: Kind) -> Shape | None:
        return picture_behind(self._scanner, y_shape) if kind is PICTURE else None

    def prepare(self) -> None:
        require_picture("The operator 'radon'", self.shape)
        channels, height, width = self.shape
        scanner = self._scanner
        self._pixel, self._beams = scanner.pixel(width), scanner.beams(height, width)
        self._turns = Turns.of(self._beams)
        self._sums = ROTATED if scanner.skimage else SHARED if scanner.plain else ACROSS
        self.y_shape = (channels, *(self._sides[::-1] if scanner.skimage else self._sides))
        vars(self).pop("_rays", None)  # of an earlier binding

    @property
    def default_noise(self) -> Level:  # type: ignore[override]  # in the unit of y
        said = self._scanner.pixel_size is not None or self._scanner.skimage
        return Level(sigma=0.01 * self._pixel * self.shape[2] if said else 0.01)

    @cached_property
    def _rays(self) -> SparseMatrix:
        """The operator of one view of one channel, made when it is first used."""
        return SparseMatrix(partial(matrix, self._turns.beams, self._sums, self._pixel))

    @property
    def memory(self) -> int:
        """Of the matrix and its transpose."""
        return 2 * matrix_bytes(self._turns.beams, self._sums)

    def taken(self, y: Tensor) -> Tensor:
        """y as it is. Raises BadInputError for another shape, with what may have been meant, and
        for values that aren't finite, as the logarithm of no photons is."""
        if y.ndim != 4 or tuple(y.shape[1:]) != self.y_shape:
            require_sinogram(self._scanner, tuple(y.shape[-3:]), self.y_shape)
        require_finite(y, "The measurement y", FINITE)
        return y

    def A(self, x: Tensor) -> Tensor:
        views = self._turns.seen(x.reshape(-1, *self.shape[1:]))
        rays = self._turns.of_all(self._rays.times(views))
        return self._laid_out(rays.view(-1, self.shape[0], *self._sides))

    def A_adjoint(self, y: Tensor) -> Tensor:
        rays = self._laid_out(y.view(-1, *self.y_shape)).reshape(-1, math.prod(self._sides))
        views = self._rays.transposed(self._turns.of_views(rays))
        return self._turns.together(views).view(-1, *self.shape)

    def rows(self, i: int, j: int) -> Tensor:
        channel, ray = self._addresses(torch.arange(i, j))
        block = torch.zeros(j - i, self.shape[0], math.prod(self.shape[1:]))
        one = len(self._turns.beams.radians) * self._beams.detectors
        place = self._turns.place[ray]
        view, row = place // one, place % one
        found = self._rays.rows(row).view(-1, *self.shape[1:])
        for k, each in enumerate(self._turns.views):
            found[view == k] = self._turns.turned(found[view == k], each)
        block[torch.arange(j - i), channel] = found.flatten(1)
        return block.flatten(1)

    def back_projection(self, y: Tensor, *, window: Window = "ramp") -> Tensor:
        """x by filtered back-projection, (B, *y_shape) → (B, *shape): linear, and no adjoint.

        ``window`` multiplies the ramp |f|: "ramp" (nothing), "shepp-logan", "cosine", "hamming"
        or "hann", of which the last ones smooth most. With ``circle`` x is 0 outside of it.
        """
        rays = self._laid_out(y.view(-1, *self.y_shape)).reshape(-1, *self._sides)
        x = back_projection(rays / self._pixel, self._beams, window).view(-1, *self.shape)
        if self._scanner.cuts:
            far = self._beams.rows[:, None] ** 2 + self._beams.columns**2
            x = x * torch.from_numpy(far <= (self._beams.detectors // 2) ** 2).to(x)
        return x

    def image(self, y: Tensor) -> Tensor:
        """The filtered back-projection."""
        return self.back_projection(y)

    @property
    def reduces(self) -> bool:
        return False

    @property
    def _sides(self) -> tuple[int, int]:
        return len(self._beams.radians), self._beams.detectors

    def _laid_out(self, y: Tensor) -> Tensor:
        """From a row per angle to y, or back."""
        return y.transpose(-1, -2).contiguous() if self._scanner.skimage else y

    def _addresses(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Channel and row of the matrix of these numbers of y."""
        angles, detectors = self._sides
        channel, ray = numbers // (angles * detectors), numbers % (angles * detectors)
        return channel, ray % angles * detectors + ray // angles if self._scanner.skimage else ray
