"""Orthonormal bases as priors: images are sums of a few cosines or wavelets."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from typing import Annotated, Any, Self

import numpy as np
import pywt
import torch
from pydantic import Field
from scipy.fft import dctn, idctn
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces import (
    MAX_MATRIX,
    Choices,
    Encoder,
    GaussianNoise,
    LinearDecoder,
    LinearOperator,
    MatrixOperator,
    Noise,
    Operator,
    Shape,
    Spec,
)

__all__ = ["DCT", "Basis", "Wavelet"]

USUAL = ("db1", "db4", "sym4", "coif1")  # wavelets
ORTHOGONAL = 1e-6  # how far ΦᵀΦ of a wavelet may be from the identity
Refused = tuple[str | None, list[dict[str, object]]]  # why, and ways that do better
FACTOR = 5.6  # of γ where y is a picture; benchmarks/calibrate_gamma.py
# (m/n, γ), the best on six validation faces; printed by benchmarks/calibrate_lasso.py.
WEIGHTS = ((0.008, 10.0), (0.04, 1.0), (0.08, 1.0), (0.2, 0.1), (0.4, 0.01), (0.8, 0.001))


class Basis(LinearDecoder, Encoder):
    """An orthonormal basis Φ, per channel: x = ½ + Φz and z = Φᵀ(x − ½).

    Images are of any kind, and Φ goes over all their axes but the channels. Grey is z = 0,
    so that the penalty doesn't pull towards black.

    Its defaults are a Lasso, R = ‖z‖₁, solved by coordinate descent where AΦ fits in memory
    and by FISTA otherwise. The paper's own weight is γ = 0.01 for every m.
    """

    def bind(self, shape: Shape) -> Self:
        """A copy for images of ``shape``. Raises BadInputError where the basis has none."""
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        bound.check(bound.shape)
        return bound

    def check(self, shape: Shape) -> None:
        """Raise BadInputError where the basis has no images of this shape."""

    @abstractmethod
    def synthesis(self, z: np.ndarray) -> np.ndarray:
        """Coefficients (B, *shape) → images (B, *shape), each channel by itself."""

    @abstractmethod
    def analysis(self, x: np.ndarray) -> np.ndarray:
        """Images (B, *shape) → coefficients (B, *shape), each channel by itself."""

    @property
    def latent_size(self) -> int:
        return math.prod(self._bound_shape)

    def decode(self, z: Tensor) -> Tensor:
        coefficients = z.detach().cpu().numpy().reshape(-1, *self._bound_shape)
        return torch.from_numpy(self.synthesis(coefficients)).to(z) + 0.5

    def decode_adjoint(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.analysis(x.detach().cpu().numpy())).to(x).flatten(1)

    def encode(self, x: Tensor) -> Tensor:
        return self.decode_adjoint(x - 0.5)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """‖z‖₁ with a γ that follows from what is measured, and a solver that fits it.

        Where y is a picture of some kind, γ = 5.6·gain²·(σ/gain)^1.5, so that the solution is the
        same when A and y are multiplied by a number; without noise γ is 0.01. Where the entries
        of y mix all pixels, γ falls with the share m/n of measured numbers, by ``WEIGHTS``.
        """
        gamma: float | None = 0.01
        if operator.sees_all and not noise.known:
            gamma = None
        elif not self._pictured(operator):
            shares, weights = zip(*WEIGHTS, strict=True)
            share = math.log(operator.entries / self.latent_size)
            gamma = math.exp(np.interp(share, np.log(shares), np.log(weights)))
        elif noise.known and noise.std:
            gain = operator.gain if isinstance(operator, LinearOperator) else 1.0
            gamma = FACTOR * noise.std**1.5 * gain**0.5
        refused, better = self._refused(operator)
        return Choices(
            space="latent",
            penalty="l1",
            gamma=None if gamma is None else float(f"{gamma:.2g}"),
            solver=self._solver(operator, noise),
            refused=refused,
            instead=better,
        )

    @staticmethod
    def _pictured(operator: Operator) -> bool:
        """Whether y is a picture of some kind, rather than numbers that each mix all pixels."""
        return operator.image(torch.zeros(1, *operator.y_shape)) is not None

    def _solver(self, operator: Operator, noise: Noise) -> Spec:
        """A solver of the Lasso for a linear A and Gaussian noise; else Adam, which takes any."""
        if not (isinstance(operator, LinearOperator) and isinstance(noise, GaussianNoise)):
            return {"name": "adam", "rate": 0.03}
        size = 8 * math.prod(operator.y_shape) * self.latent_size
        stored = isinstance(operator, MatrixOperator) and size <= MAX_MATRIX
        return "coordinate-descent" if stored else "fista"

    def _refused(self, operator: Operator) -> Refused:
        """Why others are better for this operator (docs/choosing.md), and which; None where none
        are."""
        if len(operator.shape) != 3:
            return None, []
        if operator.sees_all:
            said = "A basis of whole pictures removes their noise less well than a Gaussian filter."
            return said, [{"prior": "bm3d"}, {"prior": "none", "penalty": "tv", "gamma": ...}]
        if operator.sees_image:
            said = "A basis of whole pictures fills their holes less well than a straight line."
            return said, [{"prior": "none"}, {"prior": "patch-flow"}]
        if operator.loses_channels:
            return (
                "A basis takes every channel by itself, and knows nothing of colours that weren't "
                "measured; prior='none' gives gray."
            ), [{"prior": "none"}]
        return None, []

    @property
    def _bound_shape(self) -> Shape:
        if self.shape is None:
            raise RuntimeError("A basis needs a shape: use DCT().bind((3, 64, 64))")
        return self.shape


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

    def _refused(self, operator: Operator) -> Refused:
        """Also for blurred, small and projected pictures, where least squares alone is better; not
        for complex pictures, whose spectra it is not better of (docs/mri.md)."""
        blurred = not operator.sees_image and self._pictured(operator)
        if len(operator.shape) == 3 and blurred and not _complex(operator):
            return (
                "Wavelets do less well than least squares where y is a picture of some kind; they "
                "are for numbers that mix all pixels."
            ), [{"prior": "none"}, {"prior": "dct"}]
        return super()._refused(operator)

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
