"""No prior at all: least squares in pixel space, or total variation with ``penalty="tv"``."""

from __future__ import annotations

import math

from priorkit.interfaces import Choices, LinearOperator, Noise, Operator, Prior

__all__ = ["NoPrior"]


class NoPrior(Prior):
    """min over x of ‖A x − y‖² + γ·R(x): with γ = 0 least squares, stopped at the noise.

    Takes images of any shape and needs no weights.
    """

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """From what y shows where that is most of an image, else from x = 0; where A isn't linear
        from gray pixels, since at 0 its slope may be 0 or infinite.

        The search ends where the misfit is that of the noise: x has n numbers, and with m of
        them in y least squares fits a part of the noise as soon as n/m isn't small.
        """
        holes = operator.sees_image and operator.mask is not None
        curved = not isinstance(operator, LinearOperator)
        start = "shown" if holes or operator.reduces or curved else None
        share = min(1.0, math.prod(operator.shape) / max(operator.entries, 1))
        solver = {"name": "lbfgs", "discrepancy": 1 - 0.1 * share}
        return Choices(space="pixel", penalty="none", solver=solver, start=start)
