"""Figures of matplotlib: one that shows itself, and captioned pictures.

Importing matplotlib takes half a second, so only what draws such a figure imports this module;
pages have plots of their own, see :mod:`priorkit.draw.svg`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from priorkit.draw.notebook import kernel
from priorkit.draw.tiles import INK

__all__ = ["ShownFigure", "blank", "pictures"]


class ShownFigure(Figure):
    """A Figure that is a picture in a notebook: where :meth:`drawn` is called, or at the end of a
    cell.

    One of ``pyplot`` stays in memory until it is closed, and a plain Figure is shown as a line of
    text unless something in the notebook has imported pyplot.
    """

    cell: int | None = None  # of the notebook, in which it was drawn

    def drawn(self) -> Self:
        """Draw it here where this is a notebook: the end of the same cell doesn't draw it again."""
        if (shell := kernel()) is not None:
            from IPython.display import Image as Drawn
            from IPython.display import display

            display(Drawn(self._repr_png_()))
            self.cell = shell.execution_count
        return self

    def _ipython_display_(self) -> None:
        shell = kernel()
        if shell is None:
            raise NotImplementedError  # a terminal shows it as a line of text
        if self.cell != shell.execution_count:
            self.drawn()

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()

    def svg(self) -> bytes:
        """The figure as an SVG file, the same bytes every time."""
        buffer = io.BytesIO()
        with rc_context({"svg.hashsalt": "priorkit", "svg.fonttype": "none"}):
            self.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()


def blank(
    across: int = 1, down: int = 1, *, side: float = 4.0, wide: float = 1.35
) -> tuple[ShownFigure, Any]:
    """An empty figure and its axes, (down, across), ``side`` inches high and ``wide`` times that
    in width each; on whatever is behind it, light or dark."""
    with rc_context(
        {
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    ):
        whole = ShownFigure(figsize=(wide * side * across, side * down), layout="constrained")
        return whole, whole.subplots(down, across, squeeze=False)


def pictures(rows: Sequence[Sequence[tuple[str, Image.Image]]], side: float = 2.2) -> ShownFigure:
    """Rows of captioned pictures, ``side`` inches each."""
    high = side + 0.25
    whole, axes = blank(max(map(len, rows)), len(rows), side=high, wide=side / high)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (caption, picture) in zip(line, row, strict=False):
            axis.imshow(np.asarray(picture.convert("RGBA")), interpolation="nearest")
            axis.set_title(caption, fontsize=9)
    return whole
