"""Orthonormal bases: images are sums of a few cosines or wavelets."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import pywt
import torch
from pydantic import Field
from scipy.fft import dctn, idctn

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces import Operator, Shape
from priorkit_sparsity.lasso import Basis, Refused

__all__ = ["DCT", "Wavelet"]

USUAL = ("db1", "db4", "sym4", "coif1")  # wavelets
ORTHOGONAL = 1e-6  # how far ΦᵀΦ of a wavelet may be from the identity


class DCT(Basis):
    """The orthonormal discrete cosine transform of type II over each channel.

    Reference: Ahmed, Natarajan & Rao, "Discrete cosine transform", IEEE Trans. Comp. 1974.
    """

    def synthesis(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(idctn(z, norm="ortho", axes=_axes(z)))

    def analysis(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(dctn(x, norm="ortho", axes=_axes(x)))


class Wavelet(Basis):
    """An orthogonal wavelet basis, periodic at the border, over each channel.

    Parameters
    ----------
    wavelet : name of an orthogonal wavelet of PyWavelets, such as "db1" (Haar), "db4", "sym4"
    levels : how often the image is halved; default: as often as it can be

    Reference: Mallat, "A theory for multiresolution signal decomposition", PAMI 1989.
    """

    def __init__(
        self,
        *,
        wavelet: Annotated[str, Field(examples=list(USUAL))] = "db1",
        levels: int | None = None,
    ) -> None:
        if wavelet not in pywt.wavelist(kind="discrete") and wavelet != "haar":
            raise BadInputError(
                "There is no such wavelet.",
                got=repr(wavelet),
                try_="db1, db4, sym4 or coif1",
            )
        if (off := _not_orthogonal(wavelet)) > ORTHOGONAL:
            raise BadInputError(
                "The proximal step needs an orthogonal wavelet.",
                got=f"{wavelet!r}, whose ΦᵀΦ is {off:.1g} from the identity",
                try_="db1, db4, sym4 or coif1",
            )
        if levels is not None and levels < 1:
            raise BadInputError("A wavelet basis has at least one level.", got=levels)
        self.wavelet, self.levels = wavelet, levels

    def better(self, operator: Operator) -> Refused:
        """Also for blurred, small and projected pictures, where least squares alone is better; not
        for complex pictures, whose spectra it is not better of (docs/mri.md)."""
        blurred = not operator.sees_image and self.pictured(operator)
        if len(operator.shape) == 3 and blurred and not _complex(operator):
            return (
                "Wavelets do less well than least squares where y is a picture of some kind; they "
                "are for numbers that mix all pixels."
            ), [{"prior": "none"}, {"prior": "dct"}]
        return super().better(operator)

    def check(self, shape: Shape) -> None:
        sides = shape[1:] or shape
        common = math.gcd(*sides)
        possible = (common & -common).bit_length() - 1
        if possible == 0 or (self.levels or 1) > possible:
            asked = self.levels or 1
            size = "×".join(map(str, sides))
            which = "both sides" if len(sides) == 2 else "every side"
            raise BadInputError(
                f"A wavelet basis halves {which} {counted(asked, 'times')}.",
                got=f"{size}, which can be halved {counted(possible, 'times')}",
                try_=f"levels={possible}" if possible else "sides that are even",
            )
        self._depth = self.levels or possible
        # Where each band lies in one array of coefficients; the same for all channels.
        coefficients = pywt.wavedecn(
            np.zeros(sides), self.wavelet, "periodization", level=self._depth
        )
        self._bands: Any = pywt.coeffs_to_array(coefficients)[1]

    def synthesis(self, z: np.ndarray) -> np.ndarray:
        top, *rest = self._bands
        bands = [z[..., *top], *({k: z[..., *band[k]] for k in band} for band in rest)]
        x = pywt.waverecn(bands, self.wavelet, "periodization", axes=_axes(z))
        return np.asarray(x, dtype=z.dtype)

    def analysis(self, x: np.ndarray) -> np.ndarray:
        top, *rest = self._bands
        found = pywt.wavedecn(x, self.wavelet, "periodization", level=self._depth, axes=_axes(x))
        z = np.empty_like(x)
        z[..., *top] = found[0]
        for band, details in zip(rest, found[1:], strict=True):
            for key in band:
                z[..., *band[key]] = details[key]
        return z


def _not_orthogonal(wavelet: str) -> float:
    """How far a wavelet is from orthogonal, by its filters; 0 for an orthogonal one.

    Of an orthogonal wavelet, the synthesis filters are the reversed analysis filters, and the
    product of a filter with itself moved by 2k is 1 for k = 0 and 0 for others. PyWavelets'
    own flag isn't enough: it calls dmey orthogonal, whose filter is truncated.
    """
    filters = np.array(pywt.Wavelet(wavelet).filter_bank)
    analysis, synthesis = filters[:2], filters[2:]
    products = np.stack([np.correlate(h, h, "full")[len(h) - 1 :: 2] for h in synthesis])
    products[:, 0] -= 1
    return float(max(np.abs(analysis - synthesis[:, ::-1]).max(), np.abs(products).max()))


def _axes(x: np.ndarray) -> tuple[int, ...]:
    """All but the batch and the channels, of which a vector has none."""
    return tuple(range(min(2, x.ndim - 1), x.ndim))


def _complex(operator: Operator) -> bool:
    """Whether an operator measures complex pictures, two channels, by complex numbers."""
    pair = len(operator.shape) == 3 and operator.shape[0] == 2
    return pair and operator.A(torch.zeros(1, *operator.shape)).is_complex()
