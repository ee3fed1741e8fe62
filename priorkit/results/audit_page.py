"""An audit as pictures: bars of its errors, a grid, a page and what a notebook shows."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from PIL import Image

from priorkit.draw.html import document, embedded, figure, thumbnail
from priorkit.draw.svg import COLOURS, lettered
from priorkit.draw.tiles import sheet, tile
from priorkit.draw.viewer import FRAGMENT
from priorkit.results.beside import (
    ACROSS,
    all_of,
    barred,
    cards,
    matrix,
    measured,
    pair,
    scale,
    scores,
    shared,
    small,
)
from priorkit.results.finding import PARTS, Finding, Recoveries
from priorkit.results.recovery import Recovery
from priorkit.results.tally import Cells
from priorkit.results.views import columns

__all__ = ["bars", "fragment", "grid", "page"]

WIDTH, LEFT, ROW = 640, 210, 26  # of the bars, in pixels
NAME = 30  # characters of a name beside a bar, as far as there is room
MAX_COLUMNS = 12  # images of a group that are shown
SIDE = 256  # of a picture in a notebook, in pixels
ERROR = "error"  # the column that has bars beside its numbers
KEY = "display:inline-block;width:.6rem;height:.6rem;margin-right:.3rem;background:"
SAID = (
    "<p>Where the error (1/n)‖x − x̂‖² comes from: what the prior can't represent, what neither the "
    "measurement nor the prior decides, and what the solver missed.</p>"
)


def page(findings: Sequence[Finding], recoveries: Recoveries, cells: Cells) -> bytes:
    """A self-contained page: the numbers, then pictures in the order of the numbers."""
    body = f"{SAID}{_table(findings, cells)}<h2>Pictures</h2>{_matrix(recoveries)}"
    most = max(len(found.x) for found in recoveries.values())
    if most > 1:
        body += f"{all_of(most, MAX_COLUMNS)}{cards(_lines(recoveries))}"
    return document("Audit", body)


def fragment(findings: Sequence[Finding], recoveries: Recoveries, cells: Cells) -> str:
    """HTML for a notebook: the numbers, and of each group the first image, a row of pictures."""
    rows = []
    for group, own in _by_group(recoveries).items():
        first = next(iter(own.values()))
        shown = [(f"{group}: {c.caption}", c.picture) for c in measured(first) if not c.of]
        for label, found in own.items():
            picture = next(c.picture for c in columns(found, 0) if c.what == "recovery")
            shown.append((", ".join([label, *scores(found)]), picture))
        figures = [
            figure(embedded(thumbnail(picture, SIDE), words), html.escape(words))
            for words, picture in shown
        ]
        rows.append(f'<div class="row">{"".join(figures)}</div>')
    style = f"<style>{FRAGMENT}</style>"
    return f'<div class="priorkit">{style}{_table(findings, cells)}{"".join(rows)}</div>'


def grid(recoveries: Recoveries) -> Image.Image:
    """Of each group a row of truths, then one of recoveries per prior, its means at the left."""
    lines = [(words, [("", x) for x in shown]) for words, shown in _lines(recoveries)]
    return sheet(lines, side=96, gap=4, margin=190)


def bars(findings: Sequence[Finding]) -> str:
    """A bar per prior and group, its length the error, in three colours, as SVG."""
    longest = max((sum(finding.shares) for finding in findings), default=0.0) or 1.0
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
        name = lettered(f"{finding.prior}, {finding.group}", NAME)
        parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
        for k, share in enumerate(finding.shares):
            parts.append(
                f'<rect x="{at:.1f}" y="{y}" width="{unit * share:.1f}" height="{ROW - 8}" '
                f'fill="{COLOURS[k]}"/>'
            )
            at += unit * share
        said = "" if math.isnan(finding.psnr) else f"{finding.psnr:.1f} dB"
        parts.append(f'<text x="{at + 6:.1f}" y="{y + 15}">{said}</text>')
    return "".join(parts) + "</svg>"


def _table(findings: Sequence[Finding], cells: Cells) -> str:
    """The numbers, each error with a bar of its three parts, whose heads have their colours."""
    head, rows = cells
    keys = dict(zip(PARTS, COLOURS, strict=False))
    heads = [
        (f'<i style="{KEY}{keys[name]}"></i>' if name in keys else "") + html.escape(name)
        for name in head
    ]
    return barred(heads, rows, head.index(ERROR), [finding.shares for finding in findings])


def _matrix(recoveries: Recoveries) -> str:
    """The first image of each group: its truth and measurement, then a line per prior and a column
    per group, or a column per prior where there is one group: the recovery, its error and the
    numbers of all. All errors are on one scale."""
    groups = _by_group(recoveries)
    first = {group: next(iter(own.values())) for group, own in groups.items()}
    if len(groups) > 1:
        across, names, before = len(groups), " named", ""
        heads = ["", *groups, "truth, measured"]
        parts = [f"<b>{html.escape(head)}</b>" for head in heads]
        for group, found in first.items():
            whole = [c for c in measured(found) if not c.of]
            shown = [figure(small(c.picture, f"{group}: {c.what}", c.what)) for c in whole]
            parts.append(f'<div><div class="pair">{"".join(shown)}</div></div>')
        for label in dict.fromkeys(label for label, _ in recoveries):
            parts.append(f"<b>{html.escape(label)}</b>")
            parts += [
                _cell(own[label], f"{label}, {group}") if label in own else "<div></div>"
                for group, own in groups.items()
            ]
    else:
        ((group, own),) = groups.items()
        across, names = min(len(own), ACROSS), ""
        before = "".join(map(shared, measured(first[group])))
        parts = [
            f"<div><b>{html.escape(label)}</b>{_cell(found, label)}</div>"
            for label, found in own.items()
        ]
    return matrix(before + scale(next(iter(first.values()))), parts, across=across, names=names)


def _cell(found: Recovery, label: str) -> str:
    return f"<div>{pair(found, label)}{' · '.join(scores(found))}</div>"


def _by_group(recoveries: Recoveries) -> dict[str, dict[str, Recovery]]:
    """Of each group the recovery of each prior."""
    found: dict[str, dict[str, Recovery]] = {}
    for (label, group), recovery in recoveries.items():
        found.setdefault(group, {})[label] = recovery
    return found


def _lines(recoveries: Recoveries) -> list[tuple[str, list[Image.Image]]]:
    """The words of a line and its pictures: of each group the truths, then of each prior."""
    lines = []
    for group, own in _by_group(recoveries).items():
        first = next(iter(own.values()))
        truth = first.x if first.truth is None else first.truth
        lines.append((["truth", group], first, truth))
        lines += [([label, group, *scores(found)], found, found.x) for label, found in own.items()]
    return [
        ("\n".join(words), [tile(x, found.kind) for x in images[:MAX_COLUMNS]])
        for words, found, images in lines
    ]
