"""A start that is what y shows of the image, whatever the operator is."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import LinearOperator, Operator, Problem, WeightedNoise
from priorkit_starts.holes import Filled
from priorkit_starts.images import Enlarged, Flat, ImageStart, Noisy, PseudoInverse

__all__ = ["Shown"]

VAGUE = 1.0  # deviation of a pixel, from black to white
FAINT = 0.1  # of the pixels that y can't tell from their negative


class Shown(ImageStart):
    """The image that y shows without a prior: y itself, smoothly filled where it has holes, or more
    noise than pictures have contrast; enlarged where it is small or gray; else the least squares
    that are nearest to an even image; where A isn't linear an even gray image, with a little noise
    where A(−x) = A(x), since the slope at its centre is 0.
    """

    def image(self, problem: Problem) -> Tensor:
        x = _start(problem.operator).image(problem)
        if problem.operator.sees_image:
            x = _without_noise(problem, x)
        if problem.operator.signless:
            drawn = problem.streams("start").normal(x[0].numel())
            x = x + FAINT * drawn.view(x.shape).to(x)
        return x


def _without_noise(problem: Problem, x: Tensor) -> Tensor:
    """An image that y shows, filled where the noise of a gray pixel is above ``VAGUE``."""
    noise = problem.noise
    if not isinstance(noise, WeightedNoise) or not noise.known:
        return x
    gray = torch.full_like(problem.y[:1].real, 0.5)
    variances = noise.energy / noise.entries / noise.weights(gray)
    clear = (variances < VAGUE**2).to(x)
    if bool(clear.all()) or not bool(clear.any()):
        return x
    channels = x.view(len(x), -1, *(problem.shape[1:] or problem.shape))
    filled = Filled(fill="smooth").filled(problem, channels, clear.view(channels.shape[1:]))
    return filled.view(x.shape)


def _start(operator: Operator) -> ImageStart:
    if operator.sees_all:
        return Noisy()
    if operator.sees_image:
        return Filled(fill="smooth")
    if operator.reduces:
        return Enlarged()
    return PseudoInverse(even=True) if isinstance(operator, LinearOperator) else Flat()
