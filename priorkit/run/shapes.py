"""The shapes of x and y: of x where y tells it, and y as a batch of the operator's."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from priorkit.errors import BadInputError, PluginError
from priorkit.interfaces import Kind, Operator, Shape, kind_of
from priorkit.interfaces.kinds import COMPLEX, VOLUME
from priorkit.io.arrays import require_finite
from priorkit.io.brightness import Scaling
from priorkit.io.of_kind import VOLUME_BATCH, require_signal
from priorkit.io.values import arranged
from priorkit.run.colours import refuse_colours
from priorkit.settings.select import blaming

__all__ = ["ShapeError", "batch", "is_bright", "question_axes", "shape_of", "wide"]

log = logging.getLogger("priorkit")

BANDS = 4  # of a picture, more of which are no colours
COLOURS = (1, 3, 4)  # what a last axis is as long as that is one of channels
PICTURES = (3, 4)  # axes of a picture of several channels, and of a batch


class ShapeError(BadInputError):
    """A measurement that isn't of the shape that the operator gives."""


def shape_of(y: Tensor, operator: Operator, name: str | None) -> Shape | None:
    """The shape of x where the measurement tells it, as one that is itself an image; else None.

    ``name`` is that of the kind of x where it is known: without, y is taken for pictures, or where
    it has five dimensions for volumes. Raises BadInputError for a colour picture where y is none.
    """
    if not y.ndim:
        return None
    refuse_colours(y, operator)
    kind = VOLUME if name is None and y.ndim == VOLUME_BATCH else kind_of(None, name)
    with blaming("operator"):
        behind = operator.shape_behind(tuple(y.shape), kind)
    if behind is not None and 0 not in behind:
        return behind
    plain = torch.ones(1, dtype=y.dtype if kind is COMPLEX else None).expand(y.shape)
    image = tuple(arranged(plain, kind, None).shape[1:])
    if not kind.fits(image) or 0 in image:
        return None
    try:
        with blaming("operator"):
            return operator.shape_from(image)
    except PluginError as error:
        if name is not None:
            raise
        raise BadInputError(
            f"y was taken for {kind}, of which shape_from of the operator fails.",
            got=f"shape {tuple(y.shape)}",
            try_="kind='volume' where it is one, or shape=(3, 64, 64) of what is recovered",
        ) from error


def question_axes(y: Tensor, operator: Operator, name: str | None) -> None:
    """Warn of a y whose last axis may be one of bands, of coils or of a batch, as it is shorter
    than half of the two before, where it is taken for columns; ``name`` as for :func:`shape_of`."""
    pictures = name is None and y.ndim in PICTURES and y.shape[-1] not in COLOURS
    if not (pictures or (y.is_complex() and y.ndim in PICTURES)):
        return
    first, height, width = tuple(y.shape[-3:])
    if first <= BANDS or not 0 < 2 * width <= min(first, height):
        return
    with blaming("operator"):
        plain = operator.shape_from((first, height, width)) is not None
    what = "measurements" if y.is_complex() else "bands"
    said = f"y is taken for {first} {what} of {height}×{width}. Try: "
    if plain and (name == COMPLEX.name or not y.is_complex()):
        channels = 2 if name == COMPLEX.name else width
        log.warning("%sshape=%s, where %s are last", said, (channels, first, height), what)
    elif y.is_complex():
        log.warning("%snumpy.moveaxis(y, -1, -3), where coils or channels are last", said)


def batch(values: Tensor, operator: Operator, kind: Kind, of: str | None = None) -> Tensor:
    """(B, *y_shape) of a bound operator; ``of`` as in a Scaling. Raises BadInputError for another
    shape, or values that aren't finite.

    One channel needs no axis of its own, and one measurement no batch.
    """
    shape, given = operator.y_shape, tuple(values.shape)
    if _is_image(operator, kind) and (kind is COMPLEX or not values.is_complex()):
        values = arranged(values, kind, shape, Scaling(of=of))
    elif kind is COMPLEX and shape[0] == 1 and given[1:] == shape[1:]:
        values = values[:, None]
    elif operator.sees_image:
        require_signal(given, shape)
    if values.ndim == len(shape) - 1 and shape[0] == 1:
        values = values[None]
    if values.ndim == len(shape):
        values = values[None]
    values = operator.taken(values)
    if tuple(values.shape[1:]) != shape or not len(values):
        picture = not kind.has_pixels and len(given) > 2
        raise ShapeError(
            f"The measurement y must be {shape}, or a batch of these.",
            got=given or "a single number",
            try_="shape=(channels, height, width) of a picture"
            if picture
            else f"the operator's own m, and shape=… of the {kind.name} to recover",
        )
    if operator.mask is not None:  # what isn't measured may be anything
        values = torch.where(operator.mask.to(values.device) > 0, values, 0)
    holes = 'op="mask", mask=numpy.isfinite(y)'
    if not operator.sees_all:
        holes = "op=Mask(mask=numpy.isfinite(y)) @ …, the operator that y is of"
    require_finite(values, "The measurement y", holes)
    return values


def _is_image(operator: Operator, kind: Kind) -> bool:
    """Whether the y of a bound operator is itself an image of the kind of x."""
    if not (kind.has_pixels and kind.fits(operator.y_shape)):
        return False
    with blaming("operator"):
        return operator.shape_from(operator.y_shape) is not None


def is_bright(operator: Operator, kind: Kind) -> bool:
    """Whether it is a picture or a volume, so that its numbers are brightness."""
    return kind.bounded and _is_image(operator, kind)


def wide(y: Tensor) -> Tensor:
    """Numbers of any type in 64 bits."""
    return y.to(torch.complex128 if y.is_complex() else torch.float64)
