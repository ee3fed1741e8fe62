"""A comparison as pictures: a grid, the map of where priors disagree, and curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit.draw.html import MAX_SIDE
from priorkit.draw.svg import Line, plot, rounded_up
from priorkit.draw.tiles import error_map, sheet, shrunk, tile
from priorkit.interfaces import kind_of
from priorkit.results.contender import Contender
from priorkit.results.recovery import Recovery
from priorkit.results.views import columns

__all__ = ["MAX_COLUMNS", "Maps", "curve", "first_of", "lines", "maps", "pictures"]

MAX_COLUMNS = 12
LEAST = 1e-12  # of a misfit that is drawn: of a start at y itself there is none
SHOWN = 0.999  # of the pixels of a map, that have a colour of their own

Pictures = tuple[str, list[Image.Image]]  # words, one a line, and a picture per image


class Maps(NamedTuple):
    """A map per image, and the value of the brightest colour, in the user's units."""

    pictures: list[Image.Image]
    end: float


def pictures(
    rows: Sequence[Contender], truth: Tensor | None, differ: Maps | None, *, clear: bool = False
) -> Image.Image:
    """The truth, or what was measured, in the first row, then one row per prior and m, its means at
    the left; in the last the maps of how far the priors are apart, if there are any. ``clear`` as
    for a :func:`~priorkit.draw.tiles.sheet`."""
    tiles = [(words, [("", x) for x in shown]) for words, shown in lines(rows, truth, differ)]
    return sheet(tiles, side=96, gap=4, margin=190, clear=clear)


def lines(rows: Sequence[Contender], truth: Tensor | None, differ: Maps | None) -> list[Pictures]:
    """The words of each row of the grid and its pictures."""
    found = first_of(rows)
    if truth is not None:
        kind = kind_of(tuple(truth.shape[1:])) if found is None else found.kind
        told = [("truth", [tile(x, kind) for x in truth[:MAX_COLUMNS]])]
    else:
        told = [("measured", [] if found is None else _measured(found))]
    for row in rows:
        words = [row.label] + ([f"m = {row.m}"] if row.m else []) + row.score
        shown: list[Image.Image] = []
        if row.recovery is None:
            words.append("no result")
        else:
            own = row.recovery
            inside = own.units.range.inside(own.x[:MAX_COLUMNS])
            shown = [tile(x, own.kind) for x in inside]
        told.append(("\n".join(words), shown))
    if differ is not None:
        told.append((f"std across priors\nfrom 0 to {differ.end:g}", differ.pictures))
    return told


def first_of(rows: Sequence[Contender]) -> Recovery | None:
    """The first recovery that there is: all are of the same measurements."""
    return next((row.recovery for row in rows if row.recovery is not None), None)


def _measured(found: Recovery) -> list[Image.Image]:
    count = min(len(found.x), MAX_COLUMNS)
    return [
        next(shown.picture for shown in columns(found, i) if shown.what == "measurement")
        for i in range(count)
    ]


def maps(rows: Sequence[Contender], differ: Tensor | None) -> Maps | None:
    """How far the priors are ``apart``, (B, *shape), all images on one scale of their own; None of
    what has no pixels, and of fewer than two priors."""
    found = first_of(rows)
    if found is None or differ is None or not found.kind.has_pixels:
        return None
    flat = [shrunk(found.kind.flat(std), MAX_SIDE) for std in differ[:MAX_COLUMNS]]
    values = torch.cat([size.mean(0).flatten() for size in flat]).numpy()
    most = float(np.quantile(values, SHOWN))
    end = rounded_up(most) if most > 0 else found.units.range.scale
    return Maps([error_map(size, gain=1 / end) for size in flat], end)


def curve(rows: Sequence[Contender], *, known: bool) -> str:
    """As SVG: PSNR against m, or against seconds where there is a single m; and where the truth
    isn't ``known`` the misfit against seconds."""
    if not known:
        return _misfits(rows)
    ms = {row.m for row in rows}
    drawn: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.recovery is None or row.recovery.psnr is None:
            continue
        if len(ms) > 1:
            point = (float(row.m or 0), float(row.recovery.psnr.mean()))
            drawn.setdefault(row.label, []).append(point)
        else:
            drawn[row.label] = row.course
    across = "m, number of measurements" if len(ms) > 1 else "seconds"
    named: list[Line] = [(name, sorted(line)) for name, line in drawn.items()]
    return plot(named, across=across, up="PSNR, dB", marks=len(ms) > 1)


def _misfits(rows: Sequence[Contender]) -> str:
    """log₁₀ of the mean misfit, and that of noise alone as a line of its own where it is known."""
    named: list[Line] = [
        (row.label, [(when, math.log10(misfit)) for when, misfit in row.misfits if misfit > LEAST])
        for row in rows
        if row.recovery is not None
    ]
    found = first_of(rows)
    last = max((when for _, line in named for when, _ in line), default=0.0)
    if found is not None and found.noise.known and float(found.noise_misfit.mean()) > 0:
        level = math.log10(float(found.noise_misfit.mean()))
        named.append(("noise alone", [(0.0, level), (last, level)]))
    return plot(named, across="seconds", up="misfit ℓ(A x, y)", powers=True, marks=True)
