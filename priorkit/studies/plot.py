"""Lines with bands, drawn by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence

from priorkit.draw.figure import ShownFigure, blank
from priorkit.draw.tiles import INK
from priorkit.studies.summary import Mean, grouped

__all__ = ["lines"]

WORDS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "error": "(1/n)‖x − x̂‖²",
    "within_90": "truth within the 90% interval",
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
    log : whether the horizontal axis, if it is of numbers, is logarithmic; 0 has a place on it too

    A group that has nowhere on an axis of numbers, as a prior without the γ of the others, is a
    level line. Where some place is a word, all are.
    """
    figure, axes = blank()
    axis = axes[0, 0]
    groups = grouped(means, lambda point: point.group)
    places = [p.at for p in means if p.at is not None]
    numbers = bool(places) and all(isinstance(at, (int, float)) for at in places)
    for i, (group, points) in enumerate(groups.items()):
        colour = f"C{i}"
        label = ", ".join(str(part) for part in group).replace("$", r"\$")  # which begins formulas
        if numbers:
            for p in (p for p in points if p.at is None):
                axis.axhline(p.value, color=colour, lw=1, ls=":", label=label)
            points = sorted((p for p in points if p.at is not None), key=lambda p: p.at)
        if not points:
            continue
        where = [p.at if numbers else "—" if p.at is None else str(p.at) for p in points]
        values = [p.value for p in points]
        axis.plot(where, values, color=colour, marker="o", markersize=3, label=label)
        if not all(math.isnan(p.low) for p in points):
            low, high = [p.low for p in points], [p.high for p in points]
            axis.fill_between(where, low, high, color=colour, alpha=0.15, lw=0)
    if log and numbers:
        positive = [at for at in places if at]
        if len(positive) < len(places):
            axis.set_xscale("symlog", linthresh=min(positive, default=1.0))
        else:
            axis.set_xscale("log")
    axis.set_xlabel(WORDS.get(across, across))
    axis.set_ylabel(WORDS.get(value, value))
    axis.set_title(title, fontsize=10)
    axis.grid(alpha=0.25)
    if len(groups) > 1:
        axis.legend(fontsize=8, labelcolor=INK, framealpha=0)
    return figure
