"""Lines over axes, as SVG without scripts or fonts of its own."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

__all__ = ["COLOURS", "Line", "lettered", "plot", "rounded_up", "standalone"]

COLOURS = ("#1b6ca8", "#c8553d", "#3c8d5a", "#8a4fa3", "#b58900", "#5b6470", "#d1478c", "#00838f")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 340, 60, 45, 28
NAME, BESIDE = 21, 170  # characters of a name beside the lines, and pixels for it

Point = tuple[float, float]
Line = tuple[str, Sequence[Point]]


def plot(
    lines: Sequence[Line], *, across: str, up: str, powers: bool = False, marks: bool = False
) -> str:
    """An SVG of the lines, each of a name and of points (x, y) with x ≥ 0; "" without any.

    Points that aren't finite, such as the PSNR of a perfect recovery, are left out.

    Parameters
    ----------
    across, up : what the axes show
    powers : whether y is a power of ten, to be labelled so
    marks : a circle at every point
    """
    lines = [(name, [p for p in line if all(map(math.isfinite, p))]) for name, line in lines]
    lines = [(name, line) for name, line in lines if line]
    points = [point for _, line in lines for point in line]
    if not points:
        return ""
    named = any(name for name, _ in lines)
    right = WIDTH - (BESIDE if named else 10)
    x_high = max(x for x, _ in points) or 1.0
    low, high, ticks = _axis([y for _, y in points], powers)

    def place(x: float, y: float) -> Point:
        share = (y - low) / (high - low)
        return LEFT + (right - LEFT) * x / x_high, TOP + (HEIGHT - BOTTOM - TOP) * (1 - share)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="12" role="img" '
        f'aria-label="{html.escape(up)} by {html.escape(across)}">'
    ]
    for y in ticks:
        px, py = place(0, y)
        label = f"1e{y:.0f}" if powers else f"{y:.4g}"
        parts.append(f'<path d="M{px:.1f} {py:.1f}H{right}" stroke="#8884" fill="none"/>')
        parts.append(f'<text x="{px - 6:.1f}" y="{py + 4:.1f}" text-anchor="end">{label}</text>')
    for x in round_ticks(0.0, x_high):
        px, py = place(x, low)
        label = f"{x:.4g}"
        parts.append(f'<text x="{px:.1f}" y="{py + 16:.1f}" text-anchor="middle">{label}</text>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(across)}</text>'
    )
    parts.append(f'<text x="4" y="12">{html.escape(up)}</text>')
    for i, (name, line) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)] if named else COLOURS[0]
        places = [place(*point) for point in line]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        width = 2 if named else 1.5
        parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="{width}" fill="none"/>')
        if marks:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places
            ]
        if name:
            parts.append(
                f'<text x="{right + 10}" y="{TOP + 17 * i}" fill="{colour}">'
                f"{lettered(name, NAME)}</text>"
            )
    return "".join(parts) + "</svg>"


def lettered(text: str, most: int) -> str:
    """What a text element holds for a name of which so many characters have room: all of a longer
    one is its title.

    >>> lettered("wavelet", 9), lettered("a-picture-of-mine", 9)
    ('wavelet', 'a-pi…mine<title>a-picture-of-mine</title>')
    """
    if len(text) <= most:
        return html.escape(text)
    half = (most - 1) // 2
    short = html.escape(f"{text[: most - 1 - half]}…{text[-half:]}")
    return f"{short}<title>{html.escape(text)}</title>"


def standalone(drawn: str) -> bytes:
    """An SVG as a file of its own, with the XML namespace that such a file needs."""
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).encode()


def _axis(values: Sequence[float], powers: bool) -> tuple[float, float, list[float]]:
    """The bounds of the vertical axis, and its ticks."""
    if powers:
        low = math.floor(min(values))
        high = max(low + 1, math.ceil(max(values)))
        return low, high, [float(power) for power in range(low, high + 1)]
    bounds = min(values) - 1, max(values) + 1
    return *bounds, round_ticks(*bounds)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], at most so many.

    >>> round_ticks(0, 400)
    [0.0, 100.0, 200.0, 300.0, 400.0]
    """
    step = rounded_up((high - low) / (most - 1) or 1.0)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def rounded_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten, for a value above 0.

    >>> [rounded_up(value) for value in (0.013, 0.5, 60.0)]
    [0.02, 0.5, 100.0]
    """
    power = math.floor(math.log10(value))
    found = (float(f"{factor}e{power}") for factor in (1, 2, 5, 10))
    return next(each for each in found if each >= value * (1 - 1e-9))
