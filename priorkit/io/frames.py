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
    """A picture file as :func:`frame`. Raises BadInputError, for a large one before it is
    decoded."""
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
    """The numbers of a picture (C, H, W), upright as the camera was held.

    They are those that it stores, bool, uint8, uint16 or float, where no ``shape`` is said; else
    those of the largest centred box of these proportions, resized, uint8 or floats in [0, 1].

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
    deep = _is_deep(image)  # asked before it is turned, which forgets the kind of file
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if deep:
        x = numbers(image, name)[None]  # which Pillow doesn't crop and convert
        x = x.to(torch.uint16) if image.mode == "I" else x
        if shape is None:
            return x
        x = scaled(x[None])
        check_range(x)
        return resized(x, shape)[0]
    if shape is None and image.mode == "1":
        return numbers(image, name)[None]
    if shape is not None:  # cropped first: what comes next makes copies
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

    Pillow has also given 16 bits of PNG and PPM files as mode I, which says 32.
    """
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise BadInputError(
            "Pictures need 8 or 16 bits per channel, or floats in [0, 1].",
            got="mode I, whole numbers of 32 bits",
            try_="numpy.asarray(image) / its largest number",
        )
    return image.mode.startswith("I") or image.mode == "F"


def _opaque(image: Image.Image, name: str) -> Image.Image:
    """What is transparent over white, and said; an image without any as it is."""
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
