"""An audit as bars, a grid of pictures, and a page that holds both."""

from __future__ import annotations

import csv
import html
import io
import json
import math
from pathlib import Path

from PIL import Image

from priorkit.engine.audit import PARTS, Audit
from priorkit.io.files import write_atomic
from priorkit.io.folders import replacing
from priorkit.report.grid import fit, png, tile
from priorkit.report.page import document, embedded, table
from priorkit.report.svg import COLOURS, standalone

__all__ = ["bars", "save"]

WIDTH, LEFT, ROW = 640, 210, 26
SIDE, GAP, MAX_COLUMNS = 96, 4, 8


def bars(audit: Audit) -> str:
    """A bar per prior and group, its length the error, in three colours, as SVG."""
    longest = max((f.error for f in audit.findings), default=0.0) or 1.0
    unit = (WIDTH - LEFT - 70) / longest
    height = ROW * (len(audit.findings) + 1) + 8
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="error by its sources">'
    ]
    for k, part in enumerate(PARTS):
        x = LEFT + 130 * k
        parts.append(f'<rect x="{x}" y="6" width="12" height="12" fill="{COLOURS[k]}"/>')
        parts.append(f'<text x="{x + 17}" y="17">{part}</text>')
    for i, finding in enumerate(audit.findings):
        y, at = ROW * (i + 1) + 4, float(LEFT)
        name = html.escape(f"{finding.prior}, {finding.group}")
        parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
        for k, part in enumerate(PARTS):
            wide = unit * max(getattr(finding, part), 0.0)
            parts.append(
                f'<rect x="{at:.1f}" y="{y}" width="{wide:.1f}" height="{ROW - 8}" '
                f'fill="{COLOURS[k]}"/>'
            )
            at += wide
        said = "" if math.isnan(finding.psnr) else f"{finding.psnr:.1f} dB"
        parts.append(f'<text x="{at + 6:.1f}" y="{y + 15}">{said}</text>')
    return "".join(parts) + "</svg>"


def save(audit: Audit, folder: Path) -> Path:
    """Write everything into a folder, all of it or nothing."""
    with replacing(folder) as stage:
        drawn, rows = bars(audit), audit.table()
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomic(stage / "audit.csv", text.getvalue().encode())
        plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
        write_atomic(stage / "audit.json", json.dumps(plain, indent=2).encode())
        write_atomic(stage / "audit.svg", standalone(drawn))
        grid = _grid(audit)
        write_atomic(stage / "grid.png", png(grid))
        body = (
            "<p>Where the error (1/n)‖x − x̂‖² comes from: what the prior can't represent, what "
            "neither the measurement nor the prior decides, and what the solver missed.</p>"
            f"{drawn}{table(*audit.cells())}"
            f"<p>{embedded(grid, 'truths and recoveries', 'max-width:100%')}</p>"
        )
        write_atomic(stage / "report.html", document("Audit", body).encode("utf-8", "replace"))
    return folder


def _grid(audit: Audit) -> Image.Image:
    """Two rows per prior and group, in the order of the bars: the truths and the recoveries."""
    step = SIDE + GAP
    canvas = Image.new("RGB", (MAX_COLUMNS * step, 2 * step * len(audit.recoveries)), "white")
    for r, recovery in enumerate(audit.recoveries.values()):
        for k, images in enumerate((recovery.truth, recovery.x)):
            for c, x in enumerate([] if images is None else images[:MAX_COLUMNS]):
                canvas.paste(fit(tile(x), SIDE), (c * step, (2 * r + k) * step))
    return canvas
