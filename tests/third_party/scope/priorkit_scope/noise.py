"""ℓ: a camera that counts photons, and reads its counts with an error."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import WeightedNoise
from priorkit.streams import Streams


class Camera(WeightedNoise):
    """y = g·k + η with counts k ~ Poisson(A x/g) and η ~ N(0, σ²): the variance of an entry is
    v(a) = g·a + σ², a = A x. As if y were normal with that variance,

        ℓ = v(1)·Σ ((y − a)²/v(a) + ln v(a) − its least value over a).

    For a < 0 the variance is σ².

    Parameters
    ----------
    gain : g, what one photon adds to y
    sigma : σ, the standard deviation of what is read

    Reference: Foi, Trimeche, Katkovnik & Egiazarian, "Practical Poissonian-Gaussian noise modeling
    and fitting for single-image raw-data", IEEE Trans. Image Process. 2008.
    """

    centred = False  # ln v moves the least value away from a = y

    def __init__(
        self,
        *,
        gain: Annotated[float, Field(gt=0)] = 0.01,
        sigma: Annotated[float, Field(gt=0)] = 0.02,
    ) -> None:
        self.gain, self.sigma = gain, sigma

    @property
    def known(self) -> bool:
        return True

    @property
    def std(self) -> float:
        return (self.gain / 2 + self.sigma**2) ** 0.5

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if Ax.is_complex() or float(Ax.min()) < 0:
            raise BadInputError("A camera counts photons: A x must not be negative.")
        flat = Ax.flatten(1)
        counts = self.gain * streams.poisson(flat / self.gain)
        read = self.sigma * streams.normal(flat.shape[1])
        return (counts + read).view(Ax.shape).to(Ax)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a, y = Ax.double(), y.double()
        v, r = self._variance(a), y - a
        value = r.square() / v + v.log() - self._least(y)
        slope = torch.where(a > 0, self.gain * (1 / v - r.square() / v.square()), 0.0) - 2 * r / v
        scale = self.gain + self.sigma**2
        return scale * value.flatten(1).sum(1), (scale * slope).to(Ax.dtype)

    @property
    def energy(self) -> float:
        return self.entries * (self.gain + self.sigma**2)

    def weights(self, Ax: Tensor) -> Tensor:
        return (self.gain + self.sigma**2) / self._variance(Ax)

    def _variance(self, a: Tensor) -> Tensor:
        return self.gain * a.clamp_min(0.0) + self.sigma**2

    def _least(self, y: Tensor) -> Tensor:
        """min over a of (y − a)²/v(a) + ln v(a): v there solves v² + g²v = (g y + σ²)²."""
        g, floor = self.gain, self.sigma**2
        at_y = g * y.clamp_min(0.0) + floor
        v = ((g**4 + 4 * at_y.square()).sqrt() - g**2) / 2
        v = v.clamp_min(floor)
        return torch.where(y > 0, (at_y - v).square() / (g**2 * v), 0.0) + v.log()
