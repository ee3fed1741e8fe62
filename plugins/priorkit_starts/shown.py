"""A start that is what y shows of the image, whatever the operator is."""

from __future__ import annotations

from torch import Tensor

from priorkit.interfaces import LinearOperator, Operator, Problem
from priorkit_starts.holes import Filled
from priorkit_starts.images import Enlarged, Flat, ImageStart, Noisy, PseudoInverse

__all__ = ["Shown"]

FAINT = 0.1  # of the pixels that y can't tell from their negative


class Shown(ImageStart):
    """The image that y shows without a prior: y itself, its holes filled smoothly, enlarged where
    it is small or gray, else the least squares that are nearest to an even image; where A isn't
    linear an even gray image, with a little noise where A(−x) = A(x), since the slope at its centre
    is 0.
    """

    def image(self, problem: Problem) -> Tensor:
        x = _start(problem.operator).image(problem)
        if problem.operator.signless:
            drawn = problem.streams("start").normal(x[0].numel())
            x = x + FAINT * drawn.view(x.shape).to(x)
        return x


def _start(operator: Operator) -> ImageStart:
    if operator.sees_all:
        return Noisy()
    if operator.sees_image:
        return Filled(fill="smooth")
    if operator.reduces:
        return Enlarged()
    return PseudoInverse(even=True) if isinstance(operator, LinearOperator) else Flat()
