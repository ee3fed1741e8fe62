"""Recovery → pictures, an HTML page, and a folder with everything in it."""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from priorkit import records
from priorkit.config import to_toml
from priorkit.files import require_writable, write_atomic
from priorkit.pictures import to_pil

if TYPE_CHECKING:
    from priorkit.recovery import Recovery

__all__ = ["columns", "error_map", "grid", "png", "save", "write_html"]

MAX_ROWS = 32  # of a grid; the folder holds every image

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


def save(recovery: Recovery, folder: Path) -> Path:
    """Write everything that a run is into ``folder``; each file is whole or not there.

    ``images/NAME.png`` the recoveries, ``grid.png``, ``report.html``, ``config.toml`` (which
    starts a run with the same inputs and settings), ``trace.json``, ``y.npy``, ``x.npy``,
    where there are any ``z.npy``, ``truth.npy`` and ``start.npy``, and last ``record.json``.
    What an earlier run left there goes first. Raises BadInputError where the folder can't be
    written.
    """
    require_writable(folder)
    records.clear(folder)
    for name, x in zip(recovery.names, recovery.x, strict=True):
        write_atomic(folder / "images" / f"{name}.png", png(_tile(x)))
    write_atomic(folder / "grid.png", png(grid(recovery)))
    write_html(recovery, folder / "report.html")
    config = records.repeatable(recovery.record["config"], folder, recovery.start)
    write_atomic(folder / "config.toml", to_toml(config).encode())
    traces = [asdict(trace) for trace in recovery.trace]
    write_atomic(folder / "trace.json", json.dumps(traces).encode())
    records.write_arrays(recovery, folder)
    write_atomic(folder / "record.json", json.dumps(recovery.record, indent=2).encode())
    return folder


def write_html(recovery: Recovery, path: Path) -> Path:
    """Write a page that needs no other file: pictures, curves, settings."""
    from priorkit.page import page

    write_atomic(path, page(recovery).encode())
    return path


def columns(recovery: Recovery, i: int) -> list[tuple[str, Image.Image]]:
    """The pictures that tell of image ``i``, with captions."""
    shown = []
    if recovery.truth is not None:
        shown.append(("truth", _tile(recovery.truth[i])))
    measured = recovery.operator.picture(recovery.y[i : i + 1])
    if measured is not None:
        shown.append(("measurement", _tile(measured[0])))
    else:
        count = recovery.y[i].numel()
        shown.append((f"{count:,} numbers", _numbers(recovery.y[i])))
    caption = "recovery"
    psnr = recovery.psnr
    if psnr is not None:
        caption = f"{float(psnr[i]):.1f} dB"
    shown.append((caption, _tile(recovery.x[i])))
    if recovery.truth is not None and recovery.x.ndim == 4:
        shown.append(("5 · |error|", error_map(recovery.x[i], recovery.truth[i])))
    return shown


def grid(recovery: Recovery, tile: int = 160) -> Image.Image:
    """One row per image: truth, measurement, recovery, error map."""
    rows = [columns(recovery, i) for i in range(min(len(recovery.x), MAX_ROWS))]
    gap, caption = 8, 22
    width = gap + max(len(row) for row in rows) * (tile + gap)
    canvas = Image.new("RGB", (width, gap + len(rows) * (tile + caption + gap)), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=14)
    for r, row in enumerate(rows):
        top = gap + r * (tile + caption + gap)
        for c, (text, picture) in enumerate(row):
            left = gap + c * (tile + gap)
            draw.text((left, top), text, fill="#333333", font=font)
            canvas.paste(_fit(picture, tile), (left, top + caption))
    return canvas


def error_map(x: Tensor, truth: Tensor, gain: float = 5.0) -> Image.Image:
    """|x − x̂|, the mean over channels times ``gain``, on a dark-to-bright scale."""
    error = (gain * (x - truth).abs().mean(0)).clamp(0, 1).cpu().float()
    place = error * (len(_SCALE) - 1)
    low = place.floor().long().clamp_max(len(_SCALE) - 2)
    part = (place - low)[..., None]
    scale = _SCALE.float()
    colour = scale[low] * (1 - part) + scale[low + 1] * part
    return Image.fromarray(colour.round().byte().numpy())


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _tile(x: Tensor) -> Image.Image:
    """An image as it is; a vector as a square of greys."""
    return to_pil(x) if x.ndim == 3 else _numbers(x)


def _fit(picture: Image.Image, tile: int) -> Image.Image:
    """Scale to a square tile: pixels stay squares when enlarged."""
    scale = tile / max(picture.size)
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
