"""Images, vectors and sizes of errors as pictures of PIL, and these as tiles and files."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from priorkit.interfaces.kinds import Kind
from priorkit.io.pictures import to_pil

__all__ = ["GAIN", "INK", "SCALE", "error_map", "fit", "png", "sheet", "shrunk", "tiff", "tile"]

GAIN = 5.0  # of error maps
INK = "#7a7a7a"  # of words that are read on white and on black
LEVEL = 1  # of zlib: several times faster than the default, for files a sixth larger
TYPES = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}  # modes of PIL, and the types of colour of PNG
ABOVE = 2  # the filter of PNG that takes the row above from each

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
    """A picture as the bytes of a PNG file of 8 bits, gray or in colour, transparent where it is.

    Each row is kept as its difference from the row above. Pillow tries five such filters at each
    row, which takes longer than all else, for files of the same size.

    Reference: "Portable Network Graphics (PNG) Specification", W3C 2003, sections 9 and 11.
    """
    if picture.mode not in TYPES:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    values = np.asarray(picture)
    rows = values.reshape(picture.height, -1)
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = ABOVE
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", *picture.size, 8, TYPES[picture.mode], 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(filtered.data, LEVEL), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + (own := name + data) + struct.pack(">I", zlib.crc32(own))
        for name, data in chunks.items()
    )


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


def fit(picture: Image.Image, side: int, mode: str = "RGB") -> Image.Image:
    """Scale to a square tile: pixels stay squares when enlarged."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BILINEAR
    return picture.convert(mode).resize(size, how)


def sheet(
    rows: Sequence[tuple[str, Sequence[tuple[str, Image.Image]]]],
    *,
    side: int,
    gap: int,
    margin: int,
    caption: int = 0,
    clear: bool = False,
) -> Image.Image:
    """Rows of tiles on white, or where it is ``clear`` on whatever is behind, light or dark,
    ``gap`` pixels apart: in the ``margin`` at the left the words of a row, and above each tile its
    own, in a line ``caption`` pixels high."""
    across, down = side + gap, caption + side + gap
    width = margin + across * max(len(row) for _, row in rows)
    mode, ground, ink = ("RGBA", "#ffffff00", INK) if clear else ("RGB", "white", "#333333")
    canvas = Image.new(mode, (width, gap + down * len(rows)), ground)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for r, (label, row) in enumerate(rows):
        top = gap + r * down
        draw.multiline_text((gap, top + 4), label, fill=ink, font=font)
        for c, (words, picture) in enumerate(row):
            left = margin + c * across
            draw.text((left, top), words, fill=ink, font=font)
            canvas.paste(fit(picture, side, mode), (left, top + caption))
    return canvas
