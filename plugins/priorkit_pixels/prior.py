"""No prior at all: least squares in pixel space, or total variation with ``penalty="tv"``."""

from __future__ import annotations

from priorkit.interfaces import Choices, Noise, Operator, Prior

__all__ = ["NoPrior"]


class NoPrior(Prior):
    """min over x of ‖A x − y‖² + γ·R(x): from x = 0 and with γ = 0, least squares.

    Takes images of any shape and needs no weights.
    """

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """From x = 0, the shortest solution; from random pixels where A(−x) = A(x), whose slope
        is 0 at 0."""
        return Choices(start="normal" if operator.even else None)
