"""A figure of matplotlib, which must be installed, as a notebook shows it."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["ShownFigure"]


class ShownFigure(Figure):
    """A Figure that is a picture at the end of a notebook's cell.

    A figure of ``pyplot`` is shown too, but stays in memory until it is closed; a plain Figure is
    shown as a line of text unless something in the notebook has imported pyplot.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
