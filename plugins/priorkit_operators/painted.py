"""Masks that people paint over a picture in any program."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor
from scipy.ndimage import binary_dilation
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.io.frames import with_opacity
from priorkit.io.pictures import load
from priorkit.io.values import centre_box

__all__ = ["painted", "require_painted"]

log = logging.getLogger("priorkit")

WORDS = ("dark", "white", "transparent", "painted")
NEAR = 0.25  # of the greatest difference of a colour's parts, within which it is that colour
WHITE = 0.98
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
    a file that can't be read, for a photograph of which the "dark" is missing, and where nothing
    is missing.
    """
    if missing == "dark":
        bright = load(source, (1, *sides)).x[0, 0]
        _require_two(bright, source)
        hole = (bright < 0.5).numpy()
    else:
        image = with_opacity(source)
        hole = _hole(np.asarray(image, dtype=np.float32) / 255, missing)
        left, top, right, bottom = centre_box(image.width, image.height, sides[1], sides[0])
        shade = Image.fromarray(hole[top:bottom, left:right].astype(np.float32))
        small = shade.resize((sides[1], sides[0]), Image.Resampling.BILINEAR)
        hole = np.asarray(small) > 0  # a pixel that holds some paint
        if not hole.any():
            others = ", ".join(f"missing={word!r}" for word in WORDS if word != missing)
            raise BadInputError(
                "Nothing is missing by this mask: no pixel is as it says.",
                got=f"missing={missing!r}",
                try_=f"{others}, or a colour",
            )
    if grow:
        hole = binary_dilation(hole, iterations=grow)
    log.info("mask: %.3g%% of the pixels are missing.", 100 * float(np.mean(hole)))
    return torch.from_numpy(~hole).float()


def _require_two(bright: Tensor, source: Any) -> None:
    """Raise BadInputError for brightness (H, W) of many values, which has no dark and bright."""
    gray = float(((bright > GRAY[0]) & (bright < GRAY[1])).float().mean())
    if gray > MOST_GRAY:
        name = "A picture" if isinstance(source, Image.Image) else str(source)
        raise BadInputError(
            f"{name} is no mask of two values, dark where pixels are missing and bright elsewhere.",
            got=f"{gray:.0%} of its pixels in between, at {bright.shape[0]}×{bright.shape[1]}",
            try_="missing='red', or the colour that its holes are painted in; or a picture in "
            "black and white",
        )


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
