"""Recoveries beside each other in a page: pictures of one size, and errors on one scale."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PIL import Image

from priorkit.draw.html import embedded, figure, scale_bar, thumbnail
from priorkit.results.recovered import Recovered
from priorkit.results.views import Shown, columns

__all__ = ["cards", "measured", "pair", "scale", "scores", "small"]

THUMBNAIL = 256


def small(shown: Shown, label: str) -> str:
    """A picture; the arrow keys go on to others of what it is."""
    alt = label if shown.what == label else f"{label}: {shown.what}"
    return embedded(thumbnail(shown.picture, THUMBNAIL), alt, what=shown.what)


def scale() -> str:
    """The one scale of all errors."""
    said = f"<figcaption>errors of all, on one scale</figcaption>{scale_bar()}"
    return f'<figure class="scale">{said}</figure>'


def measured(recovery: Recovered) -> list[Shown]:
    """Truth and measurement of the first image, which all have in common, and a detail of y."""
    return [c for c in columns(recovery, 0) if {c.what, c.of} & {"truth", "measurement"}]


def pair(recovery: Recovered, label: str) -> str:
    """Recovery and error of the first image."""
    shown = [c for c in columns(recovery, 0) if c.what in ("recovery", "error")]
    return f'<div class="pair">{"".join(figure(small(c, label)) for c in shown)}</div>'


def scores(recovery: Recovered) -> str:
    """Mean PSNR and SSIM of all images, where they are known."""
    psnr, ssim = recovery.psnr, recovery.ssim
    said = [] if psnr is None else [f"{float(psnr.mean()):.2f} dB"]
    return " · ".join(said + ([] if ssim is None else [f"{float(ssim.mean()):.3f}"]))


def cards(lines: Sequence[tuple[str, Sequence[Image.Image]]]) -> str:
    """Several images of each line of words."""
    parts = []
    for words, shown in lines:
        name = ", ".join(words.splitlines())
        images = [figure(embedded(thumbnail(x, THUMBNAIL), name, what="all")) for x in shown]
        parts.append(
            f'<div><b>{html.escape(name)}</b><div class="pair many">{"".join(images)}</div></div>'
        )
    most = max((len(shown) for _, shown in lines), default=1)
    return f'<div class="matrix cards" style="--most:{most}">{"".join(parts)}</div>'
