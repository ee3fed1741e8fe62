"""Recoveries beside each other in a page: pictures of one size, and errors on one scale."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from PIL import Image

from priorkit.draw.html import bar, embedded, figure, scale_bar, table_of, thumbnail
from priorkit.draw.svg import COLOURS
from priorkit.results.recovered import Recovered
from priorkit.results.views import Shown, brightest, columns, shows_errors

__all__ = [
    "ACROSS",
    "all_of",
    "barred",
    "cards",
    "matrix",
    "measured",
    "pair",
    "scale",
    "scores",
    "shared",
    "small",
]

ACROSS = 4  # priors beside each other on a page
THUMBNAIL = 256


def small(picture: Image.Image, alt: str, what: str) -> str:
    """A picture; the arrow keys go on to others of ``what`` it is."""
    return embedded(thumbnail(picture, THUMBNAIL), alt, what=what)


def shared(shown: Shown) -> str:
    """A picture that all recoveries have in common, as truth and measurement, with its caption."""
    return figure(small(shown.picture, shown.what, shown.what), html.escape(shown.caption))


def scale(recovery: Recovered) -> str:
    """The one scale of all errors, which are in the units of this one; nothing where none is
    shown."""
    if not shows_errors(recovery):
        return ""
    said = "<figcaption>errors of all, on one scale</figcaption>"
    return f'<figure class="scale">{said}{scale_bar(brightest(recovery))}</figure>'


def all_of(count: int, most: int) -> str:
    """The heading of pictures of so many images, of which ``most`` are shown."""
    return "<h2>All</h2>" if count <= most else f"<h2>The first {most} of {count:,}</h2>"


def measured(recovery: Recovered) -> list[Shown]:
    """Truth and measurement of the first image, which all have in common, and a detail of y."""
    return [c for c in columns(recovery, 0) if {c.what, c.of} & {"truth", "measurement"}]


def pair(recovery: Recovered, label: str) -> str:
    """Recovery and error of the first image."""
    shown = [c for c in columns(recovery, 0) if c.what in ("recovery", "error")]
    made = [figure(small(c.picture, f"{label}: {c.what}", c.what)) for c in shown]
    return f'<div class="pair">{"".join(made)}</div>'


def scores(recovery: Recovered) -> list[str]:
    """The means over all images that are shown beside its pictures: PSNR and SSIM, or where the
    truth isn't known the misfit and the PSNR that is expected."""
    psnr, ssim, expected = recovery.psnr, recovery.ssim, recovery.expected_psnr
    if psnr is not None:
        said = [f"{float(psnr.mean()):.2f} dB"]
        if ssim is not None and bool(ssim.isfinite().all()):  # not of very small images
            said.append(f"{float(ssim.mean()):.3f}")
        return said
    if recovery.truth is not None:
        return []
    said = [f"misfit {float(recovery.misfit.mean()):.3g}"]
    if expected is not None and bool(expected.isfinite().all()):
        said.append(f"{float(expected.mean()):.2f} dB expected")
    return said


def barred(
    head: Iterable[str],
    rows: Sequence[Sequence[str]],
    at: int,
    lengths: Sequence[Sequence[float]],
) -> str:
    """A table of text below a head of HTML, with a bar before each number of the column ``at``: of
    the parts of these ``lengths``, a colour each, all on one scale; no bar of a row without."""
    longest = max(map(sum, lengths), default=0.0) or 1.0
    lines = []
    for row, parts in zip(rows, lengths, strict=True):
        line = [html.escape(cell) for cell in row]
        if parts:
            shares = [part / longest for part in parts]
            line[at] = bar(zip(shares, COLOURS, strict=False)) + line[at]
        lines.append(line)
    return table_of(head, lines)


def matrix(before: str, cells: Sequence[str], *, across: int, names: str = "") -> str:
    """Cells in lines of so many, below what they have in common; ``names`` are further classes."""
    return (
        f'<div class="row first">{before}</div><div class="numbers">'
        f'<div class="matrix{names}" style="--across:{across}">{"".join(cells)}</div></div>'
    )


def cards(lines: Sequence[tuple[str, Sequence[Image.Image]]]) -> str:
    """Several images of each line of words."""
    parts = []
    for words, shown in lines:
        name = ", ".join(words.splitlines())
        images = [figure(small(x, name, "all")) for x in shown]
        parts.append(
            f'<div><b>{html.escape(name)}</b><div class="pair many">{"".join(images)}</div></div>'
        )
    most = max((len(shown) for _, shown in lines), default=1)
    return f'<div class="matrix cards" style="--most:{most}">{"".join(parts)}</div>'
