"""How sensitive each coil is at each pixel: simulated, read, or estimated from the middle of y.

Maps are (coils, *sides), complex. Those of an estimate have |S₁|² + … = 1, and the phase of an
image and of its maps can't be told apart: theirs is that of the mixture of coils which sees the
most, whose own phase is taken for 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import BadInputError, needed
from priorkit.interfaces import Shape
from priorkit.io.arrays import require_finite
from priorkit.io.raw import raw
from priorkit_operators.field import View
from priorkit_operators.sampling import away

__all__ = ["ESTIMATES", "around", "espirit", "of_type", "over_image", "read_maps"]

FEWEST, MOST = 3, 12  # coefficients each side of the slowest that an estimate takes
NEIGHBOURS = 8  # the fewest that ESPIRiT takes, whose matrix has a row for each place of a kernel
KERNEL = 6  # of ESPIRiT, in coefficients
NEAR = 0.05  # in parts of a side, from the slowest coefficient: the middle, whatever was measured


def around(coils: int, height: int, width: int) -> Tensor:
    """Coils on a circle: sensitivity falls with the distance, each coil has its own phase."""
    rows = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    columns = torch.linspace(-1, 1, width, dtype=torch.float64)
    angles = [2 * math.pi * k / coils for k in range(coils)]
    bells = torch.empty(coils, height, width, dtype=torch.complex128)
    for bell, a in zip(bells, angles, strict=True):
        off = (rows - math.sin(a)) ** 2 + (columns - math.cos(a)) ** 2
        phase = torch.exp(1j * (a + rows * math.cos(a) - columns * math.sin(a)))
        bell[:] = torch.exp(-off / 2) * phase
    return bells.div_(bells.abs().square().sum(0).sqrt())


def read_maps(maps: Any) -> Tensor:
    """A user's maps: an array, or what y may be too, such as a dataset in a file. Raises
    BadInputError."""
    found = raw(maps, "What sensitivity maps are read from").to(torch.complex128)
    if found.ndim < 2 or 0 in found.shape:
        raise BadInputError(
            "Sensitivity maps are (coils, H, W), or (coils, …) for other images.",
            got=tuple(found.shape),
        )
    require_finite(found, "An array of sensitivity maps")
    return found


def over_image(maps: Tensor, view: View, sides: Shape, field: Shape) -> Tensor:
    """Maps (coils, …) of an image, or of the field of view around it, as those of the image,
    (coils, *sides). Raises BadInputError for another size."""
    if tuple(maps.shape[1:]) == field:
        return view.cut(maps)
    if tuple(maps.shape[1:]) != sides:
        raise BadInputError(
            f"Sensitivity maps must be (coils, {', '.join(map(str, sides))}).",
            got=tuple(maps.shape),
        )
    return maps


def of_type(
    maps: Tensor | None, coils: int, sides: Shape, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """The maps that were given, or those of coils around a picture."""
    return (around(coils, *sides) if maps is None else maps).to(device, dtype)


def low_resolution(y: Tensor, mask: Tensor) -> Tensor:
    """Maps from centred spectra y (coils, *sides) whose middle is measured, (coils, *sides):

        S_k = c_k/√(Σ|c|²) · r̄/|r|,   c_k = Fᴴ(w y_k),   r = Σ v̄_k c_k,

    w a Hann window over the middle, and v the mixture of coils in which that has the most energy.

    Raises BadInputError where too little of the middle is measured.

    Reference: Roemer, Edelstein, Hayes, Souza & Mueller, "The NMR phased array", Magn. Reson.
    Med. 1990 (the sum of squares); McKenzie, Yeh, Ohliger, Price & Sodickson, "Self-calibrating
    parallel imaging with automatic coil sensitivity extraction", Magn. Reson. Med. 2002.
    """
    sides = tuple(y.shape[1:])
    window = torch.ones(sides, dtype=torch.float64)
    for axis, (side, half) in enumerate(zip(sides, _halves(mask), strict=True)):
        far = (torch.arange(side).double() - side // 2).abs()
        hann = (math.pi * far / (2 * (half + 1))).cos().square() * (far <= half)
        window = window * hann.view(-1, *[1] * (len(sides) - axis - 1))
    axes = tuple(range(1, y.ndim))
    middle = y.to(torch.complex128) * window
    seen = torch.fft.ifftn(torch.fft.ifftshift(middle, axes), dim=axes, norm="ortho")
    seen = torch.fft.fftshift(seen, axes)
    size = seen.abs().square().sum(0).sqrt()
    return _turned(seen / size.clamp_min(torch.finfo(size.dtype).tiny), _mixture(middle))


def espirit(y: Tensor, mask: Tensor) -> Tensor:
    """Maps as the eigenvectors of what the middle of y says of neighbours, by the package sigpy,
    (coils, *sides): 0 where no eigenvalue is near 1, as where there is nothing to see.

    Raises BadInputError where too little of the middle is measured, MismatchError without sigpy.

    Reference: Uecker, Lai, Murphy, Virtue, Elad, Pauly, Vasanawala & Lustig, "ESPIRiT – an
    eigenvalue approach to autocalibrating parallel MRI: where SENSE meets GRAPPA", Magn. Reson.
    Med. 2014.
    """
    with needed("sigpy", "maps='espirit' needs", "mri"):
        from sigpy.mri.app import EspiritCalib
    wide = 2 * min(_halves(mask, NEIGHBOURS, "maps='estimate'"))  # sigpy takes a square
    whole = y.to(torch.complex64).cpu().numpy()
    with np.errstate(invalid="ignore"):  # sigpy divides by sizes that are 0
        calibration = EspiritCalib(whole, calib_width=wide, kernel_width=KERNEL, show_pbar=False)
        found = calibration.run()
    parts = torch.nan_to_num(torch.view_as_real(torch.from_numpy(found)))  # 0/0 of a phase
    maps = torch.view_as_complex(parts).to(torch.complex128)
    middle = y.to(torch.complex128) * (away(tuple(y.shape[1:])) <= NEAR)
    return _turned(maps, _mixture(middle))


def _halves(mask: Tensor, fewest: int = FEWEST, try_: str | None = None) -> list[int]:
    """How many coefficients each side of the slowest are measured, at most ``MOST``: of every axis
    in proportion to its length. Raises BadInputError where they are fewer than ``fewest``."""
    sides = tuple(mask.shape)
    holes = away(sides)[mask == 0]
    reach = float(holes.min()) if len(holes) else 1.0
    halves = [min(MOST, math.ceil(reach * side) - 1, (side - 1) // 2) for side in sides]
    if min(halves) < fewest:
        raise BadInputError(
            "Coil maps are estimated from the middle of the spectrum, measured without gaps.",
            got=f"{'×'.join(str(2 * max(half, 0) + 1) for half in halves)} coefficients, "
            f"{2 * fewest + 1} of each axis are needed",
            try_=f"{try_}, or maps=… that were measured" if try_ else "maps=… that were measured",
        )
    return halves


def _mixture(middle: Tensor) -> Tensor:
    """Weights (coils,) of the coils in whose sum Σ v̄_k y_k the spectra have the most energy."""
    rows = middle.flatten(1)
    leading = torch.linalg.eigh(rows @ rows.mH).eigenvectors[:, -1]
    largest = leading[leading.abs().argmax()]
    return leading * (largest.conj() / largest.abs())


def _turned(maps: Tensor, mixture: Tensor) -> Tensor:
    """Maps turned at every pixel so that the mixture of coils sees a phase of 0."""
    seen = torch.einsum("k,k...->...", mixture.conj(), maps)
    return maps * torch.where(seen == 0, 1, torch.sgn(seen).conj())


ESTIMATES = {"estimate": low_resolution, "espirit": espirit}  # the rules, by their names
