"""ℓ: a detector that counts photons, and reads its counts with an error."""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Level, WeightedNoise
from priorkit.streams import Streams


class Detector(WeightedNoise):
    """y = g·k + η with k ~ Poisson(A x/g) and η ~ N(0, σ²): the variance of y is g·(A x + b), with
    b = σ²/g. As if y + b were g times a count, in units of the variance at A x = 1,

        ℓ = 2(1 + b)·Σ (a − y + (y + b)·ln((y + b)/(a + b))),   a = A x.

    Parameters
    ----------
    gain : g, what one photon adds to y
    sigma : σ, the standard deviation of what is read

    Reference: Snyder, Helstrom, Lanterman, Faisal & White, "Compensation for readout noise in CCD
    images", JOSA A 1995.
    """

    def __init__(
        self,
        *,
        gain: Annotated[float, Field(gt=0)] = 0.01,
        sigma: Annotated[float, Field(gt=0)] = 0.02,
    ) -> None:
        self.gain, self.level = gain, Level(sigma=sigma)
        self.b = sigma**2 / gain

    @property
    def std(self) -> float:
        return (self.gain * (0.5 + self.b)) ** 0.5

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        if Ax.is_complex() or float(Ax.min()) < 0:
            raise BadInputError("A detector counts photons: A x must not be negative.")
        flat = Ax.flatten(1)
        counts = self.gain * streams.poisson(flat / self.gain)
        other = replace(streams, purpose="readout")  # a stream gives the same numbers every time
        read = (self.gain * self.b) ** 0.5 * other.normal(flat.shape[1])
        return (counts + read).view(Ax.shape).to(Ax)

    def misfit(self, Ax: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a, counts = self._shifted(Ax), self._shifted(y)
        slope = 1 - counts / a  # which goes on where A x < 0
        value = a - counts + torch.xlogy(counts, counts / a) + slope * Ax.clamp_max(0.0)
        scale = 2 * (1 + self.b)
        return scale * value.flatten(1).sum(1), (scale * slope).to(Ax.dtype)

    @property
    def energy(self) -> float:
        return self.entries * self.gain * (1 + self.b)

    def weights(self, Ax: Tensor) -> Tensor:
        return (1 + self.b) / self._shifted(Ax)

    def _shifted(self, values: Tensor) -> Tensor:
        return values.double().clamp_min(0.0) + self.b
