"""A comparison as pictures: a grid, a curve, and a page that holds both."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from priorkit.draw.html import document, embedded, figure, scale_bar, table, table_of, thumbnail
from priorkit.draw.svg import Line, plot, standalone
from priorkit.draw.tiles import png, sheet, tile
from priorkit.interfaces import kind_of
from priorkit.io.files import write_atomic
from priorkit.io.pictures import dimensions
from priorkit.results.contender import Contender, places
from priorkit.results.folder import write
from priorkit.results.views import Shown, columns

__all__ = ["pictures", "write_page", "write_recoveries"]

Cells = tuple[list[str], list[list[str]]]  # a head, and rows, as text

ALT = "recoveries, one row per prior"
MAX_COLUMNS, THUMBNAIL = 12, 256
SECONDS = "seconds"  # the column that has bars beside its numbers


def pictures(rows: Sequence[Contender], truth: Tensor) -> Image.Image:
    """The truth in the first row, then one row per prior and m, its mean PSNR at the left."""
    tiles = [(words, [("", x) for x in shown]) for words, shown in _lines(rows, truth)]
    return sheet(tiles, side=96, gap=4, margin=190)


def _lines(rows: Sequence[Contender], truth: Tensor) -> list[tuple[str, list[Image.Image]]]:
    """The words of a row and its pictures: the truth, then of each prior and m."""
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
    return [(words, [tile(x, kind) for x in shown[:MAX_COLUMNS]]) for words, shown in lines]


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
    seconds = [row.seconds if row.reason is None else math.nan for row in rows]
    body = (
        f"<p>{len(truth)} image(s) of {shape}, one A and one noise for all priors. "
        "“PSNR at T” is what each had reached when the slowest was done, or at the time asked "
        f"for.</p>{_table(*cells, seconds)}{reasons}{drawn}"
        f"<h2>Pictures</h2>{_matrix(rows)}"
    )
    if len(truth) > 1:
        body += f"<h2>All</h2>{_every(rows, truth)}"
    write_atomic(folder / "report.html", document("Comparison", body))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], seconds: Sequence[float]) -> str:
    """The numbers, each time with a bar whose length it is; columns that say nothing are left
    out."""
    told = [k for k, cells in enumerate(zip(*rows, strict=True)) if set(cells) - {"", "—"}]
    head, rows = [head[k] for k in told], [[row[k] for k in told] for row in rows]
    if SECONDS not in head:  # nobody has a result
        return table(head, rows)
    at = head.index(SECONDS)
    known = [s if math.isfinite(s) else 0.0 for s in seconds]  # 0 of a row without a result
    longest = max(known) or 1.0
    lines = []
    for row, taken in zip(rows, known, strict=True):
        line = [html.escape(cell) for cell in row]
        share = 100 * taken / longest
        line[at] = f'<i class="time" style="--part:{share:.1f}%"></i>{line[at]}'
        lines.append(line)
    return table_of(map(html.escape, head), lines)


def _matrix(rows: Sequence[Contender]) -> str:
    """The first image: its truth and measurements, then a line per prior and a column per m, or a
    column per prior where there is one m: the recovery, its error and its numbers, with a link to
    the page of the run. All errors are on one scale."""
    ms = list(dict.fromkeys(row.m for row in rows))
    labels = list(dict.fromkeys(row.label for row in rows))
    cells = {
        (row.label, row.m): _cell(row, place) for row, place in zip(rows, places(rows), strict=True)
    }
    given = next((row.recovery for row in rows if row.recovery is not None), None)
    shown = [] if given is None else columns(given, 0)
    first = [c for c in shown if c.what == "truth" or (len(ms) == 1 and _is_measured(c))]
    before = "".join(figure(_small(c, c.what), html.escape(c.caption)) for c in first)
    scale = f"<figcaption>errors of all, on one scale</figcaption>{scale_bar()}"
    before += f'<figure class="scale">{scale}</figure>'
    if len(ms) > 1:
        across = len(ms)
        heads = [f"<b>m = {m}</b>" for m in ms]
        parts = ["<b></b>", *heads]
        for label in labels:
            parts.append(f"<b>{html.escape(label)}</b>")
            parts += [cells.get((label, m), "<div></div>") for m in ms]
        names = " named"
    else:
        across, names = min(len(labels), 4), ""
        parts = [f"<div><b>{html.escape(label)}</b>{cells[label, ms[0]]}</div>" for label in labels]
    return (
        f'<div class="row first">{before}</div><div class="numbers">'
        f'<div class="matrix{names}" style="--across:{across}">{"".join(parts)}</div></div>'
    )


def _is_measured(shown: Shown) -> bool:
    """Whether it is of y, which all have in common where there is one m."""
    return shown.what == "measurement" or (
        shown.what == "detail" and shown.caption.startswith("measured")
    )


def _cell(row: Contender, place: str) -> str:
    """Recovery and error of the first image, and the numbers of all."""
    found = row.recovery
    if found is None:
        return "<div>—</div>"
    label = row.label if row.m is None else f"{row.label}, m = {row.m}"
    pictures = "".join(
        figure(_small(shown, label))
        for shown in columns(found, 0)
        if shown.what in ("recovery", "error")
    )
    psnr, ssim = found.psnr, found.ssim
    numbers = "" if psnr is None else f"{float(psnr.mean()):.2f} dB"
    numbers += "" if ssim is None else f" · {float(ssim.mean()):.3f}"
    link = f'<a href="{html.escape(place)}/report.html">{numbers or "open"}</a>'
    return f'<div><div class="pair">{pictures}</div>{link}</div>'


def _small(shown: Shown, label: str) -> str:
    """A picture; the arrow keys go on to others of what it is."""
    alt = label if shown.what == label else f"{label}: {shown.what}"
    return embedded(thumbnail(shown.picture, THUMBNAIL), alt, what=shown.what)


def _every(rows: Sequence[Contender], truth: Tensor) -> str:
    """Several images: the truths, then the recoveries of each prior and m."""
    cards, most = [], 0
    for words, shown in _lines(rows, truth):
        name, most = ", ".join(words.splitlines()), max(most, len(shown))
        images = [figure(embedded(thumbnail(x, THUMBNAIL), name, what="all")) for x in shown]
        cards.append(
            f'<div><b>{html.escape(name)}</b><div class="pair many">{"".join(images)}</div></div>'
        )
    return f'<div class="matrix cards" style="--most:{most}">{"".join(cards)}</div>'
