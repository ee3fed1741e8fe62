"""A file as it is shown before anything is done with it, and what it says of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from priorkit.app.components import HOW
from priorkit.app.sizes import extent, scaled
from priorkit.app.warned import heard
from priorkit.draw.tiles import png, shrunk, tile
from priorkit.errors import PriorkitError
from priorkit.interfaces.kinds import COMPLEX, kind_of, squared
from priorkit.io.brightness import ends
from priorkit.io.pictures import astronaut, dimensions, load, raw, to_pil
from priorkit.registry import registry
from priorkit.run.shapes import shape_of
from priorkit.settings.select import resolve

__all__ = ["Preview", "look", "sample"]

SIDE = 768  # of what is shown, in pixels
HUGE = 2048  # pixels of a side, beyond which a picture isn't read whole to be shown
SAMPLE = (3, 64, 64)


@dataclass(frozen=True)
class Preview:
    """What a file shows.

    Attributes
    ----------
    shape : of the picture, (C, H, W) …; None of a measurement, whose operator tells
    picture : as a PNG, and its ``size``, (width, height)
    said : a line about it
    drawn : whether a hole can be drawn over it
    range : "auto" where its values aren't in [0, 1], and aren't brightness
    y : the numbers of a measurement
    warnings : what the library said of the file
    """

    shape: tuple[int, ...] | None
    picture: bytes
    size: tuple[int, int]
    said: str
    drawn: bool = True
    range: str | None = None
    y: Tensor | None = None
    warnings: tuple[str, ...] = ()

    def shape_for(self, operator: Any, kind: str | None) -> tuple[int, ...] | None:
        """The shape of the picture with an operator as in settings; None where nothing tells, and
        where y isn't of that operator."""
        if self.y is None:
            return self.shape
        try:
            return self._behind(operator, kind)
        except PriorkitError:
            return None

    def complaint(self, operator: Any, kind: str | None) -> PriorkitError | None:
        """Why y can't be of an operator as in settings; None where nobody can tell."""
        try:
            self._behind(operator, kind)
        except PriorkitError as error:
            return error
        return None

    def _behind(self, operator: Any, kind: str | None) -> tuple[int, ...] | None:
        if self.y is None:
            return self.shape
        built = resolve("operator", operator or registry().fallback("operator").name).build(0)
        return shape_of(self.y, built, kind)


def sample() -> Preview:
    """The sample photograph."""
    with Image.open(astronaut()) as file:
        picture = file.convert("RGB")
    return Preview(SAMPLE, png(picture), picture.size, "sample photograph, 3×64×64")


def look(path: Path, *, measured: bool, settings: dict[str, Any]) -> Preview:
    """Read a file of pictures, or of a measurement. Raises BadInputError where it can't be.

    Values that aren't brightness are shown from the least to the greatest. A large picture that is
    brought to a smaller size anyway is read at the size of what is shown.
    """
    with heard() as warnings:
        found = _look(path, measured, settings)
    return replace(found, warnings=tuple(warnings))


def _look(path: Path, measured: bool, settings: dict[str, Any]) -> Preview:
    how = {name: settings[name] for name in HOW if settings.get(name) is not None}
    if measured:
        shape = settings.get("shape")  # by which pages of a file may be channels
        return _measured(raw(path, "The measurement y", shape=shape, **how), path.name)
    range: Any = settings.get("range")
    whole = extent(path)
    if whole is None or max(whole[1:]) <= HUGE or settings.get("shape") is None:
        whole = None
    brought = None if whole is None else scaled(whole, SIDE)
    try:
        found = load(path, brought, range=range, **how)
    except PriorkitError:
        if range is not None:
            raise
        range = "auto"
        found = load(path, brought, range=range, **how)
    x, shape = found.x[0], whole or tuple(found.x.shape[1:])
    flat = found.kind.has_pixels and x.ndim == 3 and found.kind is not COMPLEX
    picture = tile(shrunk(x, SIDE) if flat else x, found.kind)
    picture.thumbnail((SIDE, SIDE))
    count = f", {len(found.x)} of them" if len(found.x) > 1 else ""
    said = f"{path.name}, {dimensions(shape)}{count}"
    return Preview(shape, png(picture), picture.size, said, flat, range)


def _measured(y: Tensor, name: str) -> Preview:
    one = y[0] if y.ndim == 4 else y
    count = f"{len(y)} of " if y.ndim == 4 and len(y) > 1 else ""
    said = f"{name}, {count}{dimensions(one.shape)}{' complex' if y.is_complex() else ''} numbers"
    flat = not y.is_complex() and one.ndim == 3 and one.shape[0] in (1, 3)
    if flat or (not y.is_complex() and one.ndim == 2 and min(one.shape) > 1):
        one = one if one.ndim == 3 else one[None]
        low, high = (0.0, 1.0) if _bright(one) else ends(one) or (0.0, 1.0)
        scale = 255.0 if one.dtype == torch.uint8 else 1.0
        inside = one.double() / scale if _bright(one) else (one.double() - low) / (high - low or 1)
        picture = tile(shrunk(inside.float(), SIDE), kind_of(tuple(one.shape), "picture"))
    else:
        picture, flat = to_pil(squared(one)), False
    picture.thumbnail((SIDE, SIDE))
    return Preview(None, png(picture), picture.size, said, flat, None, y)


def _bright(x: Tensor) -> bool:
    """Whether numbers are brightness as they are."""
    inside = x.is_floating_point() and bool(((x >= 0) & (x <= 1)).all())
    return x.dtype == torch.uint8 or inside
