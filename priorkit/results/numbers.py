"""The numbers of every image of a recovery, as a table."""

from __future__ import annotations

import math
from typing import NamedTuple

from priorkit.counted import counted
from priorkit.interfaces import Snapshot
from priorkit.results.recovered import Recovered
from priorkit.results.views import ended

__all__ = ["numbers", "reached", "three"]

THREE = "three"  # digits, see below, rather than a format of Python


class _Column(NamedTuple):
    """A key of the record, what it is called in a page and where there is little room, and how it
    is written in both; without a word for little room it is left out there."""

    key: str
    word: str
    form: str
    brief: str = ""
    short: str = ""


COLUMNS = (
    _Column("psnr", "PSNR (dB)", ".2f", "PSNR (dB)", ".2f"),
    _Column("expected_psnr", "expected without the truth (dB)", ".2f", "expected (dB)", ".2f"),
    _Column("ssim", "SSIM", ".4f", "SSIM", ".3f"),
    _Column("error", "error (1/n)‖x − x̂‖²", ".2e"),
    _Column("misfit", "misfit ℓ(A x̂, y)", ".3e", "misfit", THREE),
    _Column("noise", "of noise alone, E ℓ(A x, y)", ".3e", "of noise alone", THREE),
    _Column("spread", "std of draws", THREE),
    _Column("within_90", "truth within their 90% interval", ".0%", "within 90%", ".0%"),
)


def numbers(
    recovery: Recovered, *, most: int | None = None, brief: bool = False
) -> tuple[list[str], list[list[str]]]:
    """A head, and a row for each of the first ``most`` images: its name, what is known of it, the
    evaluations, and how it ended. ``brief`` is for where there is little room."""
    images = recovery.record["images"][:most]
    known = {key for image in images for key in image}  # of no draws there is no spread
    columns = [c for c in COLUMNS if c.key in known and (c.brief or not brief)]
    head = ["image", *(c.brief if brief else c.word for c in columns)]
    rows = []
    for i, image in enumerate(images):
        told = [
            "—" if image.get(c.key) is None else _told(image[c.key], c.short if brief else c.form)
            for c in columns
        ]
        ends = [str(image["evaluations"]), image["status"], ended(recovery, i)]
        rows.append([image["name"], *told, *ends])
    return [*head, recovery.record["unit"], "status", "reason"], rows


def reached(now: Snapshot) -> str:
    """How far a batch is, while it runs: the most evaluations of an image, the fewest draws where
    something is drawn, and the median misfit."""
    said = counted(int(now.evaluations.max()), "evaluations")
    if drawn := int(now.draws.min()):
        said += f", {counted(drawn, 'draws')}"
    return f"{said}, misfit {three(float(now.misfit.median()))}"


def _told(value: float, form: str) -> str:
    return three(value) if form == THREE else format(value, form)


def three(value: float) -> str:
    """A number of three digits, without a power of ten as far as it goes.

    >>> three(1000.0), three(1060.4), three(0.5251), three(2.5e-9)
    ('1000', '1060', '0.525', '2.5e-09')
    """
    if not math.isfinite(value) or not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    places = 2 - math.floor(math.log10(abs(float(f"{value:.3g}"))))
    return f"{round(value, places):.{max(places, 0)}f}" if places < 1 else f"{value:.3g}"
