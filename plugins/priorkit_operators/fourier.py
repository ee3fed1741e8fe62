"""Magnetic resonance: some of the Fourier coefficients, measured by one coil or several."""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Level, LinearOperator, Shape
from priorkit.io.arrays import numbers, read_array
from priorkit.streams import Streams
from priorkit_operators.checks import require_picture, sides_of

__all__ = ["Fourier"]


class Fourier(LinearOperator):
    """A x = M F S x: the orthonormal Fourier transform F of what each coil S sees, sampled by M.

    F goes over all axes but the channels, whatever kind of image x is. y is complex and as large
    as the whole spectrum, for pictures (C, H, W) or for several coils (C, coils, H, W), with the
    slow waves in the middle and zeros where nothing was measured. x is real: the adjoint is that
    of the real inner product, the real part of Sᴴ Fᴴ M y. Simulated noise has σ = 0.01, half of
    its variance in either part.

    Parameters
    ----------
    pattern : "lines" (whole columns of the spectrum, along its first axis, those nearest to the
        middle and others at random; of a spectrum with one axis single coefficients), "random"
        (single coefficients, likewise), or "radial" (spokes through the middle of a picture's)
    acceleration : how many times fewer coefficients are measured than there are, the middle
        among them
    centre : part of the columns, or of each side, that is always measured, in the middle; an
        acceleration that measures fewer coefficients than that is refused
    coils : how many; several stand around a picture with smooth sensitivities, |S₁|² + … = 1
    maps : measured sensitivities instead, a complex .npy file or array, (coils, H, W) for pictures
    seed : of the pattern; default: the run's

    References: Lustig, Donoho & Pauly, "Sparse MRI: the application of compressed sensing for
    rapid MR imaging", Magn. Reson. Med. 2007; Pruessmann et al., "SENSE: sensitivity encoding
    for fast MRI", Magn. Reson. Med. 1999.
    """

    default_noise = Level(sigma=0.01)

    def __init__(
        self,
        *,
        pattern: Literal["lines", "random", "radial"] = "lines",
        acceleration: Annotated[float, Field(ge=1)] = 4.0,
        centre: Annotated[float, Field(ge=0, le=1)] = 0.08,
        coils: Annotated[int, Field(ge=1, le=256)] = 1,
        maps: Any = None,
        seed: int | None = None,
    ) -> None:
        self.pattern, self.acceleration, self.centre = pattern, acceleration, centre
        self.coils, self.seed = coils, seed
        self._given = None if maps is None else _read_maps(maps)

    def prepare(self) -> None:
        sides = sides_of(self.shape)
        self._axes = tuple(range(-len(sides), 0))
        coils = self._coils(sides)
        self._maps = Copies(partial(_maps, self._given, self.coils, sides)) if coils else None
        self.y_shape = (*self.shape[: -len(sides)], *coils, *sides)
        self._mask = _PATTERNS[self.pattern](self, sides).expand(self.y_shape)

    def A(self, x: Tensor) -> Tensor:
        if self._maps is not None:
            x = x.unsqueeze(self._axes[0] - 1) * self._maps.like(_as_complex(x))
        spectrum = torch.fft.fftn(x, dim=self._axes, norm="ortho")
        return self._mask.to(x.device) * torch.fft.fftshift(spectrum, dim=self._axes)

    def A_adjoint(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.ifftshift(self._mask.to(y.device) * y, dim=self._axes)
        x = torch.fft.ifftn(spectrum, dim=self._axes, norm="ortho")
        if self._maps is not None:
            x = (x * self._maps.like(x).conj()).sum(self._axes[0] - 1)
        return x.real.contiguous()

    @property
    def mask(self) -> Tensor:
        """1 where a coefficient is measured, 0 elsewhere, (*y_shape)."""
        return self._mask

    def image(self, y: Tensor) -> Tensor:
        """The image that has zeros for all coefficients that weren't measured."""
        return self.A_adjoint(y)

    @property
    def memory(self) -> int:
        """Of the maps, and of their float64 version while they are computed."""
        if self._maps is None:
            return 0
        return 40 * math.prod(self.y_shape[self._axes[0] - 1 :])

    def _coils(self, sides: Shape) -> tuple[int, ...]:
        """The axis of the coils in the shape of y: (coils,), or () where there is one coil."""
        if self._given is None:
            if self.coils > 1:
                require_picture(
                    f"coils={self.coils}", self.shape, "coils=1, or measured sensitivities, maps=…"
                )
            return () if self.coils == 1 else (self.coils,)
        if tuple(self._given.shape[1:]) != sides:
            raise BadInputError(
                f"Sensitivity maps must be (coils, {', '.join(map(str, sides))}).",
                got=tuple(self._given.shape),
            )
        return (len(self._given),)

    def _lines(self, sides: Shape) -> Tensor:
        away = _away(sides[1:] or sides)
        return self._chosen(away.flatten(), "lines").view(away.shape).expand(sides)

    def _points(self, sides: Shape) -> Tensor:
        return self._chosen(_away(sides).flatten(), "points").view(sides)

    def _chosen(self, away: Tensor, purpose: str) -> Tensor:
        """1 for the middle and for others at random, up to the share that is measured."""
        count = max(1, round(len(away) / self.acceleration))
        middle = self._middle(away, count)
        order = Streams(self.seed or 0, f"fourier {purpose}", [0]).uniform(len(away))[0]
        chosen = torch.zeros(len(away))
        chosen[torch.argsort(torch.where(middle, -1.0, order))[:count]] = 1
        return chosen

    def _middle(self, away: Tensor, count: int) -> Tensor:
        """Which coefficients are always measured, by their distance in parts of the side.

        Raises BadInputError where they are more than ``count``, the number that is measured in all.
        """
        middle = away <= 0.5 * self.centre
        if (asked := int(middle.sum())) > count:
            beyond = float(away.flatten().sort().values[count])
            fits = float(away[away < beyond].max()) + beyond  # twice the mean of two distances
            columns = self.pattern == "lines" and len(self._axes) > 1
            what = "columns" if columns else "coefficients"
            raise BadInputError(
                f"acceleration={self.acceleration:g} leaves {count} of {away.numel()} {what}, "
                f"fewer than the {asked} in the middle.",
                got=f"centre={self.centre:g}",
                try_=f"centre={fits:.4g}, or acceleration={away.numel() // asked}",
            )
        return middle

    def _spokes(self, sides: Shape) -> Tensor:
        """Spokes a golden angle apart, as many as it takes to measure the wanted share."""
        require_picture("pattern='radial'", self.shape, "pattern='random', or 'lines'")
        height, width = sides
        wanted = height * width / self.acceleration
        if wanted >= height * width:  # would take very many spokes
            return torch.ones(height, width)
        seen = self._middle(_away(sides), max(1, round(wanted))).float()
        steps = torch.linspace(-0.5, 0.5, 2 * max(height, width) + 1, dtype=torch.float64)
        for spoke in range(4 * (height + width)):
            angle = spoke * math.pi * (math.sqrt(5) - 1) / 2
            rows = (height // 2 + steps * height * math.sin(angle)).round().long()
            columns = (width // 2 + steps * width * math.cos(angle)).round().long()
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            seen[rows[inside], columns[inside]] = 1
            if float(seen.sum()) >= wanted:
                return seen
        return torch.ones_like(seen)


_PATTERNS = {"lines": Fourier._lines, "random": Fourier._points, "radial": Fourier._spokes}


def _away(sides: Shape) -> Tensor:
    """Distance from the slowest wave, in parts of the sides, the greatest of all axes."""
    each = [(torch.arange(side).double() - side // 2).abs() / side for side in sides]
    return torch.stack(torch.meshgrid(each, indexing="ij")).amax(0)


def _as_complex(x: Tensor) -> Tensor:
    return torch.empty(0, dtype=x.dtype.to_complex(), device=x.device)


def _maps(
    given: Tensor | None,
    coils: int,
    sides: Shape,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """The sensitivities that were given, or those of coils around a picture."""
    return (_around(coils, *sides) if given is None else given).to(device, dtype)


def _around(coils: int, height: int, width: int) -> Tensor:
    """Coils on a circle: sensitivity falls with the distance, each coil has its own phase."""
    rows = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    columns = torch.linspace(-1, 1, width, dtype=torch.float64)
    angles = [2 * math.pi * k / coils for k in range(coils)]
    bells = torch.empty(coils, height, width, dtype=torch.complex128)
    for bell, a in zip(bells, angles, strict=True):
        away = (rows - math.sin(a)) ** 2 + (columns - math.cos(a)) ** 2
        phase = torch.exp(1j * (a + rows * math.cos(a) - columns * math.sin(a)))
        bell[:] = torch.exp(-away / 2) * phase
    return bells.div_(bells.abs().square().sum(0).sqrt())


def _read_maps(maps: Any) -> Tensor:
    array = read_array(Path(maps)) if isinstance(maps, (str, os.PathLike)) else maps
    found = numbers(array, "What sensitivity maps are read from").to(torch.complex128)
    if found.ndim < 2 or 0 in found.shape:
        raise BadInputError(
            "Sensitivity maps are (coils, H, W), or (coils, …) for other images.",
            got=tuple(found.shape),
        )
    if not bool(torch.isfinite(torch.view_as_real(found)).all()):
        raise BadInputError("The sensitivity maps have values that are NaN or infinite.")
    return found
