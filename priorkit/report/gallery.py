"""A comparison as pictures: a grid, a curve, and a page that holds both."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from priorkit.files import write_atomic
from priorkit.pictures import to_pil
from priorkit.report import png

if TYPE_CHECKING:
    from priorkit.comparison import Comparison

__all__ = ["curve", "pictures", "save"]

MAX_COLUMNS = 12
COLOURS = ("#1b6ca8", "#c8553d", "#3c8d5a", "#8a4fa3", "#b58900", "#5b6470", "#d1478c", "#00838f")


def pictures(comparison: Comparison, tile: int = 96) -> Image.Image:
    """The truth in the first row, then one row per prior and m, its mean PSNR at the left."""
    shown = [(row, row.recovery) for row in comparison.rows]
    count = min(len(comparison.truth), MAX_COLUMNS)
    gap, margin = 4, 190
    canvas = Image.new(
        "RGB", (margin + count * (tile + gap), gap + (len(shown) + 1) * (tile + gap)), "white"
    )
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=14)
    for r in range(len(shown) + 1):
        top = gap + r * (tile + gap)
        row, recovery = shown[r - 1] if r else (None, None)
        lines = ["truth"]
        if row is not None:
            lines = [row.label] + ([f"m = {row.m}"] if row.m else [])
            psnr = recovery.psnr if recovery is not None else None
            lines.append("no result" if psnr is None else f"{float(psnr.mean()):.2f} dB")
        draw.multiline_text((gap, top + 4), "\n".join(lines), fill="#333333", font=font)
        images = comparison.truth if row is None else recovery.x if recovery is not None else None
        for c, x in enumerate([] if images is None else images[:count]):
            picture = to_pil(x).convert("RGB").resize((tile, tile), Image.Resampling.NEAREST)
            canvas.paste(picture, (margin + c * (tile + gap), top))
    return canvas


def curve(comparison: Comparison) -> str:
    """PSNR against m, or where there is one m against seconds, as SVG."""
    ms = {row.m for row in comparison.rows}
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in comparison.rows:
        if row.recovery is None or row.recovery.psnr is None:
            continue
        if len(ms) > 1:
            point = (float(row.m or 0), float(row.recovery.psnr.mean()))
            lines.setdefault(row.label, []).append(point)
        else:
            lines[row.label] = row.course
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    width, height, left, bottom = 640, 360, 50, 45
    x_high = max(x for x, _ in points) or 1.0
    y_low, y_high = min(y for _, y in points) - 1, max(y for _, y in points) + 1
    label = "m, number of measurements" if len(ms) > 1 else "seconds"

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - 150) * x / x_high
        return across, (height - bottom) * (1 - (y - y_low) / (y_high - y_low)) + 5

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" font-family="sans-serif" font-size="12">'
    ]
    for k in range(5):
        y = y_low + k * (y_high - y_low) / 4
        x = k * x_high / 4
        (x0, ya), (xa, y0) = place(0, y), place(x, y_low)
        x1 = place(x_high, y)[0]
        parts.append(f'<path d="M{x0:.1f} {ya:.1f}H{x1:.1f}" stroke="#8884" fill="none"/>')
        parts.append(f'<text x="{x0 - 6:.1f}" y="{ya + 4:.1f}" text-anchor="end">{y:.1f}</text>')
        parts.append(f'<text x="{xa:.1f}" y="{y0 + 16:.1f}" text-anchor="middle">{x:.4g}</text>')
    parts.append(f'<text x="{left + 180}" y="{height - 8}">{label}</text>')
    parts.append('<text x="4" y="12">PSNR, dB</text>')
    for i, (name, line) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [place(*point) for point in sorted(line)]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        if len(ms) > 1:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places
            ]
        parts.append(
            f'<text x="{width - 140}" y="{20 + 17 * i}" fill="{colour}">{html.escape(name)}</text>'
        )
    return "".join(parts) + "</svg>"


def save(comparison: Comparison, folder: Path) -> None:
    """Write grid.png, curve.svg and report.html."""
    from priorkit.page import STYLE

    grid = png(pictures(comparison))
    write_atomic(folder / "grid.png", grid)
    drawn = curve(comparison)
    write_atomic(folder / "curve.svg", drawn.encode())
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in comparison.markdown().splitlines()
    ]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in cells[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in cells[2:]
    )
    encoded = base64.b64encode(grid).decode()
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>priorkit: comparison</title><style>{STYLE}</style><h1>Comparison</h1>"
        f"<p>{len(comparison.truth)} picture(s), one A and one noise for all priors. "
        "“PSNR at T” is what each had reached when the fastest was done, or at the time asked "
        f'for.</p><div class="numbers"><table><tr>{head}</tr>{body}</table></div>'
        f'{drawn}<p><img alt="recoveries, one row per prior" '
        f'src="data:image/png;base64,{encoded}" style="max-width:100%"></p></html>'
    )
    write_atomic(folder / "report.html", page.encode())
