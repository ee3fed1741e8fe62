"""The means of a study as lines with bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from priorkit.draw import plot
from priorkit.studies.summary import Mean

if TYPE_CHECKING:
    from priorkit.draw.figure import ShownFigure

__all__ = ["lines"]

WORDS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "error": "(1/n)‖x − x̂‖²",
    "misfit": "misfit",
    "m": "number of measurements m",
    "gamma": "γ",
    "sigma": "σ",
    "seconds": "seconds per image",
    "u_norm": "‖u‖ at the end",
}


def lines(
    means: Sequence[Mean],
    *,
    across: str = "",
    value: str = "psnr",
    log: bool = False,
    title: str = "",
) -> ShownFigure:
    """A line per group over the axis, its 95% interval as a band.

    Parameters
    ----------
    across, value : what the axes show: the name of a column, or words
    log : whether the horizontal axis is logarithmic; 0 has a place on it too
    """
    groups: dict[tuple[Any, ...], list[Mean]] = {}
    for point in means:
        groups.setdefault(point.group, []).append(point)
    drawn = []
    for group, points in groups.items():
        numbers = all(isinstance(p.at, (int, float)) for p in points)
        points = sorted(points, key=lambda p: p.at) if numbers else points
        known = any(not math.isnan(p.low) for p in points)
        band = [(p.low, p.high) for p in points] if known else []
        where = [(p.at if numbers else str(p.at), p.value) for p in points]
        drawn.append(plot.Line(", ".join(map(str, group)), where, band))
    figure, axes = plot.blank()
    axis = axes[0, 0]
    plot.lines(axis, drawn, across=WORDS.get(across, across), up=WORDS.get(value, value), mark=3)
    if log:
        positive = [p.at for p in means if p.at]
        if len(positive) < len(means):
            axis.set_xscale("symlog", linthresh=min(positive, default=1.0))
        else:
            axis.set_xscale("log")
    axis.set_title(title, fontsize=10)
    if len(groups) > 1:
        axis.legend(fontsize=8)
    return figure
