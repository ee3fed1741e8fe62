"""A recovery as a grid of pictures."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from priorkit.draw.tiles import GAIN, error_map, numbers, sheet, tile
from priorkit.interfaces import kind_of
from priorkit.io.pictures import dimensions
from priorkit.results.recovered import Recovered

__all__ = ["MAX_ROWS", "Shown", "columns", "ended", "grid", "summary"]

MAX_ROWS = 32  # of a grid; the folder holds every image


class Shown(NamedTuple):
    """A picture with its caption, and what it is: truth, measurement, recovery, error, spread."""

    what: str
    caption: str
    picture: Image.Image


def columns(recovery: Recovered, i: int) -> list[Shown]:
    """The pictures that are shown of image ``i``."""
    shown, kind, range_ = [], recovery.kind, recovery.units.range
    if recovery.truth is not None:
        shown.append(Shown("truth", "truth", tile(range_.inside(recovery.truth[i]), kind)))
    y = recovery.units.y_inside(recovery.y[i : i + 1])
    measured = recovery.operator.image(recovery.noise.measured(y))
    if measured is not None:
        like = kind if kind.fits(measured.shape[1:]) else kind_of(tuple(measured.shape[1:]))
        shown.append(Shown("measurement", "measurement", tile(measured[0], like)))
    else:
        caption = f"{recovery.y[i].numel():,} numbers"
        shown.append(Shown("measurement", caption, numbers(recovery.y[i])))
    caption = "recovery"
    psnr, ssim = recovery.psnr, recovery.ssim
    if psnr is not None:
        caption = f"{float(psnr[i]):.1f} dB"
        caption += f", SSIM {float(ssim[i]):.2f}" if ssim is not None else ""
    elif (expected := recovery.expected_psnr) is not None and expected[i].isfinite():
        caption = f"{float(expected[i]):.1f} dB expected"
    shown.append(Shown("recovery", caption, tile(range_.inside(recovery.x[i]), kind)))
    if recovery.truth is not None and kind.has_pixels:
        error = kind.flat(recovery.x[i] - recovery.truth[i]).abs() / range_.scale
        shown.append(Shown("error", f"{GAIN:g} · |error|", error_map(error)))
    if recovery.draws is not None and kind.has_pixels:
        spread = error_map(kind.flat(recovery.draws.spread[i]) / range_.scale)
        shown.append(Shown("spread", f"{GAIN:g} · std of draws", spread))
    return shown


def summary(recovery: Recovered) -> str:
    """One sentence: how good, how large, how long."""
    psnr, count = recovery.psnr, len(recovery.x)
    words = [] if psnr is None else [f"mean PSNR {float(psnr.mean()):.2f} dB"]
    if (expected := recovery.expected_psnr) is not None and bool(expected.isfinite().all()):
        words.append(f"{float(expected.mean()):.2f} dB expected without the truth")
    shape = dimensions(recovery.x.shape[1:])
    words.append(f"{count} image{'s' if count > 1 else ''} of {shape}")
    words.append(f"{recovery.seconds:.1f} s")
    each = sum(recovery.evaluations) / len(recovery.evaluations)
    words.append(f"{each:.0f} {recovery.record['unit']} per image")
    if outside := sum(recovery.outside):
        kept = "clipped to" if recovery.truth is not None else "as they are, outside"
        words.append(f"{outside:,} of {recovery.x.numel():,} values {kept} {recovery.units.bounds}")
    if recovery.interrupted:
        words.append("interrupted: images without evaluations are only starts")
    return ", ".join(words) + "."


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


def grid(recovery: Recovered) -> Image.Image:
    """One row per image: truth, measurement, recovery, error map."""
    rows = [columns(recovery, i) for i in range(min(len(recovery.x), MAX_ROWS))]
    captioned = [("", [shown[1:] for shown in row]) for row in rows]
    return sheet(captioned, side=160, gap=8, margin=8, caption=22)
