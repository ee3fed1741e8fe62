"""The layout of arrays of pictures, and their size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces.kinds import COMPLEX, PICTURE, Kind
from priorkit.io.brightness import PLAIN, Scaling, check_range

__all__ = [
    "LUMA",
    "arranged",
    "centre_box",
    "dimensions",
    "framed",
    "layout",
    "require_one_size",
    "resized",
]


Box = tuple[int, int, int, int]  # left, top, right, bottom
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's convert("L")


def arranged(
    x: Tensor, kind: Kind, shape: tuple[int, ...] | None, scaling: Scaling = PLAIN
) -> Tensor:
    """The numbers of one image or of a batch as those of a kind: pictures as :func:`layout`, other
    brightness as in :class:`~priorkit.io.brightness.Scaling`, complex numbers as two channels, all
    else as it is, unless there is a range.

    One channel needs no axis of its own, and one image no batch. Whether the result
    is (B, *shape) is left to be checked. Raises as these.
    """
    if kind is PICTURE:
        return layout(x, shape, scaling) if x.ndim in (2, 3, 4) and 0 not in x.shape else x
    if kind is COMPLEX:
        if x.is_complex():
            if x.ndim > 2 and shape is not None and x.shape[-2:] != shape[1:] == x.shape[-3:-1]:
                x = x.movedim(-1, -3)  # of several, which are last
            x = torch.view_as_real(x).movedim(-1, -3)
        x = x if scaling.range is None else scaling.range.inside(x)
    elif kind.bounded or scaling.range is not None:
        x = scaling.inside(x)
    axes = len(kind.axes)
    if shape is None and kind.axes[0] == "C" and x.ndim == axes - 1:
        x = x[None]
    if shape is not None and shape[0] == 1 < axes and x.shape[1 - axes :] == shape[1:]:
        x = x.reshape(-1, *shape) if x.ndim <= axes else x
    return x[None] if x.ndim == axes else x


def layout(x: Tensor, shape: tuple[int, ...] | None = None, scaling: Scaling = PLAIN) -> Tensor:
    """(H, W), (H, W, C), (C, H, W) or a batch of them → (B, C, H, W), whole numbers as brightness.

    An array that has the ``shape`` (C, H, W) keeps its order; in others, channels are last where
    they can't be first. Four channels at the end are colour and opacity, taken over white; of
    numbers in a range of their own they are four channels.

    Raises BadInputError for other shapes, an empty array among them, and as
    :class:`~priorkit.io.brightness.Scaling`.
    """
    given = tuple(x.shape)
    if 0 in given:
        raise BadInputError("No pictures given.", got=f"shape {given}")
    if x.ndim == 2:
        x = x[None, None]
    elif x.ndim == 3:
        x = x[None]
    if x.ndim != 4:
        raise BadInputError(
            "Pictures have 2, 3 or 4 dimensions.",
            got=f"shape {given}",
            try_=f"kind='signal', or shape=(1, {given[0]})" if len(given) == 1 else None,
        )
    last = x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3)
    if shape is not None:  # the order is known from the shape, not guessed
        fits = tuple(x.shape[1:]) == tuple(shape)
        last = not fits and (last or tuple(x.shape[1:]) == (*shape[1:], shape[0]))
    x = scaling.inside(x.permute(0, 3, 1, 2) if last else x)
    if scaling.range is None and last and x.shape[1] == 4 and (shape is None or shape[0] != 4):
        check_range(x)
        colour, alpha = x[:, :3], x[:, 3:]
        if bool((alpha < 1).any()):
            scaling.warn("The picture is partly transparent: it is taken over white.")
        x = colour * alpha + (1 - alpha)
    return x


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
        try_="a run for each: of a folder engine='processes' (recover_folder in Python), in a "
        "study its pictures on the grid" + (f"; or {or_else}" if or_else else ""),
    )


def framed(x: Tensor, shape: tuple[int, ...] | None, scaling: Scaling) -> Tensor:
    """The numbers of a picture (C, H, W) as [0, 1], as large as they are or brought to ``shape``.

    Raises BadInputError for values and channels that can't be.
    """
    x = scaling.inside(x[None])
    check_range(x)
    if shape is None or tuple(x.shape[1:]) == tuple(shape):
        return x[0]
    if x.shape[1] not in (1, 3) or shape[0] not in (1, 3):
        raise BadInputError(
            f"A picture of {counted(x.shape[1], 'channels')} can't be brought to "
            f"{dimensions(shape)}.",
            got=dimensions(x.shape[1:]),
            try_="an array of that shape",
        )
    return resized(x, shape)[0]


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
