"""An orthonormal basis as a prior, and the Lasso that it suggests: few coefficients are enough."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from typing import Self

import numpy as np
import torch
from torch import Tensor

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

__all__ = ["Basis", "Refused"]

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
        elif not self.pictured(operator):
            shares, weights = zip(*WEIGHTS, strict=True)
            share = math.log(operator.entries / self.latent_size)
            gamma = math.exp(np.interp(share, np.log(shares), np.log(weights)))
        elif noise.known and noise.std:
            gain = operator.gain if isinstance(operator, LinearOperator) else 1.0
            gamma = FACTOR * noise.std**1.5 * gain**0.5
        refused, better = self.better(operator)
        return Choices(
            space="latent",
            penalty="l1",
            gamma=None if gamma is None else float(f"{gamma:.2g}"),
            solver=self._solver(operator, noise),
            refused=refused,
            instead=better,
        )

    @staticmethod
    def pictured(operator: Operator) -> bool:
        """Whether y is a picture of some kind, rather than numbers that each mix all pixels."""
        return operator.image(torch.zeros(1, *operator.y_shape)) is not None

    def _solver(self, operator: Operator, noise: Noise) -> Spec:
        """A solver of the Lasso for a linear A and Gaussian noise; else Adam, which takes any."""
        if not (isinstance(operator, LinearOperator) and isinstance(noise, GaussianNoise)):
            return {"name": "adam", "rate": 0.03}
        size = 8 * math.prod(operator.y_shape) * self.latent_size
        stored = isinstance(operator, MatrixOperator) and size <= MAX_MATRIX
        return "coordinate-descent" if stored else "fista"

    def better(self, operator: Operator) -> Refused:
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
