"""A comparison as pictures: a grid, a curve, and a page that holds both."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from priorkit.engine.comparison import Comparison, Row
from priorkit.io.files import write_atomic
from priorkit.io.folders import replacing
from priorkit.io.pictures import dimensions
from priorkit.report.figure import figure
from priorkit.report.folder import write
from priorkit.report.grid import columns, fit, png, tile
from priorkit.report.page import document, embedded, table, thumbnail
from priorkit.report.svg import Line, plot, standalone

__all__ = ["curve", "in_notebook", "pictures", "plotted", "save"]

MAX_COLUMNS, THUMBNAIL = 12, 128


def pictures(comparison: Comparison, side: int = 96) -> Image.Image:
    """The truth in the first row, then one row per prior and m, its mean PSNR at the left."""
    shown = [(row, row.recovery) for row in comparison.rows]
    count = min(len(comparison.truth), MAX_COLUMNS)
    gap, margin = 4, 190
    canvas = Image.new(
        "RGB", (margin + count * (side + gap), gap + (len(shown) + 1) * (side + gap)), "white"
    )
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=14)
    for r in range(len(shown) + 1):
        top = gap + r * (side + gap)
        row, recovery = shown[r - 1] if r else (None, None)
        lines = ["truth"]
        if row is not None:
            lines = [row.label] + ([f"m = {row.m}"] if row.m else [])
            psnr = recovery.psnr if recovery is not None else None
            lines.append("no result" if psnr is None else f"{float(psnr.mean()):.2f} dB")
        draw.multiline_text((gap, top + 4), "\n".join(lines), fill="#333333", font=font)
        images = comparison.truth if row is None else recovery.x if recovery is not None else None
        for c, x in enumerate([] if images is None else images[:count]):
            canvas.paste(fit(tile(x), side), (margin + c * (side + gap), top))
    return canvas


def plotted(comparison: Comparison) -> Any:
    """The same as a figure of matplotlib, where that is installed."""
    whole = pictures(comparison)
    found = figure([[("", whole)]], side=8.0)
    return whole if found is None else found


def in_notebook(comparison: Comparison) -> str:
    """What a notebook shows of a comparison: the table and the pictures."""
    alt = "recoveries, one row per prior"
    return table(*comparison.cells()) + embedded(pictures(comparison), alt, "max-width:100%")


def curve(comparison: Comparison) -> str:
    """PSNR against m, or against seconds where there is a single m, as SVG."""
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
    drawn: list[Line] = [(name, sorted(line)) for name, line in lines.items()]
    across = "m, number of measurements" if len(ms) > 1 else "seconds"
    return plot(drawn, across=across, up="PSNR, dB", marks=len(ms) > 1)


def save(comparison: Comparison, folder: Path) -> Path:
    """Write grid.png, curve.svg, report.html, results.json and each recovery's folder, all of it
    or nothing, as :func:`priorkit.report.folder.save`."""
    with replacing(folder) as stage:
        for row, place in zip(comparison.rows, comparison.places(), strict=True):
            if row.recovery is not None:
                write(row.recovery, stage / place, folder.resolve() / place)
        _write_page(comparison, stage)
        rows = json.dumps(comparison.table(), indent=2, allow_nan=False)
        write_atomic(stage / "results.json", rows.encode())
    return folder


def _write_page(comparison: Comparison, folder: Path) -> None:
    grid = pictures(comparison)
    write_atomic(folder / "grid.png", png(grid))
    drawn = curve(comparison)
    write_atomic(folder / "curve.svg", standalone(drawn))
    head, rows = comparison.cells()
    shape = dimensions(comparison.truth.shape[1:])
    lines = [*comparison.reasons(), *comparison.skipped.values()]
    reasons = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    body = (
        f"<p>{len(comparison.truth)} image(s) of {shape}, one A and one noise for all priors. "
        "“PSNR at T” is what each had reached when the slowest was done, or at the time asked "
        f"for.</p>{table(head, rows)}{reasons}{drawn}<h2>Pictures</h2>{_matrix(comparison)}"
        f"<h2>All</h2><p>{embedded(grid, 'recoveries, one row per prior', 'max-width:100%')}</p>"
    )
    write_atomic(folder / "report.html", document("Comparison", body).encode("utf-8", "replace"))


def _matrix(comparison: Comparison) -> str:
    """A row per prior and a column per m: the recovery of the first image, its error and its
    numbers, with a link to the page of the run."""
    ms = list(dict.fromkeys(row.m for row in comparison.rows))
    cells: dict[str, dict[int | None, str]] = {}
    for row, place in zip(comparison.rows, comparison.places(), strict=True):
        cells.setdefault(row.label, {})[row.m] = _cell(row, place)
    heads = ["", *("" if m is None else f"m = {m}" for m in ms)]
    rows = [[html.escape(label), *(found.get(m, "") for m in ms)] for label, found in cells.items()]
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="numbers"><table class="matrix"><tr>{head}</tr>{body}</table></div>'


def _cell(row: Row, place: str) -> str:
    found = row.recovery
    if found is None:
        return "—"
    pictures = "".join(
        embedded(thumbnail(shown.picture, THUMBNAIL), f"{row.label}: {shown.what}")
        for shown in columns(found, 0)
        if shown.what in ("recovery", "error")
    )
    psnr, ssim = found.psnr, found.ssim
    numbers = "" if psnr is None else f"{float(psnr.mean()):.2f} dB"
    numbers += "" if ssim is None else f" · {float(ssim.mean()):.3f}"
    return f'<a href="{html.escape(place)}/report.html">{pictures}<br>{numbers or "open"}</a>'
