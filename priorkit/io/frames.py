"""Pictures of Pillow, opened from a file or in memory, as numbers (C, H, W)."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.io.arrays import numbers
from priorkit.io.values import centre_box, check_range, dimensions, resized, scaled

__all__ = ["MAX_PIXELS", "frame", "open_frame"]

log = logging.getLogger("priorkit")

MAX_PIXELS = 50_000_000  # of a file that is resized; a larger one is refused undecoded
MAX_WHOLE = 16_000_000  # of a file that is taken as it is
ORIENTATION = 0x0112  # the tag of EXIF
PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def open_frame(path: Path, shape: tuple[int, ...] | None) -> Tensor:
    """The numbers of a picture file, as :func:`frame`. Raises BadInputError; a large file is
    refused before it is decoded."""
    try:
        with Image.open(path) as file:
            limit = MAX_WHOLE if shape is None else MAX_PIXELS
            if file.width * file.height > limit:
                raise BadInputError(
                    f"{path} has more than {limit // 1_000_000} million pixels.",
                    got=f"{file.width}×{file.height}",
                    try_="shape=(3, 64, 64), to crop and resize it" if shape is None else None,
                )
            return _frame(file, shape, path.name)
    except BadInputError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise BadInputError(
            f"{path} is not a picture that can be read.",
            got=f"{type(error).__name__}",
            try_="a PNG or JPEG file that is whole",
        ) from error


def frame(image: Image.Image, shape: tuple[int, ...] | None) -> Tensor:
    """The numbers of a picture (C, H, W), turned upright by its EXIF.

    Without a ``shape``, the numbers that it stores, bool, uint8, uint16 or float; else those of the
    largest centred box of these proportions, resized, uint8 or floats in [0, 1].

    Raises BadInputError for one that can't be decoded, and for numbers of 32 bits.
    """
    try:
        return _frame(image, shape, "A picture")
    except BadInputError:
        raise
    except Exception as error:  # of a file that ends early, or modes that Pillow can't convert
        raise BadInputError(
            "The PIL image can't be read.",
            got=f"mode {image.mode}, {type(error).__name__}: {str(error)[:100]}",
            try_='its .convert("RGB")',
        ) from error


def _frame(image: Image.Image, shape: tuple[int, ...] | None, name: str) -> Tensor:
    if shape is not None and shape[0] not in (1, 3):
        raise BadInputError(
            f"A picture file can't be brought to the shape {dimensions(shape)}.",
            try_="an array of that shape",
        )
    if 0 in image.size:
        raise BadInputError("The picture is empty.", got=dimensions(image.size))
    image.load()
    deep = _is_deep(image)  # before it is turned: the result has no file format
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if deep:
        x = numbers(image, name)[None]  # Pillow can't crop and convert these
        x = x.to(torch.uint16) if image.mode == "I" else x
        if shape is None:
            return x
        x = scaled(x[None])
        check_range(x)
        return resized(x, shape)[0]
    if shape is None and image.mode == "1":
        return numbers(image, name)[None]
    if shape is not None:  # cropped first, since the next steps copy
        box = centre_box(image.width, image.height, shape[2], shape[1])
        image = image if box == (0, 0, *image.size) else image.crop(box)
    image = _opaque(image, name)
    gray = shape[0] == 1 if shape is not None else image.mode in ("1", "L", "LA")
    mode = "L" if gray else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    if shape is not None:
        height, width = shape[1:]
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return numbers(planes, name)


def _is_deep(image: Image.Image) -> bool:
    """Whether it holds more than 8 bits. Raises BadInputError for whole numbers of 32.

    Some versions of Pillow open 16-bit PNG and PPM files in mode I, which means 32 bits.
    """
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise BadInputError(
            "Pictures need 8 or 16 bits per channel, or floats in [0, 1].",
            got="mode I, whole numbers of 32 bits",
            try_="numpy.asarray(image) / its largest number",
        )
    return image.mode.startswith("I") or image.mode == "F"


def _opaque(image: Image.Image, name: str) -> Image.Image:
    """A transparent image over white, with a warning; an opaque one as it is."""
    if not image.has_transparency_data:
        return image
    image = image.convert(PREMULTIPLIED.get(image.mode, image.mode))
    gray = image.mode in ("LA", "L", "1")
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    if rgba.getchannel("A").getextrema()[0] == 255:
        return image
    log.warning("%s is partly transparent: it is taken over white.", name)
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("L" if gray else "RGB")
