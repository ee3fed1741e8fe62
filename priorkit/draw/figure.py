"""Captioned pictures as a figure of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["figure"]


def figure(rows: Sequence[Sequence[tuple[str, Image.Image]]], side: float = 2.2) -> Any | None:
    """A matplotlib figure of rows of pictures, ``side`` inches each; None without matplotlib."""
    try:
        from priorkit.draw.shown import ShownFigure
    except ImportError:
        return None
    across = max(len(row) for row in rows)
    whole = ShownFigure(figsize=(side * across, (side + 0.25) * len(rows)), layout="constrained")
    axes = whole.subplots(len(rows), across, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (caption, picture) in zip(line, row, strict=False):
            axis.imshow(np.asarray(picture.convert("RGB")), interpolation="nearest")
            axis.set_title(caption, fontsize=9)
    return whole
