"""Phase retrieval: detectors that see how bright the light is, and not its phase."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Copies, Level, Operator, Signless
from priorkit.streams import Streams
from priorkit_operators.checks import require_picture

__all__ = ["Phase"]


class Phase(Operator):
    """A(x) = |F(φ_k ⊙ x)|, k = 1 … masks: coded diffraction patterns, which are not linear.

    F is the orthonormal Fourier transform, and every φ_k a mask of random phases. y is
    (C, masks, H, W). Without masks, ``masks=0``, y is |F x|, which is the same for a picture
    that is shifted or turned by 180°. Simulated noise has σ = 0.01.

    Parameters
    ----------
    masks : how many patterns are recorded; 0 for one without a mask
    squared : measure |·|², the intensity, instead of the amplitude
    seed : of the masks; default: the run's

    Reference: Candès, Li & Soltanolkotabi, "Phase retrieval from coded diffraction patterns",
    Appl. Comput. Harmon. Anal. 2015, eq. 1.2.
    """

    default_noise = Level(sigma=0.01)

    def __init__(
        self,
        *,
        masks: Annotated[int, Field(ge=0, le=1000)] = 4,
        squared: bool = False,
        seed: int | None = None,
    ) -> None:
        self.masks, self.squared, self.seed = masks, squared, seed

    def prepare(self) -> None:
        require_picture("The operator 'phase'", self.shape)
        channels, height, width = self.shape
        self.y_shape = (channels, max(self.masks, 1), height, width)
        self._coded = Copies(partial(_coding, self.masks, self.seed or 0, height, width))

    @property
    def memory(self) -> int:
        return 8 * math.prod(self.y_shape[1:])

    @property
    def signless(self) -> Signless:
        return "channel"

    def A(self, x: Tensor) -> Tensor:
        y = self._diffracted(x)
        return y.real.square() + y.imag.square() if self.squared else y.abs()

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        """Re(Σ_k φ̄_k ⊙ Fᴴ(r_k ⊙ direction_k)), the direction that of F(φ_k ⊙ x)."""
        y = self._diffracted(x)
        direction = 2 * y if self.squared else torch.sgn(y)
        back = torch.fft.ifft2(r * direction, norm="ortho")
        return (back * self._coded.like(back).conj()).sum(2).real.contiguous()

    def _diffracted(self, x: Tensor) -> Tensor:
        coded = self._coded.like(x.new_empty(0, dtype=x.dtype.to_complex()))
        return torch.fft.fft2(x[:, :, None] * coded, norm="ortho")


def _coding(
    masks: int, seed: int, height: int, width: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """All φ_k, (masks, H, W); a single one of ones for ``masks=0``."""
    coded = torch.ones(max(masks, 1), height, width, dtype=dtype, device=device)
    for k in range(masks):
        angles = 2 * math.pi * Streams(seed, "phase masks", [k]).uniform(height * width)
        coded[k] = torch.polar(torch.ones_like(angles), angles).view(height, width)
    return coded
