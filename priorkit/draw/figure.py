"""A figure of matplotlib that shows itself, and is the same SVG every time."""

from __future__ import annotations

import io

from matplotlib import rc_context
from matplotlib.figure import Figure

__all__ = ["ShownFigure"]


class ShownFigure(Figure):
    """A Figure that is a picture at the end of a notebook's cell, and is never kept by pyplot.

    A figure of ``pyplot`` is shown too, but stays in memory until it is closed; a plain Figure is
    shown as a line of text unless something in the notebook has imported pyplot.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()

    def svg(self) -> bytes:
        """An SVG file without a date or an address, its words as text: the same bytes each time."""
        buffer, none = io.BytesIO(), dict.fromkeys(["Date", "Creator", "Format", "Type"])
        with rc_context({"svg.hashsalt": "priorkit", "svg.fonttype": "none"}):
            self.savefig(buffer, format="svg", metadata=none)
        return buffer.getvalue()
