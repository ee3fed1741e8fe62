"""What the numbers of a picture mean: layout, range, and whole numbers as brightness."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces.kinds import COMPLEX, PICTURE, Kind
from priorkit.io.arrays import MISSING, require_finite

__all__ = [
    "LUMA",
    "arranged",
    "centre_box",
    "check_range",
    "dimensions",
    "layout",
    "require_one_size",
    "resized",
    "scaled",
]

log = logging.getLogger("priorkit")

Box = tuple[int, int, int, int]  # left, top, right, bottom
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's convert("L")
WHITE = {torch.bool: 1, torch.uint8: 255, torch.uint16: 65535}  # the number that means 1.0


def scaled(x: Tensor) -> Tensor:
    """Brightness as floats: bool, uint8 and uint16 from 0 … 1, 255 and 65535 to [0, 1]; floats as
    they are. No other function converts brightness. Raises BadInputError for other types.

    >>> scaled(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    if x.dtype in WHITE:
        return x.float() / WHITE[x.dtype]
    if not x.is_floating_point():
        whole = not x.is_complex()
        raise BadInputError(
            "Pictures are bool, uint8, uint16, or float in [0, 1].",
            got=f"{x.dtype}".removeprefix("torch."),
            try_="x / x.max() for a picture, y.astype(float) for a measurement in units of its own"
            if whole
            else None,
        )
    return x


def arranged(x: Tensor, kind: Kind, shape: tuple[int, ...] | None) -> Tensor:
    """The numbers of one image or of a batch as those of a kind: pictures as :func:`layout`, other
    brightness as :func:`scaled`, complex numbers as two channels, all else as it is.

    One channel needs no axis of its own, and one image no batch. Whether the result
    is (B, *shape) is left to be checked. Raises as these.
    """
    if kind is PICTURE:
        return layout(x, shape) if x.ndim in (2, 3, 4) and 0 not in x.shape else x
    if kind is COMPLEX and x.is_complex():
        x = torch.view_as_real(x).movedim(-1, -3)
    x = scaled(x) if kind.bounded else x
    axes = len(kind.axes)
    if shape is not None and shape[0] == 1 < axes and x.shape[1 - axes :] == shape[1:]:
        x = x.reshape(-1, *shape) if x.ndim <= axes else x
    return x[None] if x.ndim == axes else x


def layout(x: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """(H, W), (H, W, C), (C, H, W) or a batch of them → (B, C, H, W), whole numbers as brightness.

    An array that has the ``shape`` (C, H, W) keeps its order; in others, channels are last where
    they can't be first. Four channels at the end are colour and opacity, taken over white.

    Raises BadInputError for other shapes, and as :func:`scaled`.
    """
    given = tuple(x.shape)
    if x.ndim == 2:
        x = x[None, None]
    elif x.ndim == 3:
        x = x[None]
    if x.ndim != 4 or 0 in given:
        raise BadInputError(
            "Pictures have 2, 3 or 4 dimensions.",
            got=f"shape {given}",
            try_=f"shape=(1, {given[0]}) for a signal" if len(given) == 1 else None,
        )
    last = x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3)
    if shape is not None:  # the order is known from the shape, not guessed
        fits = tuple(x.shape[1:]) == tuple(shape)
        last = not fits and (last or tuple(x.shape[1:]) == (*shape[1:], shape[0]))
    x = scaled(x.permute(0, 3, 1, 2) if last else x)
    if last and x.shape[1] == 4 and (shape is None or shape[0] != 4):
        check_range(x)
        colour, alpha = x[:, :3], x[:, 3:]
        if bool((alpha < 1).any()):
            log.warning("An array is partly transparent: it is taken over white.")
        x = colour * alpha + (1 - alpha)
    return x


def check_range(x: Tensor) -> None:
    """Raise BadInputError unless all values are finite and within [0, 1]."""
    require_finite(x, "A picture", MISSING)
    low, high = float(x.min()), float(x.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise BadInputError(
            "Pixels must lie in [0, 1].",
            got=f"values from {low:.4g} to {high:.4g}",
            try_=_rescaling(low, high),
        )


def require_one_size(sizes: Sequence[tuple[int, ...]], or_else: str | None = None) -> None:
    """Raise BadInputError unless pictures of these sizes (C, H, W), one for each, have one size.

    The error proposes a run for each, and ``or_else`` where it is given.
    """
    kinds = sorted(set(sizes), key=lambda size: (math.prod(size[1:]), size))
    if len(kinds) < 2:
        return
    such = "" if len(kinds) == 2 else "such as "
    raise BadInputError(
        "Pictures that are recovered together need one size.",
        got=f"{len(sizes)} pictures of {len(kinds)} sizes, "
        f"{such}{dimensions(kinds[0])} and {dimensions(kinds[-1])}",
        try_="a run for each, [recover(picture, …) for picture in pictures], or a command for "
        "each file" + (f"; or {or_else}" if or_else else ""),
    )


def _rescaling(low: float, high: float) -> str:
    """Code that brings such values to [0, 1], by the number of bits that they seem to have."""
    if low < -1e-3:
        near = low > -1.01 and high < 1.01
        return "(x + 1) / 2" if near else "(x - x.min()) / (x.max() - x.min())"
    if high <= 2:
        return "x.clip(0, 1)"
    for bits in (8, 10, 12, 14, 16):
        if high <= (white := 2**bits - 1):
            return f"x / {white}" + (f" ({bits} bits), or x / x.max()" if bits > 8 else "")
    return "x / x.max()"


def resized(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Pictures (B, C, H, W) in [0, 1] cropped, resized and coloured as files are, without
    rounding to 8 bits."""
    height, width = shape[1:]
    if x.shape[1] == 3 and shape[0] == 1:
        x = (x * torch.tensor(LUMA, dtype=x.dtype)[:, None, None]).sum(1, keepdim=True)
    left, top, right, bottom = centre_box(x.shape[3], x.shape[2], width, height)
    planes = x[:, :, top:bottom, left:right].float().flatten(0, 1).cpu().numpy()
    small = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    found = torch.from_numpy(np.stack(small)).view(len(x), -1, height, width).clamp(0, 1)
    return found.expand(-1, shape[0], -1, -1).contiguous()


def centre_box(width: int, height: int, to_width: int, to_height: int) -> Box:
    """The largest centred box of the proportions to_width : to_height."""
    scale = min(width / to_width, height / to_height)
    w, h = max(1, round(scale * to_width)), max(1, round(scale * to_height))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def dimensions(shape: Sequence[int]) -> str:
    """A shape as people write it.

    >>> dimensions((3, 64, 64))
    '3×64×64'
    """
    return "×".join(map(str, shape))
