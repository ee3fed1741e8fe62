"""Which coefficients of a spectrum are measured: simulated patterns, and a scanner's own."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.arrays import require_finite
from priorkit.io.pictures import dimensions
from priorkit.io.raw import raw
from priorkit.streams import Streams
from priorkit_operators.checks import real_array, require_picture

__all__ = [
    "Pattern",
    "PatternName",
    "away",
    "one_of",
    "placed",
    "question_layout",
    "question_middle",
    "read_mask",
    "require_measured",
    "seen_in",
    "spectra_of",
]

log = logging.getLogger("priorkit")

PatternName = Literal["lines", "random", "radial"]
MIDDLE, ENDS = 1 / 8, 3 / 8  # of a side: so near to the slowest wave, and so far from it
LARGE, MOSTLY = 5.0, 0.6  # the ends' energy over the middle's, and of all: of pictures 100 and 0.9


@dataclass(frozen=True)
class Pattern:
    """A simulated choice of coefficients, see :class:`~priorkit_operators.fourier.Fourier`."""

    name: PatternName
    acceleration: float
    centre: float
    seed: int

    def over(self, sides: Shape, shape: Shape) -> Tensor:
        """1 where a coefficient is measured, (*sides), for images of a ``shape``.

        Raises BadInputError where spokes don't fit the image, or the middle the acceleration.
        """
        if self.name == "radial":
            require_picture("pattern='radial'", shape, "pattern='random', or 'lines'")
            return self._spokes(sides)
        if self.name == "random":
            return self._chosen(away(sides).flatten(), "points").view(sides)
        far = away(sides[1:] or sides)
        return self._chosen(far.flatten(), "lines", len(sides) > 1).view(far.shape).expand(sides)

    def _chosen(self, far: Tensor, purpose: str, columns: bool = False) -> Tensor:
        """1 for the middle and for others at random, up to the share that is measured."""
        count = max(1, round(len(far) / self.acceleration))
        middle = self._middle(far, count, columns)
        order = Streams(self.seed, f"fourier {purpose}", [0]).uniform(len(far))[0]
        chosen = torch.zeros(len(far))
        chosen[torch.argsort(torch.where(middle, -1.0, order))[:count]] = 1
        return chosen

    def _middle(self, far: Tensor, count: int, columns: bool = False) -> Tensor:
        """Which coefficients are always measured, by their distance in parts of the side.

        Raises BadInputError where they are more than ``count``, the number that is measured in all.
        """
        middle = far <= 0.5 * self.centre
        if (asked := int(middle.sum())) > count:
            beyond = float(far.flatten().sort().values[count])
            fits = float(far[far < beyond].max()) + beyond  # twice the mean of two distances
            what = "columns" if columns else "coefficients"
            raise BadInputError(
                f"acceleration={self.acceleration:g} leaves {count} of {far.numel()} {what}, "
                f"fewer than the {asked} in the middle.",
                got=f"centre={self.centre:g}",
                try_=f"centre={fits:.4g}, or acceleration={far.numel() // asked}",
            )
        return middle

    def _spokes(self, sides: Shape) -> Tensor:
        """Spokes a golden angle apart, as many as it takes to measure the wanted share."""
        height, width = sides
        wanted = height * width / self.acceleration
        if wanted >= height * width:  # would take very many spokes
            return torch.ones(height, width)
        seen = self._middle(away(sides), max(1, round(wanted))).float()
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


def away(sides: Shape) -> Tensor:
    """Distance from the slowest wave, in parts of the sides, the greatest of all axes."""
    each = [(torch.arange(side).double() - side // 2).abs() / side for side in sides]
    return torch.stack(torch.meshgrid(each, indexing="ij")).amax(0)


def read_mask(given: Any) -> Tensor:
    """A user's mask as zeros and ones, measured where it isn't 0: an array, or what y may be too,
    such as a dataset in a file.

    Raises BadInputError for what holds no real numbers, or none that is finite and not 0.
    """
    found = real_array(raw(given, "A mask of the spectrum"), "A mask of the spectrum")
    require_finite(found, "The mask of the spectrum")
    if not bool(found.any()):
        raise BadInputError("The mask of the spectrum measures nothing: all of it is 0.")
    return (found != 0).float()


def placed(mask: Tensor, sides: Shape) -> Tensor:
    """A mask over a whole spectrum (*sides); one of a single axis is of the columns, and axes of
    length 1 are repeated. Raises BadInputError for another size."""
    own = mask
    while own.ndim > len(sides) and own.shape[0] == 1:
        own = own[0]
    fits = own.ndim in (1, len(sides)) and all(
        a in (1, b) for a, b in zip(own.shape, sides[-own.ndim :], strict=True)
    )
    if not fits or own.shape[-1] == 1 < sides[-1]:
        columns = f", or of its {sides[-1]} columns" if len(sides) > 1 else ""
        raise BadInputError(
            f"The mask must be that of a spectrum of {dimensions(sides)}{columns}.",
            got=dimensions(mask.shape) or "a single number",
        )
    return own.expand(sides)


def spectra_of(y: Tensor, sides: Shape, coils: int | None) -> Tensor:
    """A measurement of spectra, one or a batch, as (N, coils, *sides); ``coils`` is how many have
    an axis of y, 0 where there is no such axis, None where y tells.

    Raises BadInputError for another shape or values.
    """
    if not y.is_complex():
        raise BadInputError(
            "The measurement y is real, and the operator's output is complex.",
            try_="y + 0j, if its imaginary part is 0",
        )
    require_finite(y, "The measurement y")
    before, own = tuple(y.shape[: -len(sides)]), tuple(y.shape[-len(sides) :])
    axis = () if coils == 0 else before[-1:] if coils is None else (coils,)
    if own != tuple(sides) or not y.numel() or (coils != 0 and (not axis or before[-1:] != axis)):
        first = () if coils == 0 else ("coils" if coils is None else str(coils),)
        raise BadInputError(
            f"The measurement y must be ({', '.join([*first, *map(str, sides)])}), or a batch of "
            "these.",
            got=tuple(y.shape),
            try_="shape=… of the image, and field=… of the spectrum where that is larger",
        )
    return y.reshape(-1, *(axis or (1,)), *sides)


def one_of(spectra: Tensor) -> Tensor:
    """The only measurement (coils, *sides) of a batch. Raises BadInputError where it has more."""
    if len(spectra) > 1:
        raise BadInputError(
            "Coil maps are estimated for one measurement at a time.",
            got=f"{len(spectra)} of them",
            try_="slice=0 of a file or y=y[0], and a run for each, or maps=… that hold for all",
        )
    return spectra[0]


def require_measured(mask: Tensor, y: Tensor, sides: Shape) -> None:
    """Raise BadInputError where y (…, *sides) is 0 in most places that a mask calls measured."""
    if tuple(y.shape[-len(sides) :]) != tuple(sides):
        return  # refused elsewhere, with the shape that it should have
    asked = placed(mask, sides) > 0
    measured = (y != 0).reshape(-1, *sides).any(0)
    empty = float((asked & ~measured).sum() / asked.sum())
    if empty > 0.5:
        raise BadInputError(
            "The mask isn't that of y, which is 0 in most places that it calls measured.",
            got=f"{100 * empty:.3g}% of them",
            try_="mask='auto', what isn't 0 in y; a mask is 1 where it measures, of columns or all",
        )


def question_layout(y: Tensor, sides: Shape, masked: bool) -> None:
    """Warn of spectra (…, *sides) whose slow waves seem to be at the corner, as numpy.fft has them:
    along an axis the ends have five times the energy of the middle, and most of all.

    Of 180 photographs, faces and slices of a head, as they are and with noise as strong as they,
    none has more than a third of its energy there in whole spectra, sampled ones or halves, and
    none at the corner less than two thirds. ``masked`` says that there is a mask of the user's.
    """
    if tuple(y.shape[-len(sides) :]) != tuple(sides):
        return  # refused elsewhere
    power = y.abs().double().square().reshape(-1, *sides).sum(0)
    turned = []
    for axis, side in enumerate(sides):
        others = [other for other in range(len(sides)) if other != axis]
        along = power.sum(others) if others else power
        far = away((side,))
        middle, ends = along[far <= MIDDLE].sum(), along[far >= ENDS].sum()
        if bool((ends > LARGE * middle) & (ends > MOSTLY * along.sum())):
            turned.append(axis - len(sides))
    if turned:
        axes = f"({', '.join(map(str, turned))}{',' if len(turned) == 1 else ''})"
        log.warning(
            "The spectrum of y has its energy at the ends of axes %s, and nearly nothing in the "
            "middle, where the slow waves belong: as numpy.fft leaves it. Try: "
            "numpy.fft.fftshift(y, axes=%s)%s; and origin='corner', if that of x wasn't moved "
            "to its centre before",
            *(axes, axes, ", and the mask likewise" if masked else ""),
        )


def question_middle(seen: Tensor, masked: bool) -> None:
    """Warn where of a spectrum (*sides) neither the slowest wave nor one beside it is ``seen``: of
    those is most of a picture. ``masked`` as of :func:`question_layout`."""
    slow = tuple(slice(max(0, side // 2 - 1), side // 2 + 2) for side in seen.shape)
    if bool(seen[slow].any()) or not bool(seen.any()):
        return
    turned = " Try: numpy.fft.fftshift(mask), if its slowest wave is first, as numpy.fft has it"
    log.warning(
        "Nothing is measured in the middle of the spectrum, where the slowest waves are: how "
        "bright x is isn't known.%s",
        turned if masked and bool(seen[(0,) * seen.ndim]) else "",
    )


def seen_in(y: Tensor) -> Tensor:
    """What isn't 0 in spectra (N, coils, *sides), in any coil: zeros and ones, (*sides).

    Raises BadInputError where nothing is, and where the N measurements differ.
    """
    each = (y != 0).any(1)
    seen = each.any(0)
    if not bool(seen.any()):
        raise BadInputError("The measurement y is 0 everywhere.")
    if not bool((each == seen).all()):
        raise BadInputError(
            "What is 0 in y wasn't measured, and these measurements have zeros in several places.",
            try_="a run for each, or mask=… of all",
        )
    return seen.float()
