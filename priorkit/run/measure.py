"""Measurements: simulated from images, or the user's own, checked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces import Denoiser, IdentityOperator, Prior
from priorkit.interfaces.answers import answer
from priorkit.linear import energy
from priorkit.registry import registry
from priorkit.run.level import question_said
from priorkit.run.setup import Setup
from priorkit.run.shapes import ShapeError, batch, is_bright, shape_of, wide
from priorkit.run.shown import question_sigma, question_units
from priorkit.settings.select import Selection, blaming
from priorkit.streams import Streams

__all__ = ["as_it_came", "measurement", "simulate"]

log = logging.getLogger("priorkit")


def simulate(setup: Setup, x: Tensor) -> Tensor:
    """y ~ p(· | A x); the noise of image i depends on the seed and i alone, never on the batch."""
    operator = setup.problem.operator
    streams = Streams(setup.config.seed, "noise", setup.numbers(len(x)))
    with blaming(setup.selections["operator"]):
        clean = answer(operator, "A", operator.A(x), (len(x), *operator.y_shape), real=False)
    noise = setup.problem.noise
    with blaming(setup.selections["noise"]), _apart_from(setup.selections["operator"]):
        y = answer(noise, "sample", noise.sample(clean, streams), clean.shape, real=False)
    return _hidden(y, setup)


@contextmanager
def _apart_from(operator: Selection) -> Iterator[None]:
    """A block whose errors name no operators to try where this one is among them: it isn't the
    operator then."""
    try:
        yield
    except PriorkitError as error:
        if any(way.get("op") == operator.name for way in error.ways):
            error.only(way for way in error.ways if "op" not in way)
        raise


def measurement(y: Tensor, setup: Setup, of: str = "") -> Tensor:
    """y, the numbers as they were given, as (B, *y_shape), checked; ``of`` names their file, if
    they have one, in warnings.

    Where the operator's y is a picture, whole numbers of 8 and 16 bits are brightness, unless
    there is a range or the noise's y has units of its own, and channels may be last; all other
    numbers are as they are, whatever their type.
    Raises BadInputError for another shape or values, and for numbers whose squares have no sum in
    float64.
    """
    operator = setup.problem.operator
    if not setup.problem.simulated:
        with blaming(setup.selections["operator"]):
            operator.question(y, operator.mask)
    if y.dtype is torch.uint8 and not setup.noise.same_units and operator.sees_image:
        noise = setup.selections["noise"]
        log.warning(
            "y has numbers of 8 bits, as photographs have: %s takes them for counts. Try: "
            "noise='gaussian'%s, where they are brightness",
            *(noise, "".join(f" and no {name}" for name in noise.options)),
        )
    # Numbers in units of their own, as the user's or counts are, none of them brightness.
    if setup.config.range is not None or not setup.noise.same_units:
        y = wide(y)
    try:
        values = batch(y, operator, setup.kind, of)
    except ShapeError as error:
        if (way := _of_its_size(y, setup)) is None:
            raise
        raise ShapeError(error.what, got=error.got, try_=way) from error
    probe = operator.A(torch.zeros(1, *setup.problem.shape, device=setup.device))
    if values.is_complex() and not probe.is_complex():
        raise BadInputError(
            "The measurement y is complex, and the operator's output is real.",
            try_="y.real, or kind='complex' where x is complex too",
        )
    if probe.is_complex() and not values.is_complex():
        raise BadInputError(
            "The measurement y is real, and the operator's output is complex.",
            try_="y + 0j, if its imaginary part is 0",
        )
    dtype = setup.dtype.to_complex() if probe.is_complex() else setup.dtype
    if not setup.problem.simulated:  # as a replayed one may be
        whole = not (values.is_floating_point() or values.is_complex())
        setup.noise.check(wide(values) if whole else values)
    values = setup.units.y_inside(values.to(setup.device)).to(dtype)
    if not bool(torch.isfinite(energy(values)).all()):
        raise BadInputError(
            "The measurement y has numbers too large to compute with.",
            got=f"up to {float(values.abs().max()):.3g} in {setup.dtype}".replace("torch.", ""),
            try_="range=(lo, hi), the least and the greatest value of x",
        )
    bright = is_bright(operator, setup.kind)
    if bright and not probe.is_complex() and float(values.max()) <= 2:
        question_sigma(setup, refuse=False)
    values = _hidden(values, setup)
    if bright and not setup.problem.simulated:
        alone = isinstance(operator, IdentityOperator) and isinstance(setup.problem.prior, Denoiser)
        unit = setup.units.range.scale
        question_said(values, operator, setup.problem.noise, unit=unit, refuse=alone)
    question_units(setup.problem.noise.measured(values), setup)
    return values


def as_it_came(numbers: Tensor, y: Tensor, setup: Setup) -> Tensor | None:
    """The ``numbers`` of which y is the :func:`measurement`, in the order of y, every bit as it was
    given; what isn't measured is as in y. None where the user's units are those of y."""
    if setup.units.plain:
        return None
    said, back = batch(wide(numbers), setup.problem.operator, setup.kind), setup.units.y_outside(y)
    if (mask := setup.problem.operator.mask) is not None:
        said = torch.where(mask.to(said.device) > 0, said, back.to(said.device))
    return said.to(back)


def _of_its_size(y: Tensor, setup: Setup) -> str | None:
    """What to try for a y that is a picture of another size than what was said, or than the prior's
    pictures; None where it isn't, or no prior is of any size."""
    shape = shape_of(y, setup.problem.operator, setup.config.kind)
    if shape is None or not setup.kind.fits(shape):
        return None
    prior: Prior = setup.selections["prior"].build(setup.config.seed)
    if prior.shape is None:
        return None if setup.config.shape is None else f"shape={shape}, or no shape"
    other = registry().any_size("prior")
    if other is None:
        return None
    return f"prior={other.name!r}, which takes pictures of any size"


def _hidden(y: Tensor, setup: Setup) -> Tensor:
    """y with what isn't measured as expected of A x = 0, where the misfit is 0."""
    if setup.problem.operator.mask is None:
        return y
    seen = setup.problem.operator.mask.to(y.device) > 0
    if setup.problem.operator.sees_image and bool(seen.all()):
        log.warning("Nothing is missing by the mask of %s.", setup.selections["operator"])
    return torch.where(seen, y, setup.problem.noise.expected(torch.zeros_like(y)))
