"""Orthonormal bases as priors: images are sums of a few cosines or wavelets."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from typing import Any

import numpy as np
import pywt
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Choices,
    Encoder,
    LinearDecoder,
    MatrixOperator,
    Noise,
    Operator,
    Shape,
)
from priorkit_sparsity.coordinate import MAX_BYTES

__all__ = ["DCT", "Basis", "Wavelet"]


class Basis(LinearDecoder, Encoder):
    """An orthonormal basis Φ, per channel: x = ½ + Φz and z = Φᵀ(x − ½).

    Grey is z = 0, so that the penalty doesn't pull towards black.

    Its defaults are the paper's Lasso: R = ‖z‖₁ with γ = 0.01, solved by coordinate descent
    where AΦ fits in memory and by FISTA otherwise.
    """

    def bind(self, shape: Shape) -> Basis:
        """A copy for images of ``shape``. Raises BadInputError where the basis has no such."""
        if len(shape) != 3:
            raise BadInputError("This basis is for pictures (C, H, W).", got=shape)
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        bound.check(bound.shape)
        return bound

    def check(self, shape: Shape) -> None:
        """Raise BadInputError where the basis has no images of this shape."""

    @abstractmethod
    def synthesis(self, z: np.ndarray) -> np.ndarray:
        """Coefficients (N, H, W) → planes (N, H, W)."""

    @abstractmethod
    def analysis(self, x: np.ndarray) -> np.ndarray:
        """Planes (N, H, W) → coefficients (N, H, W)."""

    @property
    def latent_size(self) -> int:
        return math.prod(self._bound_shape)

    def decode(self, z: Tensor) -> Tensor:
        shape = self._bound_shape
        planes = z.detach().cpu().numpy().reshape(-1, *shape[1:])
        return torch.from_numpy(self.synthesis(planes)).to(z).view(-1, *shape) + 0.5

    def decode_adjoint(self, x: Tensor) -> Tensor:
        planes = x.detach().cpu().numpy().reshape(-1, *x.shape[-2:])
        return torch.from_numpy(self.analysis(planes)).to(x).view(len(x), -1)

    def encode(self, x: Tensor) -> Tensor:
        return self.decode_adjoint(x - 0.5)

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """‖z‖₁ with γ = 0.01; from σ on whole noisy pictures, where γ = 0.01 keeps the noise.

        There ‖z − Φᵀy‖² + γ‖z‖₁ thresholds every coefficient at γ/2, and γ = 5σ is 2.5σ.
        """
        whole = operator.y_shape == self.shape and operator.seen() is None
        gamma: float | None = 0.01
        if whole:
            std = noise.std(math.prod(operator.y_shape))
            known = noise.sigma is not None or noise.noise_norm is not None
            gamma = 5 * std if known and std else (0.01 if known else None)
        size = 8 * math.prod(operator.y_shape) * self.latent_size
        stored = isinstance(operator, MatrixOperator) and size <= MAX_BYTES
        return Choices(
            space="latent",
            penalty="l1",
            gamma=gamma,
            solver="coordinate-descent" if stored else "fista",
            budget=3000,
        )

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
        return np.asarray(idctn(z, norm="ortho", axes=(-2, -1)))

    def analysis(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(dctn(x, norm="ortho", axes=(-2, -1)))


class Wavelet(Basis):
    """An orthogonal wavelet basis, periodic at the border, over each channel.

    Parameters
    ----------
    wavelet : name of an orthogonal wavelet of PyWavelets, such as "db1" (Haar), "db4", "sym4"
    levels : how often the image is halved; default: as often as it can be

    Reference: Mallat, "A theory for multiresolution signal decomposition", PAMI 1989.
    """

    def __init__(self, *, wavelet: str = "db1", levels: int | None = None) -> None:
        orthogonal = [n for n in pywt.wavelist(kind="discrete") if pywt.Wavelet(n).orthogonal]
        if wavelet not in pywt.wavelist(kind="discrete") and wavelet != "haar":
            raise BadInputError(
                "There is no such wavelet.", got=repr(wavelet), try_="db1, db4, sym4 or coif1"
            )
        if wavelet not in [*orthogonal, "haar"]:
            raise BadInputError(
                "The proximal step needs an orthogonal wavelet.",
                got=f"{wavelet!r}, which is biorthogonal",
                try_="db1, db4, sym4 or coif1",
            )
        if levels is not None and levels < 1:
            raise BadInputError("A wavelet basis has at least one level.", got=levels)
        self.wavelet, self.levels = wavelet, levels

    def check(self, shape: Shape) -> None:
        height, width = shape[1:]
        possible = (math.gcd(height, width) & -math.gcd(height, width)).bit_length() - 1
        if possible == 0 or (self.levels or 1) > possible:
            asked = self.levels or 1
            raise BadInputError(
                f"A wavelet basis halves both sides {asked} time{'s' if asked > 1 else ''}.",
                got=f"{height}×{width}, which can be halved {possible} times",
                try_=f"levels={possible}" if possible else "sides that are even",
            )
        self._depth = self.levels or possible
        # Where each band lies in one (H, W) array of coefficients; the same for all planes.
        coefficients = pywt.wavedec2(
            np.zeros((height, width)), self.wavelet, "periodization", level=self._depth
        )
        self._bands: Any = pywt.coeffs_to_array(coefficients)[1]

    def synthesis(self, z: np.ndarray) -> np.ndarray:
        top, *rest = self._bands
        bands: list[Any] = [z[:, *top], *({k: z[:, *band[k]] for k in band} for band in rest)]
        details = [tuple(band[k] for k in ("da", "ad", "dd")) for band in bands[1:]]
        planes = pywt.waverec2([bands[0], *details], self.wavelet, "periodization", axes=(-2, -1))
        return np.asarray(planes, dtype=z.dtype)

    def analysis(self, x: np.ndarray) -> np.ndarray:
        top, *rest = self._bands
        found = pywt.wavedec2(x, self.wavelet, "periodization", level=self._depth, axes=(-2, -1))
        z = np.empty_like(x)
        z[:, *top] = found[0]
        for band, details in zip(rest, found[1:], strict=True):
            for key, values in zip(("da", "ad", "dd"), details, strict=True):
                z[:, *band[key]] = values
        return z
