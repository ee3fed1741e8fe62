"""Magnetic resonance: some of the Fourier coefficients, measured by one coil or several."""

from __future__ import annotations

import copy
import logging
import math
from functools import partial
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Calibrated, Copies, Kind, Level, LinearOperator, Shape
from priorkit.interfaces.kinds import COMPLEX
from priorkit_operators import coils as sensitivity
from priorkit_operators.checks import require_picture, sides_of
from priorkit_operators.field import View
from priorkit_operators.sampling import (
    Pattern,
    PatternName,
    one_of,
    placed,
    question_layout,
    question_middle,
    read_mask,
    require_measured,
    seen_in,
    spectra_of,
)

__all__ = ["Fourier"]

log = logging.getLogger("priorkit")


class Fourier(Calibrated, LinearOperator):
    """A x = M F P S x: the orthonormal Fourier transform F of what each coil S sees, sampled by M;
    P puts zeros around an image that is smaller than the field of view.

    F goes over all axes but the channels, whatever kind of image x is. y is complex and as large
    as the whole spectrum, for pictures (C, H, W) or for several coils (C, coils, H, W), with the
    slow waves in the middle and zeros where nothing was measured. x is real: the adjoint is that
    of the real inner product, the real part of Sᴴ Pᴴ Fᴴ M y. Of complex pictures, two channels, y
    is (coils, H, W), and the adjoint all of it. Simulated noise has σ = 0.01, half of its variance
    in either part.

    Parameters
    ----------
    mask : what was measured: an array or a file of any format (*sides), or of its columns alone
        (W,), not 0 there, such as "scan.h5::dataset=mask"; or "auto", what isn't 0 in y. Without,
        a pattern is simulated; but where y is given and neither ``pattern``, ``acceleration`` nor
        ``centre`` is, it is "auto"
    pattern : "lines" (whole columns of the spectrum, along its first axis, those nearest to the
        middle and others at random; of a spectrum with one axis single coefficients), "random"
        (single coefficients, likewise), or "radial" (spokes through the middle of a picture's);
        default: "lines"
    acceleration : how many times fewer coefficients are measured than there are, the middle
        among them; default: 4
    centre : part of the columns, or of each side, that is always measured, in the middle; an
        acceleration that measures fewer coefficients than that is refused; default: 0.08
    coils : how many; several stand around a picture with smooth sensitivities, |S₁|² + … = 1
    maps : measured sensitivities instead, a complex array or file, (coils, H, W) for pictures,
        of the image or of the field of view; or "estimate", from the middle of y, or "espirit",
        likewise by the package sigpy (extra ``mri``)
    field : sides of the field of view, where the image is only its centre, as where a readout is
        oversampled; default: those of the image, or of complex pictures those of a given y
    origin : "corner", where waves begin at the first pixel, as numpy has it, or "centre", at the
        middle one, as scanners have it; default: the centre for complex pictures, else the corner
    seed : of the pattern; default: the run's

    References: Lustig, Donoho & Pauly, "Sparse MRI: the application of compressed sensing for
    rapid MR imaging", Magn. Reson. Med. 2007; Pruessmann et al., "SENSE: sensitivity encoding
    for fast MRI", Magn. Reson. Med. 1999.
    """

    default_noise = Level(sigma=0.01)

    _complex = False  # whether x is a complex picture

    def __init__(
        self,
        *,
        mask: Annotated[Any, Field(examples=["auto"])] = None,
        pattern: PatternName | None = None,
        acceleration: Annotated[float | None, Field(ge=1)] = None,
        centre: Annotated[float | None, Field(ge=0, le=1)] = None,
        coils: Annotated[int, Field(ge=1, le=256)] = 1,
        maps: Annotated[Any, Field(examples=list(sensitivity.ESTIMATES))] = None,
        field: tuple[int, ...] | None = None,
        origin: Literal["corner", "centre"] | None = None,
        seed: int | None = None,
    ) -> None:
        said = {"pattern": pattern, "acceleration": acceleration, "centre": centre}
        self._simulated = [name for name, value in said.items() if value is not None]
        if mask is not None and self._simulated:
            raise BadInputError(
                f"mask says what was measured, and {' and '.join(self._simulated)} what would be.",
                try_="one of the two",
            )
        self.pattern: PatternName = pattern or "lines"
        self.acceleration = 4.0 if acceleration is None else acceleration
        self.centre = 0.08 if centre is None else centre
        self.coils, self.field, self.origin, self.seed = coils, field, origin, seed
        auto = isinstance(mask, str) and mask == "auto"
        self._sampled = "auto" if auto else None if mask is None else read_mask(mask)
        self._told = isinstance(self._sampled, Tensor)  # which places are measured
        known = isinstance(maps, str) and maps in sensitivity.ESTIMATES
        self._given = maps if known else None if maps is None else sensitivity.read_maps(maps)

    def for_complex(self) -> Self:
        own = copy.copy(self)
        own._complex, own.origin = True, self.origin or "centre"
        return own

    def shape_behind(self, y_shape: Shape, kind: Kind) -> Shape | None:
        """Of complex pictures that of the spectrum, where the field of view isn't larger."""
        known = kind is COMPLEX and len(y_shape) > 1 and self.field is None
        return (2, *y_shape[-2:]) if known else None

    def calibrate(self, y: Tensor, shape: Shape, kind: Kind) -> Self:
        """With the mask, the maps and the field of view that y shows, where they weren't said.

        Raises BadInputError where y isn't of such spectra, or shows none of these, see
        :mod:`.sampling` and :mod:`.coils`.
        """
        found, rule = copy.copy(self), self._given if isinstance(self._given, str) else None
        if self.coils > 1 and self._given is None:
            raise BadInputError(
                "coils simulates the sensitivities of as many coils, which a scanner's aren't.",
                got=f"coils={self.coils} and a y that was measured",
                try_="maps='estimate', or maps=… as measured",
            )
        if kind is COMPLEX and self.field is None and y.ndim > 1:
            found.field = tuple(y.shape[-2:])
        if isinstance(self._sampled, Tensor):
            require_measured(self._sampled, y, found.field or sides_of(shape))
        unsaid = self._sampled is None and not self._simulated and bool((y != 0).any())
        if self._sampled != "auto" and not unsaid and rule is None:
            return found
        coils = len(self._given) if isinstance(self._given, Tensor) else self.coils
        several = coils > 1 or self._given is not None
        field = found.field or sides_of(shape)
        spectra = spectra_of(y, field, None if rule else coils if several else 0)
        if self._sampled == "auto" or unsaid:
            found._sampled = seen_in(spectra)
            share = 100 * float(found._sampled.mean())
            log.info("mask: %.3g%% of the spectrum is measured, where y isn't 0.", share)
        if rule is not None:
            seen = found._measured(field, shape)
            maps = sensitivity.ESTIMATES[rule](one_of(spectra) * seen, seen)
            if (self.origin or ("centre" if kind is COMPLEX else "corner")) == "corner":
                maps = torch.fft.ifftshift(maps, dim=tuple(range(1, maps.ndim)))
            found._given = maps
        elif kind is COMPLEX and not several and 1 < len(y) == len(spectra) and y.ndim == 3:
            log.warning(
                "y is taken for %d measurements of one coil each. Try: maps='estimate' where it is "
                "one measurement of %d coils",
                *(len(y), len(y)),
            )
        return found

    def prepare(self) -> None:
        for option, value in (("mask", self._sampled), ("maps", self._given)):
            if isinstance(value, str):
                raise BadInputError(
                    f"{option}={value!r} is found in a measurement that was given, and here images "
                    "are measured.",
                    try_=f"y=…, or {option}=… itself",
                )
        sides = sides_of(self.shape)
        field = self.field or sides
        self._view = View.of(sides, field)
        self._axes = tuple(range(-len(sides), 0))
        maps = self._coils(sides, field)
        count = self.coils if maps is None else len(maps)
        coils = () if maps is None and count == 1 else (count,)
        self._maps = (
            Copies(partial(sensitivity.of_type, maps, self.coils, sides)) if coils else None
        )
        channels = (1,) if self._complex else self.shape[: -len(sides)]
        self.y_shape = (*channels, *coils, *field)
        self._mask = self._measured(field, self.shape).expand(self.y_shape)
        self._masks = Copies(self._mask.to)

    def A(self, x: Tensor) -> Tensor:
        image = COMPLEX.numbers(x) if self._complex else x
        if self._maps is not None:
            maps = self._maps.like(x.new_empty(0, dtype=x.dtype.to_complex()))
            image = image.unsqueeze(self._axes[0] - 1) * maps
        image = self._view.padded(image)
        if self.origin == "centre":
            image = torch.fft.ifftshift(image, dim=self._axes)
        spectrum = torch.fft.fftn(image, dim=self._axes, norm="ortho")
        return self._masks.like(x) * torch.fft.fftshift(spectrum, dim=self._axes)

    def A_adjoint(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.ifftshift(self._masks.like(y.real) * y, dim=self._axes)
        image = torch.fft.ifftn(spectrum, dim=self._axes, norm="ortho")
        if self.origin == "centre":
            image = torch.fft.fftshift(image, dim=self._axes)
        image = self._view.cut(image)
        if self._maps is not None:
            image = (image * self._maps.like(image).conj()).sum(self._axes[0] - 1)
        return COMPLEX.parts(image) if self._complex else image.real.contiguous()

    @property
    def mask(self) -> Tensor:
        """1 where a coefficient is measured, 0 elsewhere, (*y_shape)."""
        return self._mask

    def image(self, y: Tensor) -> Tensor:
        """The image that has zeros for all coefficients that weren't measured."""
        return self.A_adjoint(y)

    def question(self, y: Tensor, mask: Tensor | None) -> None:
        """Warn of a y whose slow waves seem to be at the corner, or aren't measured."""
        sides = self.y_shape[self._axes[0] :]
        found = self._mask if mask is None else mask
        masked = self._told or not torch.equal(found, self._mask)
        question_layout(y, sides, masked)
        question_middle(found.reshape(-1, *sides).any(0), masked)

    @property
    def memory(self) -> int:
        """Of the maps, and of their float64 version while they are computed."""
        if self._maps is None:
            return 0
        return 40 * math.prod(self.y_shape[self._axes[0] - 1 :])

    def _measured(self, field: Shape, shape: Shape) -> Tensor:
        """1 where a coefficient is measured, (*field): as it was given, or simulated."""
        if isinstance(self._sampled, Tensor):
            return placed(self._sampled, field)
        seed = self.seed or 0
        return Pattern(self.pattern, self.acceleration, self.centre, seed).over(field, shape)

    def _coils(self, sides: Shape, field: Shape) -> Tensor | None:
        """The maps that were given, over the image; None where they weren't."""
        given = self._given
        if not isinstance(given, Tensor):
            if self.coils > 1:
                require_picture(
                    f"coils={self.coils}", self.shape, "coils=1, or measured sensitivities, maps=…"
                )
            return None
        return sensitivity.over_image(given, self._view, sides, field)
