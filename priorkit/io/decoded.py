"""A picture of Pillow's as numbers (C, H, W)."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.io.arrays import numbers
from priorkit.io.brightness import PLAIN, Scaling
from priorkit.io.formats import Part, Tiff
from priorkit.io.formats.base import ORIENTATION
from priorkit.io.held import LYING, positive
from priorkit.io.values import centre_box, dimensions, framed

__all__ = ["frame", "is_gray", "over_white", "read_frame", "upright"]

log = logging.getLogger("priorkit")

PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def upright(image: Image.Image) -> tuple[int, int]:
    """Width and height of a picture as it is to be shown, by its header alone."""
    return image.size[::-1] if image.getexif().get(ORIENTATION) in LYING else image.size


def is_gray(image: Image.Image) -> bool:
    """Whether a picture has one channel, beside its opacity, by its header alone."""
    return image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")


def frame(image: Image.Image, shape: tuple[int, ...] | None, scaling: Scaling = PLAIN) -> Tensor:
    """The numbers of a picture (C, H, W), turned upright by its EXIF.

    Without a ``shape``, the numbers that it stores, bool, uint8, uint16 or float; else those of the
    largest centred box of these proportions, resized, uint8 or floats in [0, 1]. Where there is a
    range they are floats in [0, 1].

    Raises BadInputError for one that can't be decoded, and for numbers of 32 bits.
    """
    try:
        return read_frame(image, shape, "A picture", scaling)
    except BadInputError:
        raise
    except Exception as error:  # of a file that ends early, or modes that Pillow can't convert
        raise BadInputError(
            "The PIL image can't be read.",
            got=f"mode {image.mode}, {type(error).__name__}: {str(error)[:100]}",
            try_='its .convert("RGB")',
        ) from error


def read_frame(
    image: Image.Image, shape: tuple[int, ...] | None, name: str, scaling: Scaling
) -> Tensor:
    """As :func:`frame`, of a picture that errors call by ``name``; those of Pillow are its own."""
    if scaling.range is not None:
        return framed(read_frame(image, None, name, PLAIN), shape, scaling)
    if shape is not None and shape[0] not in (1, 3):
        raise BadInputError(
            f"A picture file can't be brought to the shape {dimensions(shape)}.",
            try_="an array of that shape",
        )
    if 0 in image.size:
        raise BadInputError("The picture is empty.", got=dimensions(image.size))
    image.load()
    # Before it is turned: the result has no file format.
    deep, negative = _is_deep(image), Tiff.is_negative(image)
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if deep:
        x = numbers(image, name)[None]  # Pillow can't crop and convert these
        x = x.to(torch.uint16) if image.mode == "I" else x
        if negative:
            values = x[0].numpy()
            part = Part("", values.shape, values.dtype, ("row", "column"), negative=True)
            x = numbers(positive(values, part, part.axes, Path(name)), name)[None]
        if shape is None:
            return x
        return framed(x, shape, Scaling(of=scaling.of))
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
    return over_white(rgba).convert("L" if gray else "RGB")


def over_white(rgba: Image.Image) -> Image.Image:
    """A picture RGBA over white."""
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
