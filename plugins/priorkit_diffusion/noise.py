"""The noise levels that a denoiser is trained on, and a batch of noisy pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from priorkit.io.values import LUMA

__all__ = ["ALSO", "BESIDE", "CROPS", "WHOLE", "Levels", "Noisy", "grayed"]


@dataclass(frozen=True)
class Levels:
    """σ of pictures in [0, 1], drawn as ln σ uniform in a range.

    Attributes
    ----------
    near : least and greatest σ of most pictures
    far : of the others
    share : the part of the pictures whose σ is near
    """

    near: tuple[float, float]
    far: tuple[float, float]
    share: float

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest σ of all."""
        return min(self.near[0], self.far[0]), max(self.near[1], self.far[1])

    def draw(self, count: int, rng: np.random.Generator) -> npt.NDArray[Any]:
        """σ of so many pictures, (count,)."""
        place, which = rng.random((2, count))
        near, far = (low * (high / low) ** place for low, high in (self.near, self.far))
        return np.where(which < self.share, near, far)


WHOLE = Levels(near=(0.002, 1.5), far=(0.25, 40.0), share=0.72)
CROPS = Levels(near=(0.002, 0.65), far=(0.4, 4.0), share=0.87)
# With --also, the photographs have little noise (ALSO), the other pictures more (BESIDE).
ALSO = Levels(near=(0.002, 0.25), far=(0.002, 0.65), share=0.8)
BESIDE = Levels(near=(0.04, 1.5), far=(0.25, 40.0), share=0.7)


class Noisy(NamedTuple):
    """A batch of pictures in [−1, 1] (B, 3, s, s), noise of N(0, 1) for them, and σ (B,)."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor


def grayed(batch: Noisy, which: Tensor) -> Noisy:
    """A batch with the pictures ``which`` (B,) made gray, their noise that of one channel."""
    which = which[:, None, None, None]
    parts = zip(LUMA, batch.clean.split(1, dim=1), strict=True)
    luma = sum(share * channel for share, channel in parts)  # a tensor would have to be sent
    return Noisy(
        clean=torch.where(which, luma, batch.clean),
        noise=torch.where(which, batch.noise[:, :1], batch.noise),
        sigma=batch.sigma,
    )
