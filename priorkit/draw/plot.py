"""Captioned pictures, lines and bars as figures of matplotlib, and a figure as a part of a page."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from priorkit.draw.figure import ShownFigure

__all__ = ["MOST", "Line", "bars", "blank", "curves", "inline", "lines", "pictures", "standalone"]

MOST = 8  # lines that are told apart by name
SIZE = 6.4, 3.4  # of a plot in a page, in inches

# In a page: comments, a style for all that is on it, and names of XML, which HTML knows.
NEEDLESS = r'<!--.*?-->|<defs>\s*<style.*?</defs>|\sxmlns(:\w+)?="[^"]*"'


class Line(NamedTuple):
    """A name, points (x, y), and for a band around them a (low, high) per point."""

    name: str
    points: Sequence[tuple[Any, float]]
    band: Sequence[tuple[float, float]] = ()


def blank(
    across: int = 1, down: int = 1, *, side: float = 4.0, size: tuple[float, float] | None = None
) -> tuple[ShownFigure, Any]:
    """An empty figure and its axes, (down, across): each of 1.35 ``side`` by ``side`` inches,
    or all of them together of ``size``."""
    # matplotlib takes 0.4 s to import: only a run that draws waits for it.
    from priorkit.draw.figure import ShownFigure

    whole = ShownFigure(figsize=size or (1.35 * side * across, side * down), layout="constrained")
    return whole, whole.subplots(down, across, squeeze=False)


def pictures(rows: Sequence[Sequence[tuple[str, Image.Image]]], side: float = 2.2) -> ShownFigure:
    """Rows of captioned pictures, ``side`` inches each."""
    across = max(len(row) for row in rows)
    whole, axes = blank(across, len(rows), size=(side * across, (side + 0.25) * len(rows)))
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (caption, picture) in zip(line, row, strict=False):
            axis.imshow(np.asarray(picture.convert("RGB")), interpolation="nearest")
            axis.set_title(caption, fontsize=9)
    return whole


def lines(axis: Axes, drawn: Sequence[Line], *, across: str, up: str, mark: float = 0) -> None:
    """Lines on an axis with its labels, a circle of ``mark`` points at every point."""
    for name, points, band in drawn:
        where = [x for x, _ in points]
        style: dict[str, Any] = {"marker": "o", "markersize": mark} if mark else {}
        (line,) = axis.plot(where, [y for _, y in points], label=name, **style)
        if band:
            low, high = [low for low, _ in band], [high for _, high in band]
            axis.fill_between(where, low, high, color=line.get_color(), alpha=0.15, lw=0)
    axis.set(xlabel=across, ylabel=up)
    axis.grid(alpha=0.25)


def curves(
    drawn: Sequence[Line], *, across: str, up: str, powers: bool = False, marks: bool = False
) -> str:
    """Lines with x ≥ 0 and their names at the right, as SVG for a page; "" without any.

    Points that aren't finite, such as the PSNR of a perfect recovery, are left out.

    Parameters
    ----------
    across, up : what the axes show
    powers : whether y is a power of ten, to be labelled so
    marks : a circle at every point
    """
    finite = [Line(d.name, [p for p in d.points if all(map(math.isfinite, p))]) for d in drawn]
    finite = [line for line in finite if line.points]
    if not finite:
        return ""
    with _page_style():
        whole, axes = blank(size=SIZE)
        axis: Axes = axes[0, 0]
        lines(axis, finite, across=across, up=up, mark=5 if marks else 0)
        axis.set_xlim(left=0)
        if powers:
            values = [y for line in finite for _, y in line.points]
            low = math.floor(min(values))
            axis.set_ylim(low, max(low + 1, math.ceil(max(values))))
            axis.locator_params("y", integer=True)
            axis.yaxis.set_major_formatter(lambda y, _: f"1e{y:.0f}")
        if any(line.name for line in finite):
            whole.legend(loc="outside right upper", labelcolor="linecolor", frameon=False)
        return inline(whole, f"{up} by {across}")


def bars(rows: Mapping[str, tuple[Sequence[float], str]], parts: Sequence[str], alt: str) -> str:
    """A bar per name, made of ``parts`` in a colour each, with words at its end, as SVG."""
    with _page_style():
        whole, axes = blank(size=(SIZE[0], 0.6 + 0.27 * len(rows)))
        axis: Axes = axes[0, 0]
        names, left = list(rows), np.zeros(len(rows))
        for k, part in enumerate(parts):
            wide = np.array([max(lengths[k], 0.0) for lengths, _ in rows.values()])
            drawn = axis.barh(names, wide, left=left, label=part)
            left = left + wide
        axis.bar_label(drawn, [said for _, said in rows.values()], padding=5)
        axis.set(xticks=[], xmargin=0.12)
        axis.invert_yaxis()
        whole.legend(loc="outside upper center", ncols=len(parts), frameon=False)
        return inline(whole, alt)


def inline(figure: ShownFigure, alt: str) -> str:
    """A figure as SVG for a page: it asks for nothing, and its ids are only those it refers to,
    each a hash of what it names."""
    text = figure.svg().decode()
    text = re.sub(NEEDLESS, "", text[text.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r'#(\w+)["\')]', text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    text = text.replace("xlink:href", "href")
    said = f'<svg role="img" aria-label="{html.escape(alt)}" stroke-linejoin="round"'
    return re.sub(r"\n\s*", "\n", text.replace("<svg", said, 1))


def standalone(drawn: str) -> bytes:
    """An SVG of a page as a file of its own, with the XML namespace that such a file needs."""
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).encode()


@contextmanager
def _page_style() -> Iterator[None]:
    """Alike for everyone, whatever a notebook has set, and readable on white and on black: text
    has no colour of its own, so that the page gives it one."""
    from matplotlib import style

    clear = dict.fromkeys(["figure.facecolor", "axes.facecolor"], "none")
    font = {"font.sans-serif": ["DejaVu Sans"]}
    gray = dict.fromkeys(["axes.edgecolor", "grid.color"], "#888888")
    bare = {f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")}
    bare |= {"xtick.bottom": False, "ytick.left": False}
    with style.context(["default", {**font, **clear, **gray, **bare}]):
        yield
