"""A recovery as a grid of pictures."""

from __future__ import annotations

import io
import math
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from priorkit.engine.result import Recovery
from priorkit.io.pictures import dimensions, to_pil
from priorkit.report.figure import figure

__all__ = [
    "GAIN",
    "MAX_ROWS",
    "Shown",
    "columns",
    "ended",
    "error_map",
    "fit",
    "gradient",
    "grid",
    "plotted",
    "png",
    "summary",
    "tile",
]

MAX_ROWS = 32  # of a grid; the folder holds every image
GAIN = 5.0  # of error maps
LEVEL = 1  # of zlib: several times faster than the default, for files a sixth larger

# Anchors of a dark-to-bright colour scale whose lightness grows evenly.
_SCALE = torch.tensor(
    [
        [0, 0, 4],
        [60, 9, 88],
        [135, 33, 107],
        [203, 65, 73],
        [245, 125, 21],
        [250, 194, 40],
        [252, 255, 164],
    ]
)


class Shown(NamedTuple):
    """A picture with its caption, and what it is: truth, measurement, recovery, error, spread."""

    what: str
    caption: str
    picture: Image.Image


def columns(recovery: Recovery, i: int) -> list[Shown]:
    """The pictures that are shown of image ``i``."""
    shown = []
    if recovery.truth is not None:
        shown.append(Shown("truth", "truth", tile(recovery.truth[i])))
    measured = recovery.operator.image(recovery.y[i : i + 1])
    if measured is not None:
        shown.append(Shown("measurement", "measurement", tile(measured[0])))
    else:
        caption = f"{recovery.y[i].numel():,} numbers"
        shown.append(Shown("measurement", caption, _numbers(recovery.y[i])))
    caption = "recovery"
    psnr, ssim = recovery.psnr, recovery.ssim
    if psnr is not None:
        caption = f"{float(psnr[i]):.1f} dB"
        caption += f", SSIM {float(ssim[i]):.2f}" if ssim is not None else ""
    elif (expected := recovery.expected_psnr) is not None and expected[i].isfinite():
        caption = f"{float(expected[i]):.1f} dB expected"
    shown.append(Shown("recovery", caption, tile(recovery.x[i])))
    if recovery.truth is not None and recovery.x.ndim == 4:
        error = (recovery.x[i] - recovery.truth[i]).abs()
        shown.append(Shown("error", f"{GAIN:g} · |error|", error_map(error)))
    if recovery.draws is not None and recovery.x.ndim == 4:
        spread = error_map(recovery.draws.spread[i])
        shown.append(Shown("spread", f"{GAIN:g} · std of draws", spread))
    return shown


def summary(recovery: Recovery) -> str:
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
        words.append(f"{outside:,} of {recovery.x.numel():,} values {kept} [0, 1]")
    if recovery.interrupted:
        words.append("interrupted: images without evaluations are only starts")
    return ", ".join(words) + "."


def ended(recovery: Recovery, i: int) -> str:
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


def grid(recovery: Recovery, side: int = 160) -> Image.Image:
    """One row per image: truth, measurement, recovery, error map."""
    rows = [columns(recovery, i) for i in range(min(len(recovery.x), MAX_ROWS))]
    gap, caption = 8, 22
    width = gap + max(len(row) for row in rows) * (side + gap)
    canvas = Image.new("RGB", (width, gap + len(rows) * (side + caption + gap)), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=14)
    for r, row in enumerate(rows):
        top = gap + r * (side + caption + gap)
        for c, (_, text, picture) in enumerate(row):
            left = gap + c * (side + gap)
            draw.text((left, top), text, fill="#333333", font=font)
            canvas.paste(fit(picture, side), (left, top + caption))
    return canvas


def plotted(recovery: Recovery) -> Any:
    """The same as a figure of matplotlib, where that is installed."""
    count = min(len(recovery.x), MAX_ROWS)
    found = figure([[shown[1:] for shown in columns(recovery, i)] for i in range(count)])
    return grid(recovery) if found is None else found


def error_map(size: Tensor, gain: float = GAIN) -> Image.Image:
    """Sizes (C, H, W), the mean over channels times ``gain``, on a dark-to-bright scale."""
    error = (gain * size.mean(0)).nan_to_num(0.0).clamp(0, 1).cpu().float()
    place = error * (len(_SCALE) - 1)
    low = place.floor().long().clamp_max(len(_SCALE) - 2)
    part = (place - low)[..., None]
    scale = _SCALE.float()
    colour = scale[low] * (1 - part) + scale[low + 1] * part
    return Image.fromarray(colour.round().byte().numpy())


def gradient() -> str:
    """The colours of an error map as a CSS gradient."""
    stops = ",".join(f"rgb({','.join(map(str, row))})" for row in _SCALE.tolist())
    return f"linear-gradient(90deg,{stops})"


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=LEVEL)
    return buffer.getvalue()


def tile(x: Tensor) -> Image.Image:
    """An image as it is; a vector or signal as a square of greys."""
    return to_pil(x) if x.ndim == 3 else _numbers(x)


def fit(picture: Image.Image, side: int) -> Image.Image:
    """Scale to a square tile: pixels stay squares when enlarged."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BILINEAR
    return picture.convert("RGB").resize(size, how)


def _numbers(y: Tensor) -> Image.Image:
    """Measurements that aren't a picture, as a square of greys."""
    values = y.detach().abs() if y.is_complex() else y.detach()
    values = values.float().cpu().flatten()
    side = math.ceil(math.sqrt(values.numel()))
    spread = 3 * float(values.std(correction=0)) + 1e-12
    square = torch.full((side * side,), 1.0)
    square[: values.numel()] = (0.5 + 0.5 * values / spread).clamp(0, 1)
    return to_pil(square.view(1, side, side))
