"""Phase retrieval: detectors that see how bright the light is, and not its phase."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import Annotated, Self

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Copies, Level, Operator, Shape, Signless
from priorkit.interfaces.kinds import COMPLEX
from priorkit.streams import Streams
from priorkit_operators.checks import sides_of

__all__ = ["Phase"]


class Phase(Operator):
    """A(x) = |F(φ_k ⊙ x)|, k = 1 … masks: coded diffraction patterns, which are not linear.

    F is the orthonormal Fourier transform over all axes but the channels, and every φ_k a mask
    of random phases. y of a picture is (C, masks, H, W), and of other images likewise; of a complex
    picture (1, masks, H, W). Without masks, ``masks=0``, y is |F x|, which is the same for a
    picture that is shifted or turned by 180°. Simulated noise has σ = 0.01.

    Parameters
    ----------
    masks : how many patterns are recorded; 0 for one without a mask
    squared : measure |·|², the intensity, instead of the amplitude
    seed : of the masks; default: the run's

    Reference: Candès, Li & Soltanolkotabi, "Phase retrieval from coded diffraction patterns",
    Appl. Comput. Harmon. Anal. 2015, eq. 1.2.
    """

    default_noise = Level(sigma=0.01)

    _complex = False  # whether x is a complex picture
    shape: Shape = (1, 1)  # has channels, until it is bound to something that hasn't

    def __init__(
        self,
        *,
        masks: Annotated[int, Field(ge=0, le=1000)] = 4,
        squared: bool = False,
        seed: int | None = None,
    ) -> None:
        self.masks, self.squared, self.seed = masks, squared, seed

    def for_complex(self) -> Self:
        own = copy.copy(self)
        own._complex = True
        return own

    def prepare(self) -> None:
        sides = sides_of(self.shape)
        self._axes = tuple(range(-len(sides), 0))
        channels = (1,) if self._complex else self.shape[: -len(sides)]
        self.y_shape = (*channels, max(self.masks, 1), *sides)
        self._coded = Copies(partial(_coding, self.masks, self.seed or 0, sides))

    @property
    def memory(self) -> int:
        return 8 * math.prod(self.y_shape[self._axes[0] - 1 :])

    @property
    def signless(self) -> Signless:
        """ "image" for a vector, which has no channels, and for the two parts of a complex one."""
        return "channel" if len(self.shape) > 1 and not self._complex else "image"

    def A(self, x: Tensor) -> Tensor:
        y = self._diffracted(x)
        return y.real.square() + y.imag.square() if self.squared else y.abs()

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        """Re(Σ_k φ̄_k ⊙ Fᴴ(r_k ⊙ direction_k)), the direction that of F(φ_k ⊙ x); both parts of
        the sum for a complex picture."""
        y = self._diffracted(x)
        direction = 2 * y if self.squared else _direction(y)
        back = torch.fft.ifftn(r * direction, dim=self._axes, norm="ortho")
        back = (back * self._coded.like(back).conj()).sum(self._axes[0] - 1)
        return COMPLEX.parts(back) if self._complex else back.real.contiguous()

    def _diffracted(self, x: Tensor) -> Tensor:
        coded = self._coded.like(x.new_empty(0, dtype=x.dtype.to_complex()))
        image = COMPLEX.numbers(x) if self._complex else x
        coded = image.unsqueeze(self._axes[0] - 1) * coded
        return torch.fft.fftn(coded, dim=self._axes, norm="ortho")


def _direction(y: Tensor) -> Tensor:
    """y/|y|, 0 where y is; of the parts, since torch rounds its own by an entry's place in a
    batch."""
    size = y.abs().clamp_min(torch.finfo(y.real.dtype).tiny)
    return torch.complex(y.real / size, y.imag / size)


def _coding(
    masks: int, seed: int, sides: Shape, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """All φ_k, (masks, *sides); a single one of ones for ``masks=0``."""
    coded = torch.ones(max(masks, 1), *sides, dtype=dtype, device=device)
    for k in range(masks):
        angles = 2 * math.pi * Streams(seed, "phase masks", [k]).uniform(math.prod(sides))
        coded[k] = torch.polar(torch.ones_like(angles), angles).view(sides)
    return coded
