"""A recovery as a grid of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from priorkit.counted import counted
from priorkit.draw.html import MAX_SIDE
from priorkit.draw.tiles import GAIN, error_map, sheet, shrunk
from priorkit.interfaces import kind_of
from priorkit.interfaces.kinds import squared
from priorkit.io.pictures import dimensions, to_pil
from priorkit.results.recovered import Recovered

__all__ = [
    "MAX_ROWS",
    "Shown",
    "brightest",
    "columns",
    "ended",
    "grid",
    "inside",
    "rows_of",
    "shows_errors",
    "summary",
    "unsure",
    "wiped",
]

TILE = 160  # pixels a side of a picture in the grid
DETAILED = 2 * TILE  # from which side on the centre is shown beside it
MAX_ROWS = 32  # of a grid; the folder holds every image
DETAILS = {"measurement": "measured", "recovery": "recovered"}  # what their details are called


class Shown(NamedTuple):
    """A picture with its caption, and what it is: truth, measurement, recovery, error, spread, or
    a detail, ``of`` one of these.

    ``size`` is its width and height before it was shrunk. Of sizes, error and spread, ``end`` is
    the one that has the brightest colour, in the user's units.
    """

    what: str
    caption: str
    picture: Image.Image
    size: tuple[int, int]
    of: str = ""
    end: float = 0.0


def columns(recovery: Recovered, i: int) -> list[Shown]:
    """The pictures that are shown of image ``i``, large ones shrunk."""
    shown: list[Shown] = []
    kind = recovery.kind
    if recovery.truth is not None:
        shown.append(_shown("truth", "truth", kind.picture(inside(recovery, recovery.truth[i]))))
    y = recovery.units.y_inside(recovery.y[i : i + 1])
    measured = recovery.operator.image(recovery.noise.measured(y))
    if measured is not None:
        like = kind if kind.fits(measured.shape[1:]) else kind_of(tuple(measured.shape[1:]))
        picture = like.picture(measured[0])
        shown += [_shown("measurement", "measurement", picture), *_detail("measurement", picture)]
    else:
        caption = counted(recovery.y[i].numel(), "numbers")
        shown.append(_shown("measurement", caption, squared(recovery.y[i])))
    caption = "recovery"
    psnr, ssim = recovery.psnr, recovery.ssim
    if psnr is not None:
        caption = f"{float(psnr[i]):.1f} dB"
        if ssim is not None and ssim[i].isfinite():  # not of very small images
            caption += f", SSIM {float(ssim[i]):.2f}"
    elif (expected := recovery.expected_psnr) is not None and expected[i].isfinite():
        caption = f"{float(expected[i]):.1f} dB expected"
    picture = kind.picture(inside(recovery, recovery.x[i]))
    shown += [_shown("recovery", caption, picture), *_detail("recovery", picture)]
    if recovery.truth is not None and shows_errors(recovery):
        error = kind.flat(recovery.x[i] - recovery.truth[i]).abs_()
        shown.append(_sizes("error", f"|error|, {GAIN:g} times as bright", error, recovery))
    draws = recovery.draws
    if draws.spread is not None and draws.count[i] > 1 and kind.has_pixels:
        spread = kind.flat(draws.spread[i])
        shown.append(_sizes("spread", f"spread, {GAIN:g} times as bright", spread, recovery))
    return shown


def shows_errors(recovery: Recovered) -> bool:
    """Whether a picture of its errors is shown."""
    return recovery.truth is not None and recovery.kind.has_pixels


def brightest(recovery: Recovered) -> float:
    """The error, or spread, that has the brightest colour, in the user's units."""
    return recovery.units.range.scale / GAIN


def wiped(row: Sequence[Shown]) -> tuple[Shown, Shown] | None:
    """What is wiped to the recovery: the truth, else a measurement of its size; None without."""
    known = {shown.what: shown for shown in row if shown.what != "detail"}
    recovery = known["recovery"]
    for what in ("truth", "measurement"):
        if what in known and known[what].size == recovery.size:
            return known[what], recovery
    return None


def inside(recovery: Recovered, x: Tensor) -> Tensor:
    """Images in the user's units as those of [0, 1]."""
    return x if recovery.units.plain else recovery.units.range.inside(x)


def _shown(what: str, caption: str, x: Tensor) -> Shown:
    """A picture (C, H, W) of [0, 1]."""
    return Shown(what, caption, to_pil(shrunk(x, MAX_SIDE)), (x.shape[-1], x.shape[-2]))


def _detail(of: str, x: Tensor) -> list[Shown]:
    """Of a picture (C, H, W) that is shown much smaller its centre, pixel by pixel: means over
    squares have none of its noise. Nothing of a small one."""
    height, width = x.shape[-2:]
    if max(height, width) < DETAILED:
        return []
    rows, columns = min(height, TILE), min(width, TILE)
    top, left = (height - rows) // 2, (width - columns) // 2
    crop = x[..., top : top + rows, left : left + columns]
    caption = f"{DETAILS[of]}: its centre, pixel by pixel"
    return [Shown("detail", caption, to_pil(crop), (columns, rows), of)]


def _sizes(what: str, caption: str, sizes: Tensor, recovery: Recovered) -> Shown:
    """Sizes of errors (C, H, W), in the user's units."""
    drawn = error_map(shrunk(sizes, MAX_SIDE) / recovery.units.range.scale)
    return Shown(what, caption, drawn, (sizes.shape[-1], sizes.shape[-2]), end=brightest(recovery))


def summary(recovery: Recovered) -> str:
    """One sentence: how good, how large, how long."""
    psnr = recovery.psnr
    words = [] if psnr is None else [f"mean PSNR {float(psnr.mean()):.2f} dB"]
    if (expected := recovery.expected_psnr) is not None and bool(expected.isfinite().all()):
        words.append(f"{float(expected.mean()):.2f} dB expected without the truth")
    words.append(f"{counted(len(recovery.x), 'images')} of {dimensions(recovery.x.shape[1:])}")
    words.append(f"{recovery.seconds:.1f} s")
    each = sum(recovery.evaluations) / len(recovery.evaluations)
    words.append(f"{counted(round(each), recovery.record['unit'])} per image")
    if recovery.asked:
        words.append(_draws(recovery))
    if outside := sum(recovery.outside):
        kept = "clipped to" if recovery.truth is not None else "as they are, outside"
        words.append(f"{outside:,} of {recovery.x.numel():,} values {kept} {recovery.units.bounds}")
    for doubt, count in recovery.doubted.items():
        words.append(doubt + (f" of {counted(count, 'images')}" if len(recovery.x) > 1 else ""))
    if recovery.interrupted:
        starts = ": images without evaluations are only starts" if 0 in recovery.evaluations else ""
        words.append(f"interrupted{starts}")
    return ", ".join(words) + "."


def _draws(recovery: Recovered) -> str:
    """How many draws an image has, and of how many where some are missing."""
    made = recovery.draws.count.tolist()
    least, most = min(made), max(made)
    several = f"{least} to {most}" if least < most else f"{most}"
    missing = least < recovery.asked
    said = f"{several} of {counted(recovery.asked, 'draws')}" if missing else counted(most, "draws")
    return f"{said} per image" if len(made) > 1 else said


def unsure(recovery: Recovered) -> str:
    """How the spread of draws is to be read; nothing where there are none."""
    if recovery.draws.spread is None:
        return ""
    told = [image.get("within_90") for image in recovery.record["images"]]
    held = [share for share in told if share is not None]
    here = f" Here it holds {sum(held) / len(held):.0%} of the truth." if held else ""
    return (
        "The spread of draws says where they are unsure. Their 90% interval holds nine values of "
        f"ten only if they are of the posterior of the right prior; mostly it holds fewer.{here}"
    )


def ended(recovery: Recovered, i: int) -> str:
    """Why image ``i`` ended, as it is shown beside its misfit.

    The reason is about the solver's x, the misfit about the picture that is returned. Where that
    was clipped, and its misfit is above that of noise, the reason says so.
    """
    reason, image = recovery.reason[i], recovery.record["images"][i]
    if recovery.truth is None or not recovery.outside[i] or image.get("noise") is None:
        return reason
    misfit = image["misfit"]
    explained = misfit is not None and misfit <= image["noise"]
    return reason if explained else f"{reason}, then clipped"


def rows_of(recovery: Recovered) -> list[list[Shown]]:
    """The pictures that are shown, a row per image."""
    return [columns(recovery, i) for i in range(min(len(recovery.x), MAX_ROWS))]


def grid(rows: Sequence[Sequence[Shown]]) -> Image.Image:
    """One row per image: truth, measurement, recovery, error map."""
    captioned = [("", [shown[1:3] for shown in row]) for row in rows]
    return sheet(captioned, side=TILE, gap=8, margin=8, caption=22)
