"""Arrays as images of a kind: vectors, signals, volumes and complex pictures."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces.kinds import COMPLEX, PICTURE, VOLUME, Kind
from priorkit.io.arrays import numbers, require_finite
from priorkit.io.brightness import MISSING, PLAIN, Scaling, check_range
from priorkit.io.values import arranged, dimensions, layout, resized

__all__ = ["VOLUME_BATCH", "images_of", "images_told", "refuse_picture", "require_signal"]

VOLUME_BATCH = 5  # axes of (B, C, D, H, W)
ONE = "a single number"
FEWEST = 8  # rows and columns from which on an array could be a picture


def images_told(
    source: Any, shape: tuple[int, ...] | None, kind: str | None, scaling: Scaling, *, resize: bool
) -> tuple[Tensor, Kind]:
    """Images (B, *shape) from an array that tells of which kind they are, unless somebody did:
    complex numbers of complex pictures, five axes of volumes, all else of pictures, which with
    ``resize`` are brought to the shape. Raises BadInputError as :func:`images_of`."""
    try:
        given = numbers(source, "A picture")
    except BadInputError as error:
        if isinstance(source, (list, tuple, np.ndarray, Tensor)):
            raise
        raise _no_picture(type(source).__name__) from error
    if given.ndim == 0:
        raise _no_picture(ONE)
    told = COMPLEX if given.is_complex() else VOLUME if given.ndim == VOLUME_BATCH else PICTURE
    if told is PICTURE or kind is not None:
        return _pictures_of(given, shape, scaling, resize), PICTURE
    if shape is not None and not told.fits(shape):
        raise BadInputError(
            f"x must be {PICTURE}, of {dimensions(shape)} here.",
            got=f"{told}, an array of {dimensions(given.shape)}",
            try_="another prior, or another shape",
        )
    return images_of(given, told, shape, scaling), told


def _no_picture(got: str) -> BadInputError:
    return BadInputError(
        "A picture is a path, a folder, a PIL image, a numpy array or a torch tensor.", got=got
    )


def _pictures_of(
    x: Tensor, shape: tuple[int, ...] | None, scaling: Scaling, resize: bool
) -> Tensor:
    x = layout(x, shape, scaling)
    check_range(x)
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        if not resize or x.shape[1] not in (1, 3) or shape[0] not in (1, 3):
            raise BadInputError(
                f"An array of pictures must be {dimensions(shape)} here.",
                got=dimensions(x.shape[1:]),
                try_=f"an array of {dimensions(shape)}"
                if resize
                else "resize=True, to crop and resize it",
            )
        x = resized(x, shape)
    return x.contiguous()


def images_of(
    source: Any, kind: Kind, shape: tuple[int, ...] | None, scaling: Scaling = PLAIN
) -> Tensor:
    """Images of a kind, from an array: one or a batch, (B, *shape).

    Complex numbers (H, W) are complex pictures. Raises BadInputError for other shapes and values,
    and where an array of two dimensions could as well be one gray picture.
    """
    many = kind.many if shape is None else f"{kind.many} of {dimensions(shape)} numbers"
    x = numbers(source, f"This is about {many}: what is given")
    given = tuple(x.shape)
    if x.is_complex() and kind is not COMPLEX:
        raise BadInputError(f"{kind.many.capitalize()} are real numbers.", got="complex ones")
    if shape is not None:
        require_signal(given, shape)
    x = arranged(x, kind, shape, scaling)
    if not x.numel() or not kind.fits(x.shape[1:]) or shape not in (None, tuple(x.shape[1:])):
        want = ", ".join(map(str, ("B", *(kind.axes if shape is None else shape))))
        other = tuple(x.shape[1:])
        raise BadInputError(
            f"{kind.many.capitalize()} must be ({want}) here.",
            got=f"shape {given}" if given else ONE,
            try_=f"shape={other}, as nothing but pictures is resized"
            if x.numel() and kind.fits(other)
            else f"an array of {kind}",
        )
    if kind.bounded:
        check_range(x)
    x = x if x.is_floating_point() else x.double()
    require_finite(x, f"A {kind.name}", MISSING)
    return x.contiguous()


def refuse_picture(source: Any, kind: Kind, shape: tuple[int, ...] | None) -> None:
    """Raise BadInputError for a picture, in a file or in memory, where images of another kind are
    asked for."""
    if not isinstance(source, (str, os.PathLike, Image.Image)):
        return
    if kind.has_pixels:
        raise BadInputError(
            f"x must be {kind}: an array, or a file of such.",
            got="a picture" if isinstance(source, Image.Image) else str(source),
        )
    sides = shape if shape is not None and len(shape) == 2 else (64, 64)
    raise BadInputError(
        "The shape of a picture is (channels, height, width).",
        got=f"kind={kind.name!r}" if shape is None else f"shape={shape}, of {kind.many}",
        try_=f"shape={(3, *sides)}, or shape={(1, *sides)} in gray",
    )


def require_signal(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse an array (C, N) for signals of that shape that could be a gray picture (H, W)."""
    if len(shape) == 2 and given == shape and min(shape) >= FEWEST:
        raise BadInputError(
            f"An array of the shape {shape} could be one signal of {counted(shape[0], 'channels')}"
            ", or a gray picture.",
            try_=f"shape={(1, *shape)} for a picture, or x[None] for a signal",
        )
