"""Masks that people paint over a picture in any program."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.decoded import upright
from priorkit.io.frames import opened, with_opacity
from priorkit.io.pictures import load, to_pil
from priorkit.io.places import place
from priorkit.io.values import centre_box, dimensions

__all__ = ["painted", "require_painted"]

log = logging.getLogger("priorkit")

WORDS = ("dark", "white", "transparent", "painted")
NEAR = 0.25  # of the greatest difference of a colour's parts, within which it is that colour
WHITE = 0.98
HALF = 128  # of 255: what is darker is dark
COLOURS = ("red", "green", "blue")  # that are tried where another is not found
# Brightness that is neither dark nor bright, and how much of a mask may be so: the soft edges of
# many thin scratches are a third of it, of photographs nearly all are more than two fifths.
GRAY, MOST_GRAY = (0.1, 0.9), 0.4


def require_painted(missing: str) -> None:
    """Raise BadInputError for what is no way to paint a hole, and no colour."""
    if missing not in WORDS:
        _colour(missing)


def painted(source: Any, missing: str, sides: Shape, grow: int) -> Tensor:
    """0 where a painted picture, a file or of PIL, says that a pixel is missing, else 1, (H, W).

    One of another size is cropped and resized as the picture itself is. Raises BadInputError for
    a file that can't be read, for a photograph of which the "dark" is missing, judged as large as
    it is, and where nothing or all is missing.
    """
    hole, gray, resized = _missing(source, missing, sides)
    if gray > MOST_GRAY:
        name = "A picture" if isinstance(source, Image.Image) else str(source)
        raise BadInputError(
            f"{name} is no mask of two values, dark where pixels are missing and bright elsewhere.",
            got=f"{gray:.0%} of its pixels in between",
            try_=_instead(source, missing, sides),
        )
    if not hole.any() or hole.all():
        raise BadInputError(
            "All is missing by this mask: every pixel is as it says."
            if hole.any()
            else "Nothing is missing by this mask: no pixel is as it says.",
            got=f"missing={missing!r}, at {dimensions(sides)}",
            try_=_instead(source, missing, sides),
        )
    if resized > MOST_GRAY:
        log.warning(
            "mask: brought to %s, %.0f%% of it are neither dark nor bright: what is darker than "
            "half is missing. One of that size is taken as it is.",
            *(dimensions(sides), 100 * resized),
        )
    if grow:
        from scipy.ndimage import binary_dilation  # 0.3 s, which other operators don't need

        hole = binary_dilation(hole, iterations=grow)
    log.info("mask: %.3g%% of the pixels are missing.", 100 * float(np.mean(hole)))
    return torch.from_numpy(~hole).float()


def _missing(source: Any, missing: str, sides: Shape) -> tuple[np.ndarray, float, float]:
    """Which pixels are missing, (H, W), and how much of a picture of which the "dark" is missing is
    neither dark nor bright, as large as it is in the file and as large as the mask: resized, one of
    two values has gray edges."""
    size = (sides[1], sides[0])
    if missing == "dark":
        bright = _bright(source, sides)
        small = np.asarray(to_pil(bright).resize(size, Image.Resampling.BILINEAR))
        return small < HALF, _gray(bright), _gray(torch.from_numpy(small / 255))
    image = with_opacity(source)
    hole = _hole(np.asarray(image, dtype=np.float32) / 255, missing)
    left, top, right, bottom = centre_box(image.width, image.height, *size)
    shade = Image.fromarray(hole[top:bottom, left:right].astype(np.float32))
    some = np.asarray(shade.resize(size, Image.Resampling.BILINEAR)) > 0  # it holds some paint
    return some, 0.0, 0.0


def _bright(source: Any, sides: Shape) -> Tensor:
    """The brightness (1, h, w) of the part that becomes the mask, as large as in the file."""
    width, height = _size(source)
    left, top, right, bottom = centre_box(width, height, sides[1], sides[0])
    return load(source, (1, height, width)).x[0, :, top:bottom, left:right]


def _size(source: Any) -> tuple[int, int]:
    """Width and height of a picture that stands upright."""
    if isinstance(source, Image.Image):
        return upright(source)
    try:
        with opened(place(source)[0]) as file:
            return upright(file)
    except BadInputError:  # of what Pillow doesn't know, as TIFF of 64 bits
        height, width = load(source).x.shape[2:]
        return width, height


def _gray(bright: Tensor) -> float:
    """How much of it is neither dark nor bright."""
    return float(((bright > GRAY[0]) & (bright < GRAY[1])).float().mean())


def _instead(source: Any, missing: str, sides: Shape) -> str:
    """What to say in place of ``missing``: another picture, or what has been tried and finds some
    of the pixels of this one, and not all."""
    said = ["a picture of the holes alone, black where pixels are missing and white elsewhere"]
    for word in (*WORDS, *COLOURS):
        if word == missing:
            continue
        try:
            hole, gray, _ = _missing(source, word, sides)
        except BadInputError:  # of a file that has brightness alone
            continue
        share = float(np.mean(hole))
        if 0 < share < 1 and gray <= MOST_GRAY:
            said.append(f"missing={word!r}, by which {100 * share:.2g}% of the pixels are")
    return "; or ".join(said)


def _hole(rgba: np.ndarray, missing: str) -> np.ndarray:
    """Which pixels of (H, W, 4) in [0, 1] are missing."""
    colour, alpha = rgba[..., :3], rgba[..., 3]
    if missing == "transparent":
        return alpha < 0.5
    if missing == "painted":
        return alpha > 0
    over_white = colour * alpha[..., None] + 1 - alpha[..., None]
    if missing == "white":
        return over_white.min(-1) >= WHITE
    far = np.abs(over_white - np.array(_colour(missing), dtype=np.float32) / 255)
    return far.max(-1) <= NEAR


def _colour(text: str) -> tuple[int, ...]:
    try:
        # CSS calls a dark one green; painters have the brightest.
        return ImageColor.getrgb("lime" if text.lower() == "green" else text)[:3]
    except ValueError as error:
        raise BadInputError(
            f"missing is {', '.join(WORDS)} or a colour.", got=repr(text), try_="missing='#ff0000'"
        ) from error
