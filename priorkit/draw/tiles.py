"""Images, vectors and sizes of errors as pictures of PIL, and these as tiles and files."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from priorkit.interfaces.kinds import Kind
from priorkit.io.pictures import to_pil

__all__ = ["GAIN", "SCALE", "error_map", "fit", "png", "sheet", "shrunk", "tiff", "tile"]

GAIN = 5.0  # of error maps
LEVEL = 1  # of zlib: several times faster than the default, for files a sixth larger

# Anchors of a dark-to-bright colour scale whose lightness grows evenly.
SCALE = torch.tensor(
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


def error_map(size: Tensor, gain: float = GAIN) -> Image.Image:
    """Sizes (C, H, W), the mean over channels times ``gain``, on a dark-to-bright scale."""
    error = (gain * size.mean(0)).nan_to_num(0.0).clamp(0, 1).cpu().float()
    place = error * (len(SCALE) - 1)
    low = place.floor().long().clamp_max(len(SCALE) - 2)
    part = (place - low)[..., None]
    scale = SCALE.float()
    colour = scale[low] * (1 - part) + scale[low + 1] * part
    return Image.fromarray(colour.round().byte().numpy())


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=LEVEL)
    return buffer.getvalue()


def tile(x: Tensor, kind: Kind) -> Image.Image:
    """One image (*shape) of a kind as it is shown."""
    return to_pil(kind.picture(x))


def shrunk(x: Tensor, side: int) -> Tensor:
    """A picture (C, H, W) by means over squares, at least ``side`` pixels along its longer side;
    as it is where it has less than twice as many. What is shown small is made small first."""
    each = max(x.shape[-2:]) // side
    return x if each < 2 else avg_pool2d(x, each, ceil_mode=True)


def tiff(pages: Tensor) -> bytes:
    """Planes (P, H, W) as a TIFF file with a page of float32 for each."""
    first, *rest = (Image.fromarray(page.numpy()) for page in pages.detach().cpu().float())
    buffer = io.BytesIO()
    first.save(buffer, format="TIFF", save_all=True, append_images=rest)
    return buffer.getvalue()


def fit(picture: Image.Image, side: int) -> Image.Image:
    """Scale to a square tile: pixels stay squares when enlarged."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BILINEAR
    return picture.convert("RGB").resize(size, how)


def sheet(
    rows: Sequence[tuple[str, Sequence[tuple[str, Image.Image]]]],
    *,
    side: int,
    gap: int,
    margin: int,
    caption: int = 0,
) -> Image.Image:
    """Rows of tiles on white, ``gap`` pixels apart: in the ``margin`` at the left the words of a
    row, and above each tile its own, in a line ``caption`` pixels high."""
    across, down = side + gap, caption + side + gap
    width = margin + across * max(len(row) for _, row in rows)
    canvas = Image.new("RGB", (width, gap + down * len(rows)), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for r, (label, row) in enumerate(rows):
        top = gap + r * down
        draw.multiline_text((gap, top + 4), label, fill="#333333", font=font)
        for c, (words, picture) in enumerate(row):
            left = margin + c * across
            draw.text((left, top), words, fill="#333333", font=font)
            canvas.paste(fit(picture, side), (left, top + caption))
    return canvas
