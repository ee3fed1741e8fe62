"""Measurements: simulated from images, or the user's own, checked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import BadInputError, PluginError, PriorkitError
from priorkit.interfaces import (
    Denoiser,
    IdentityOperator,
    Kind,
    LinearOperator,
    Operator,
    Prior,
    Range,
    Shape,
    kind_of,
)
from priorkit.interfaces.answers import answer
from priorkit.interfaces.kinds import COMPLEX, PICTURE, VOLUME
from priorkit.io.arrays import require_finite
from priorkit.io.brightness import Scaling
from priorkit.io.of_kind import VOLUME_BATCH, require_signal
from priorkit.io.values import arranged
from priorkit.linear import energy, least_squares
from priorkit.registry import registry
from priorkit.run.colours import refuse_colours
from priorkit.run.level import question_said
from priorkit.run.setup import Setup
from priorkit.settings.select import Selection, blaming
from priorkit.streams import Streams

__all__ = [
    "as_it_came",
    "batch",
    "measurement",
    "question_sigma",
    "shape_of",
    "simulate",
    "span",
    "wide",
]

log = logging.getLogger("priorkit")

STEPS = 10  # towards A⁺y: noise is hardly fitted yet
FAINT = 5e-3  # of [0, 1], below which a picture's values hardly differ
BANDS = 4  # of a picture, more of which are no colours
BRIGHT = 4.0  # times white, beyond which an even picture isn't one in [0, 1]


class ShapeError(BadInputError):
    """A measurement that isn't of the shape that the operator gives."""


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
    if name is None and kind is PICTURE and image[0] > BANDS and 2 * image[-1] <= min(image[:2]):
        log.warning(
            "y is taken for %d bands of %d×%d. Try: shape=(%d, %d, %d), where bands are last",
            *(*image, image[2], *image[:2]),
        )
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
    bright = _is_bright(operator, setup.kind)
    if bright and not probe.is_complex() and float(values.max()) <= 2:
        question_sigma(setup, refuse=False)
    values = _hidden(values, setup)
    if bright and not setup.problem.simulated:
        alone = isinstance(operator, IdentityOperator) and isinstance(setup.problem.prior, Denoiser)
        unit = setup.units.range.scale
        question_said(values, operator, setup.problem.noise, unit=unit, refuse=alone)
    _question_units(setup.problem.noise.measured(values), setup)
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


def wide(y: Tensor) -> Tensor:
    """Numbers of any type in 64 bits."""
    return y.to(torch.complex128 if y.is_complex() else torch.float64)


def span(y: Tensor, operator: LinearOperator, kind: Kind) -> Range:
    """The range of the images that y (B, *y_shape) shows, for ``range="auto"``.

    That of A⁺y, stopped early: between its quantiles of 0.1% and 99.9%, and a tenth of that on
    either side, beyond 0 only where the values are. Of complex pictures 0 and the largest size.
    Raises BadInputError where it is of one value.
    """
    zero = torch.zeros(len(y), *operator.shape, dtype=torch.float64)
    x = least_squares(operator.A, operator.A_adjoint, wide(y).cpu(), zero, steps=STEPS)
    values = kind.slices(x).flatten() if kind is COMPLEX else x.flatten()
    low, high = np.quantile(values.numpy(), (0.001, 0.999)).tolist()
    margin = (high - low) / 10
    if not margin > 0:
        raise BadInputError(
            "range='auto' takes the range from what y shows, and that is one value.",
            got=f"{low:g}",
            try_="range=(lo, hi)",
        )
    lo = low - margin if low < -margin else max(low - margin, 0.0)
    return Range(0.0 if kind is COMPLEX else lo, high + margin)


def _is_image(operator: Operator, kind: Kind) -> bool:
    """Whether the y of a bound operator is itself an image of the kind of x."""
    if not (kind.has_pixels and kind.fits(operator.y_shape)):
        return False
    with blaming("operator"):
        return operator.shape_from(operator.y_shape) is not None


def _is_bright(operator: Operator, kind: Kind) -> bool:
    """Whether it is a picture or a volume, so that its numbers are brightness."""
    return kind.bounded and _is_image(operator, kind)


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


def _question_units(y: Tensor, setup: Setup) -> None:
    """Warn of y that suggests pictures far beyond [0, 1], for which defaults were chosen, or that
    take up a small part of it. ‖y‖/‖A 1‖ is how bright an even picture would be that measures as
    much; by how much x differs from an even one, the part of Aᴴ y that AᴴA 1 doesn't explain."""
    shape, operator = setup.problem.shape, setup.problem.operator
    if not (setup.kind.bounded or setup.kind is COMPLEX):
        return
    if not isinstance(operator, LinearOperator):
        return
    one = torch.ones(1, *shape, device=setup.device, dtype=setup.dtype)
    even = operator.A(one)
    bright = float((energy(y).max() / energy(even).clamp_min(1e-300)).sqrt())
    said = setup.units.range
    if bright > BRIGHT:
        log.warning(
            "y suggests pictures with values of about %.3g. Nothing is clipped, but priors, and γ "
            "where nobody says it, are made for %s. Try: range=(lo, hi), the least and the "
            "greatest value of x, or range='auto'",
            *(said.lo + said.scale * bright, setup.units.bounds),
        )
        return
    mean = (y * even.conj()).flatten(1).sum(1).real / energy(even).clamp_min(1e-300)
    rest = y - mean.view(-1, *[1] * (y.ndim - 1)) * even
    plain, *rests = operator.A_adjoint(torch.cat([even, rest]))
    differ = float(max(x.max() - x.min() for x in rests) / plain.abs().mean())
    if 1e-6 * float(mean.abs().max()) < differ < FAINT:  # more than rounding
        log.warning(
            "y suggests pictures whose values differ by about %.3g, a small part of %s, for which "
            "priors, and γ where nobody says it, are made. Try: range=(lo, hi), the least and the "
            "greatest value of x, or range='auto'",
            *(said.scale * differ, setup.units.bounds),
        )


def question_sigma(setup: Setup, *, refuse: bool) -> None:
    """Refuse noise on the scale of 0 to 255 for pictures in [0, 1], or where they aren't
    simulated only warn of it. Raises BadInputError."""
    sigma = setup.problem.noise.level.sigma
    if sigma is None or sigma <= 1 or not _is_bright(setup.problem.operator, setup.kind):
        return
    white = next((w for w in (255, 4095) if sigma <= w), 65535)
    error = BadInputError(
        "Pictures are in [0, 1] here, and sigma is that of their noise.",
        got=f"sigma={sigma:g}, which hides them",
        try_=f"sigma={sigma / white:.3g}, which is {sigma:g}/{white}",
    )
    if refuse:
        raise error
    log.warning("%s", error)
