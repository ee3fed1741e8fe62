"""A comparison in HTML: its numbers, the first image of all priors side by side, and all images; as
a page of its own, and as what a notebook shows."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from priorkit.draw.html import document, figure, scale_bar, table
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
    shared,
    small,
)
from priorkit.results.contender import Contender, places
from priorkit.results.gallery import MAX_COLUMNS, Maps, curve, first_of, lines
from priorkit.results.tally import Cells

__all__ = ["Board"]

SECONDS = "seconds"  # the column that has bars beside its numbers
# Of a notebook, beside what a recovery has there: its cells are narrower than a page.
NARROW = """
.priorkit .first { align-items: end; }
.priorkit .matrix { display: grid; gap: .75rem; margin: .5rem 0;
                    grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.priorkit .matrix.single { grid-template-columns:
                    repeat(auto-fill, minmax(min(100%, 11rem), 1fr)); }
.priorkit .matrix.named { grid-template-columns:
                    max-content repeat(var(--across), minmax(9rem, 1fr)); }
.priorkit .pair { display: flex; flex-wrap: wrap; gap: .25rem; }
.priorkit .pair figure { flex: 1 0 8rem; width: auto; max-width: 14rem; }
.priorkit .bar { display: flex; gap: .4rem; align-items: center; font-size: .8em; }
.priorkit .bar i { flex: 1; height: .6rem; }
"""


@final
@dataclass(frozen=True)
class Board:
    """What is shown of a comparison.

    Attributes
    ----------
    truth : the images in [0, 1]; None where nobody knows them
    differ : where the priors disagree, if that is shown
    said : a paragraph about it
    cells : its table
    notes : a line for each row without a result, and for each file that was left out
    """

    rows: Sequence[Contender]
    truth: Tensor | None
    differ: Maps | None
    said: str
    cells: Cells
    notes: Sequence[str]

    def page(self) -> bytes:
        """The whole page, with a link to that of every run."""
        known = self.truth is not None
        body = (
            f"{self._told()}{curve(self.rows, known=known)}"
            f"<h2>Pictures</h2>{self._first(links=True)}"
        )
        found = first_of(self.rows)
        if found is not None and len(found.names) > 1:
            several = cards(lines(self.rows, self.truth, self.differ))
            body += f"{all_of(len(found.names), MAX_COLUMNS)}{several}"
        return document("Comparison", body)

    def fragment(self) -> str:
        """The same without a page, scripts or links around it: the numbers and the first image."""
        shown = f"{self._told()}{self._first(links=False)}"
        return f'<div class="priorkit"><style>{FRAGMENT}{NARROW}</style>{shown}</div>'

    def _told(self) -> str:
        """The paragraph, the numbers, and the notes."""
        notes = "".join(f"<p>{html.escape(line)}</p>" for line in self.notes)
        return f"<p>{html.escape(self.said)}</p>{self._numbers()}{notes}"

    def _numbers(self) -> str:
        """The table, each time with a bar as long as it is; columns that say nothing are left
        out."""
        head, rows = self.cells
        told = [k for k, cells in enumerate(zip(*rows, strict=True)) if set(cells) - {"", "—"}]
        head, rows = [head[k] for k in told], [[row[k] for k in told] for row in rows]
        if SECONDS not in head:  # nobody has a result
            return table(head, rows)
        timed = [row.reason is None and math.isfinite(row.seconds) for row in self.rows]
        bars = [[row.seconds] if own else [] for row, own in zip(self.rows, timed, strict=True)]
        return barred(map(html.escape, head), rows, head.index(SECONDS), bars)

    def _first(self, *, links: bool) -> str:
        """The first image: its truth and measurements, then a line per prior and a column per m, or
        a column per prior where there is one m: the recovery, its error and its numbers. All errors
        are on one scale."""
        ms = list(dict.fromkeys(row.m for row in self.rows))
        labels = list(dict.fromkeys(row.label for row in self.rows))
        pages = places(self.rows) if links else [None] * len(self.rows)
        cells = {
            (row.label, row.m): _cell(row, page) for row, page in zip(self.rows, pages, strict=True)
        }
        single = "" if self.truth is not None else " single"  # without errors beside them
        if len(ms) > 1:
            across, names = len(ms), " named"
            parts = ["<b></b>", *(f"<b>m = {m}</b>" for m in ms)]
            for label in labels:
                parts.append(f"<b>{html.escape(label)}</b>")
                parts += [cells.get((label, m), "<div></div>") for m in ms]
        else:
            across, names = min(len(labels), ACROSS), single
            parts = [
                f"<div><b>{html.escape(each)}</b>{cells[each, ms[0]]}</div>" for each in labels
            ]
        return matrix(self._before(len(ms)), parts, across=across, names=names)

    def _before(self, ms: int) -> str:
        """What all have in common: the truth, the measurement where there is one m, and the scale,
        beside the map that it is of where there are no errors."""
        found = first_of(self.rows)
        shown = [] if found is None else measured(found)
        before = "".join(shared(c) for c in shown if c.what == "truth" or ms == 1)
        if self.truth is not None:
            return before + ("" if found is None else scale(found))
        if self.differ is None:
            return before
        caption = f"std across priors{scale_bar(self.differ.end)}"
        where = small(self.differ.pictures[0], "where priors disagree", "apart")
        return before + figure(where, caption)


def _cell(row: Contender, page: str | None) -> str:
    """Recovery and error of the first image, and the means of all; with a link to its page."""
    found = row.recovery
    if found is None:
        return "<div>—</div>"
    label = row.label if row.m is None else f"{row.label}, m = {row.m}"
    score = html.escape(" · ".join(row.score))
    if page is not None:
        score = f'<a href="{html.escape(page)}/report.html">{score or "open"}</a>'
    return f"<div>{pair(found, label)}{score}</div>"
