"""Self-contained pages and their pieces, which need no other file and no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable

from PIL import Image

from priorkit.draw.tiles import SCALE, png
from priorkit.draw.viewer import SCRIPT, STYLE

__all__ = [
    "MAX_SIDE",
    "bar",
    "copied",
    "document",
    "embedded",
    "figure",
    "scale_bar",
    "table",
    "table_of",
    "thumbnail",
    "wipe",
]

MAX_SIDE = 512  # of a picture in the page, in pixels
BAR = "display:inline-block;width:4rem;height:.6rem;margin-right:.5rem"
EMPTY = "#8883"  # what is left of a bar, on light and on dark


def document(title: str, body: str) -> bytes:
    """A whole page with that title, as a file."""
    whole = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>priorkit: {html.escape(title)}</title><style>{STYLE}</style>"
        f"<body><h1>{html.escape(title)}</h1>{body}<script>{SCRIPT}</script>"
        "</body></html>\n"
    )
    return whole.encode("utf-8", "replace")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of plain text."""
    return table_of(map(html.escape, head), [map(html.escape, row) for row in rows])


def table_of(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of HTML."""
    cells = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="numbers"><table><tr>{cells}</tr>{body}</table></div>'


def bar(parts: Iterable[tuple[float, str]]) -> str:
    """A bar to be put before a number: parts of its length, at most 1 together, each of a colour.
    It needs no style of a page."""
    stops, at = [], 0.0
    for part, colour in parts:
        stops.append(f"{colour} {100 * at:.1f}% {100 * (at := at + part):.1f}%")
    stops.append(f"{EMPTY} {100 * at:.1f}%")
    drawn = f"background:linear-gradient(90deg,{','.join(stops)})"
    return f'<i class="share" style="{BAR};{drawn}"></i>'


def embedded(picture: Image.Image, alt: str, what: str = "") -> str:
    """An image inside the page; ``what`` names it for the slider between truth and recovery,
    and in a matrix for the arrow keys, which go from one of a name to the next."""
    data = base64.b64encode(png(picture)).decode()
    more = f' data-is="{what}"' if what else ""
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"{more}>'


def figure(shown: str, caption: str = "", more: str = "") -> str:
    """A picture, which a click enlarges, with its caption as HTML, and ``more`` below it."""
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure>{shown}{below}{more}</figure>"


def copied(what: str) -> str:
    """Another time the picture of a row that ``embedded`` was told to be ``what``, by the script
    of a page."""
    return f'<img alt="{html.escape(what)}" data-of="{html.escape(what)}">'


def wipe(under: str, over: str, caption: str, *, label: str = "") -> str:
    """Two pictures of one size over one another, and a slider on them that says how much is seen of
    each; it needs the rules :data:`~priorkit.draw.viewer.WIPE` and no script of a page. ``label``
    is for who can't see it, by default the caption."""
    moved = "this.parentElement.style.setProperty('--cut', this.value + '%')"
    over = over.replace("<img ", '<img class="over" ', 1)
    caption, label = html.escape(caption), html.escape(label or caption)
    return (
        f'<figure class="wipe"><div>{under}{over}<i></i><input type="range" value="50" '
        f'aria-label="{label}" oninput="{moved}"></div><figcaption>{caption}</figcaption></figure>'
    )


def scale_bar(end: float) -> str:
    """The colours of an error map, from 0 to ``end``, the largest with a colour of its own."""
    stops = ",".join(f"rgb({','.join(map(str, row))})" for row in SCALE.tolist())
    style = f"background:linear-gradient(90deg,{stops})"
    return f'<div class="bar">0<i style="{style}"></i>{end:g}</div>'


def thumbnail(picture: Image.Image, side: int = MAX_SIDE) -> Image.Image:
    """A picture reduced to at most ``side`` pixels a side; the folder holds it at full size."""
    small = picture.copy()
    small.thumbnail((side, side))
    return small
