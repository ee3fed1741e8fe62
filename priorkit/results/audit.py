"""What an audit found: its numbers, bars, a grid of pictures, and a page that holds them."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from priorkit.draw.html import document, embedded, table
from priorkit.draw.svg import COLOURS, standalone
from priorkit.draw.tiles import fit, png, tile
from priorkit.io.files import write_atomic
from priorkit.io.folders import replacing
from priorkit.results.recovery import Recovery

__all__ = ["Audit", "Finding", "bars"]

WIDTH, LEFT, ROW = 640, 210, 26
SIDE, GAP, MAX_COLUMNS = 96, 4, 8
PARTS = ("representation", "measurement", "optimisation")


@dataclass(frozen=True)
class Finding:
    """One prior on one group of pictures: errors are means over the pictures of (1/n)‖x − x̂‖².

    ``error`` = ``representation`` + ``measurement`` + ``optimisation``; ``standard_error`` is that
    of the mean.
    """

    prior: str
    group: str
    pictures: int
    psnr: float
    error: float
    standard_error: float
    representation: float
    measurement: float
    optimisation: float


@dataclass
class Audit:
    """What :func:`audit` found, a :class:`Finding` per prior and group, and the recoveries."""

    findings: list[Finding]
    recoveries: dict[tuple[str, str], Recovery]

    def table(self) -> list[dict[str, Any]]:
        """A dict per finding."""
        return [asdict(finding) for finding in self.findings]

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The table as text: a head, and a row per finding."""
        head = ["prior", "group", "pictures", "PSNR", "error", "±", *PARTS]
        rows = []
        for f in self.findings:
            parts = [f"{getattr(f, part):.2e}" for part in PARTS]
            numbers = [f"{f.psnr:.2f}", f"{f.error:.2e}", f"{f.standard_error:.0e}", *parts]
            rows.append([f.prior, f.group, str(f.pictures), *numbers])
        return head, rows

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write audit.csv, audit.json, audit.svg, grid.png and report.html into a folder."""
        place = Path(folder)
        with replacing(place) as stage:
            drawn, rows = bars(self.findings), self.table()
            text = io.StringIO()
            writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_atomic(stage / "audit.csv", text.getvalue().encode())
            plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
            write_atomic(stage / "audit.json", json.dumps(plain, indent=2).encode())
            write_atomic(stage / "audit.svg", standalone(drawn))
            grid = _grid(self.recoveries)
            write_atomic(stage / "grid.png", png(grid))
            body = (
                "<p>Where the error (1/n)‖x − x̂‖² comes from: what the prior can't represent, what "
                "neither the measurement nor the prior decides, and what the solver missed.</p>"
                f"{drawn}{table(*self.cells())}"
                f"<p>{embedded(grid, 'truths and recoveries', 'max-width:100%')}</p>"
            )
            write_atomic(stage / "report.html", document("Audit", body))
        return place


def bars(findings: Sequence[Finding]) -> str:
    """A bar per prior and group, its length the error, in three colours, as SVG."""
    longest = max((f.error for f in findings), default=0.0) or 1.0
    unit = (WIDTH - LEFT - 70) / longest
    height = ROW * (len(findings) + 1) + 8
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="error by its sources">'
    ]
    for k, part in enumerate(PARTS):
        x = LEFT + 130 * k
        parts.append(f'<rect x="{x}" y="6" width="12" height="12" fill="{COLOURS[k]}"/>')
        parts.append(f'<text x="{x + 17}" y="17">{part}</text>')
    for i, finding in enumerate(findings):
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


def _grid(recoveries: Mapping[tuple[str, str], Recovery]) -> Image.Image:
    """Two rows per prior and group, in the order of the bars: the truths and the recoveries."""
    step = SIDE + GAP
    canvas = Image.new("RGB", (MAX_COLUMNS * step, 2 * step * len(recoveries)), "white")
    for r, recovery in enumerate(recoveries.values()):
        for k, images in enumerate((recovery.truth, recovery.x)):
            for c, x in enumerate([] if images is None else images[:MAX_COLUMNS]):
                shown = tile(recovery.units.range.inside(x), recovery.kind)
                canvas.paste(fit(shown, SIDE), (c * step, (2 * r + k) * step))
    return canvas
