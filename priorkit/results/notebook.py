"""A recovery as a notebook shows it: its pictures, and a wipe from what was there to what came
back."""

from __future__ import annotations

import html
from collections.abc import Sequence

from priorkit.draw.html import embedded, figure, thumbnail, wipe
from priorkit.draw.viewer import FRAGMENT
from priorkit.results.recovered import Recovered
from priorkit.results.views import Shown, columns, summary, unsure, wiped

__all__ = ["fragment"]

ROWS = 4  # of images; the grid has more
SIDE = 256  # of a picture, in pixels


def fragment(recovery: Recovered) -> str:
    """HTML without a page or scripts around it: the summary, and of the first images a row each."""
    shown = min(len(recovery.x), ROWS)
    rows = "".join(_row(recovery, i, columns(recovery, i)) for i in range(shown))
    more = len(recovery.x) - shown
    rest = f"<p>and {more} more: <code>result.plot()</code></p>" if more else ""
    said = html.escape(f"{summary(recovery)} {unsure(recovery)}".strip())
    return f'<div class="priorkit"><style>{FRAGMENT}</style><p>{said}</p>{rows}{rest}</div>'


def _row(recovery: Recovered, i: int, row: Sequence[Shown]) -> str:
    figures = [
        figure(
            embedded(thumbnail(each.picture, SIDE), f"{recovery.names[i]}: {each.what}"),
            html.escape(each.caption),
        )
        for each in row
    ]
    if (pair := wiped(row)) is not None:
        under, over = (embedded(thumbnail(each.picture, SIDE), each.what) for each in pair)
        figures.append(wipe(under, over, " | ".join(each.what for each in pair)))
    own = f"<b>{html.escape(recovery.names[i])}</b>" if len(recovery.names) > 1 else ""
    return f'{own}<div class="row">{"".join(figures)}</div>'
