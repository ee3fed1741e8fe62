"""The deep decoder: an untrained network whose weights are the latent."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import MismatchError
from priorkit.interfaces import Choices, Copies, Decoder, Noise, Operator, Shape
from priorkit.streams import normal

__all__ = ["DeepDecoder"]

SMALL = 1e-3  # of the variance of a channel


class DeepDecoder(Decoder):
    """x = D(z), z the weights of a small convolutional network whose input is fixed.

    From random numbers of ``channels`` × h × w, each layer mixes the channels at every pixel,
    doubles both sides by bilinear interpolation, cuts off at 0 and normalises each channel; the
    last mixes them to colours, through a sigmoid. Nothing is trained: that pictures look like
    pictures comes from the interpolation, and that noise isn't fitted from weights that are fewer
    than pixels. z = 0 stands for random weights.

    Parameters
    ----------
    channels : of every layer; more fit finer detail, and more noise
    layers : how often the sides are doubled, at most: less often where the input would have one
        pixel, of which every picture is even
    seed : of the fixed input and the weights at z = 0; default: the run's

    Reference: Heckel & Hand, "Deep decoder: concise image representations from untrained
    non-convolutional networks", ICLR 2019.
    """

    _doublings: int  # of ``layers``, those that there is room for
    _low: tuple[int, int]  # height and width of the input
    _drawn: Copies[tuple[Tensor, Tensor]]  # the input, and the weights at z = 0

    def __init__(
        self,
        *,
        channels: Annotated[int, Field(ge=1, le=1024)] = 64,
        layers: Annotated[int, Field(ge=1, le=10)] = 5,
        seed: int | None = None,
    ) -> None:
        self.channels, self.layers, self.seed = channels, layers, seed

    def bind(self, shape: Shape) -> DeepDecoder:
        if len(shape) != 3:
            raise MismatchError("deep-decoder is for pictures.", got=tuple(shape))
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        sides = [side for side in shape[1:] if side > 1]
        bound._doublings = next(
            n for n in range(self.layers, -1, -1) if all(-(-side // 2**n) > 1 for side in sides)
        )
        k, side = self.channels, 2**bound._doublings
        bound._low = (-(-shape[1] // side), -(-shape[2] // side))
        bound._drawn = Copies(partial(_draw, self.seed or 0, k, bound._low, bound.latent_size))
        return bound

    @property
    def latent_size(self) -> int:
        k, colours = self.channels, self._colours
        return self._doublings * (k * k + 2 * k) + colours * k + colours

    @property
    def memory(self) -> int:
        return 4 * 8 * self.channels * math.prod(self._low) * 4**self._doublings // 3 * 4

    @property
    def _colours(self) -> int:
        assert self.shape is not None, "bind first"
        return self.shape[0]

    def decode(self, z: Tensor) -> Tensor:
        assert self.shape is not None
        k, b = self.channels, len(z)
        sizes = [k * k, k, k] * self._doublings + [self._colours * k, self._colours]
        given, mixing_at_0 = self._drawn.like(z)
        parts, first = z.split(sizes, 1), mixing_at_0.split(sizes)
        h = given.expand(b, -1, -1, -1)
        for layer in range(self._doublings):
            mixing, gain, shift = parts[3 * layer : 3 * layer + 3]
            h = _mixed(h, mixing + first[3 * layer])
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False).relu()
            variance, mean = torch.var_mean(h, (2, 3), keepdim=True, correction=0)
            scaled = (h - mean) * (variance + SMALL).rsqrt()
            h = scaled * (1 + gain)[..., None, None] + shift[..., None, None]
        x = _mixed(h, parts[-2] + first[-2]) + parts[-1][..., None, None]
        return torch.sigmoid(x)[..., : self.shape[1], : self.shape[2]]

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """No penalty: the network is one, and the search stops at the level of the noise."""
        refused = None
        if operator.loses_channels:
            refused = (
                "deep-decoder was never trained: lost colours stay what they were at its start, "
                "and prior='none' gives gray."
            )
        return Choices(
            space="latent",
            penalty="none",
            budget=1000,
            refused=refused,
            instead=[{"prior": "none"}],
        )


def _draw(
    seed: int,
    channels: int,
    low: tuple[int, int],
    weights: int,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """The input (1, channels, h, w), and the weights at z = 0."""
    count = channels * math.prod(low)
    draws = normal(seed, "deep decoder", [0], count + weights)[0]
    given = 0.1 * draws[:count].view(1, channels, *low)
    return given.to(device, dtype), (draws[count:] / math.sqrt(channels)).to(device, dtype)


def _mixed(h: Tensor, weights: Tensor) -> Tensor:
    """A matrix of weights of its own for each image, (B, out·in), at every pixel."""
    matrix = weights.view(len(h), -1, h.shape[1])
    return torch.bmm(matrix, h.flatten(2)).view(len(h), -1, *h.shape[2:])
