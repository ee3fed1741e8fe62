"""No prior at all: least squares in pixel space, or total variation with ``penalty="tv"``."""

from __future__ import annotations

from priorkit.interfaces import Prior

__all__ = ["NoPrior"]


class NoPrior(Prior):
    """min over x of ‖A x − y‖² + γ·R(x): from x = 0 and with γ = 0, least squares.

    Takes images of any shape and needs no weights.
    """
