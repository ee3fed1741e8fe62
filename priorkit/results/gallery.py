"""A comparison as pictures: a grid, a curve, and a page that holds both."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from priorkit.draw.html import document, embedded, table, table_of, thumbnail
from priorkit.draw.svg import Line, plot, standalone
from priorkit.draw.tiles import png, sheet, tile
from priorkit.interfaces import kind_of
from priorkit.io.files import write_atomic
from priorkit.io.pictures import dimensions
from priorkit.results.contender import Contender, places
from priorkit.results.folder import write
from priorkit.results.views import columns

__all__ = ["pictures", "write_page", "write_recoveries"]

Cells = tuple[list[str], list[list[str]]]  # a head, and rows, as text

ALT = "recoveries, one row per prior"
MAX_COLUMNS, THUMBNAIL = 12, 128


def pictures(rows: Sequence[Contender], truth: Tensor) -> Image.Image:
    """The truth in the first row, then one row per prior and m, its mean PSNR at the left."""
    kinds = [row.recovery.kind for row in rows if row.recovery is not None]
    kind = kinds[0] if kinds else kind_of(tuple(truth.shape[1:]))
    lines = [("truth", truth)]
    for row in rows:
        words = [row.label] + ([f"m = {row.m}"] if row.m else [])
        psnr = None if row.recovery is None else row.recovery.psnr
        words.append("no result" if psnr is None else f"{float(psnr.mean()):.2f} dB")
        found = row.recovery
        shown = truth[:0] if found is None else found.units.range.inside(found.x)
        lines.append(("\n".join(words), shown))
    tiles = [(words, [("", tile(x, kind)) for x in shown[:MAX_COLUMNS]]) for words, shown in lines]
    return sheet(tiles, side=96, gap=4, margin=190)


def curve(rows: Sequence[Contender]) -> str:
    """PSNR against m, or against seconds where there is a single m, as SVG."""
    ms = {row.m for row in rows}
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
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


def write_recoveries(rows: Sequence[Contender], folder: Path, place: Path) -> dict[str, str]:
    """Write each recovery into its part of the new ``folder``, which will be at ``place``. The
    sha256 of large files, by their names there."""
    digests: dict[str, str] = {}
    for row, part in zip(rows, places(rows), strict=True):
        if row.recovery is not None:
            own = write(row.recovery, folder / part, place / part)
            digests |= {f"{part}/{name}": digest for name, digest in own.items()}
    return digests


def write_page(
    rows: Sequence[Contender], truth: Tensor, cells: Cells, notes: Sequence[str], folder: Path
) -> None:
    """Write grid.png, curve.svg and report.html."""
    grid = pictures(rows, truth)
    write_atomic(folder / "grid.png", png(grid))
    drawn = curve(rows)
    write_atomic(folder / "curve.svg", standalone(drawn))
    shape = dimensions(truth.shape[1:])
    reasons = "".join(f"<p>{html.escape(line)}</p>" for line in notes)
    body = (
        f"<p>{len(truth)} image(s) of {shape}, one A and one noise for all priors. "
        "“PSNR at T” is what each had reached when the slowest was done, or at the time asked "
        f"for.</p>{table(*cells)}{reasons}{drawn}<h2>Pictures</h2>{_matrix(rows)}"
        f"<h2>All</h2><p>{embedded(grid, ALT, 'max-width:100%')}</p>"
    )
    write_atomic(folder / "report.html", document("Comparison", body))


def _matrix(rows: Sequence[Contender]) -> str:
    """A row per prior and a column per m: the recovery of the first image, its error and its
    numbers, with a link to the page of the run."""
    ms = list(dict.fromkeys(row.m for row in rows))
    cells: dict[str, dict[int | None, str]] = {}
    for row, place in zip(rows, places(rows), strict=True):
        cells.setdefault(row.label, {})[row.m] = _cell(row, place)
    heads = ["", *("" if m is None else f"m = {m}" for m in ms)]
    lines = [
        [html.escape(label), *(found.get(m, "") for m in ms)] for label, found in cells.items()
    ]
    return table_of(heads, lines, ' class="matrix"')


def _cell(row: Contender, place: str) -> str:
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
