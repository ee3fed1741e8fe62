"""Everything of a run that can be refused before compute."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from torch import Tensor

from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Operator, Prior, Shape, kind_of
from priorkit.interfaces.kinds import COMPLEX, PICTURE
from priorkit.io.pictures import Pictures, astronaut, load
from priorkit.registry import Entry, registry
from priorkit.run.advice import advised
from priorkit.run.memory import plan
from priorkit.run.said import question_range
from priorkit.run.setup import Setup, set_up
from priorkit.run.shapes import question_axes, shape_of
from priorkit.run.shown import question_sigma
from priorkit.settings.config import RunConfig
from priorkit.settings.selections import Selections, select_all
from priorkit.verbs.informed import informed

__all__ = [
    "for_any_size",
    "leaves_prior_open",
    "load_framed",
    "path_of",
    "prepare",
    "require_one_source",
]

PLANE = 2  # axes of what one coil measured of one slice
SAMPLE = (3, 64, 64)  # what the sample photograph is brought to where nothing else is said


def require_one_source(x: Any, y: Any, config: RunConfig) -> None:
    """Raise BadInputError for both images and measurements, and for what is about images where
    there are measurements."""
    if x is not None and y is not None:
        raise BadInputError(
            "Give pictures x to simulate measurements of, or measurements y, not both.",
            try_="no y, where x is to be measured here, or y alone, where it was",
        )
    if y is not None and config.clip:
        raise BadInputError(
            "clip brings images x into the range; nothing is clipped of a y.", try_="no clip"
        )


def prepare(
    x: Any,
    y: Tensor | None,
    config: RunConfig,
    extra: dict[str, Any],
    *,
    real: bool = True,
    estimated: bool = False,
    repeated: bool = False,
    advise: bool = True,
) -> tuple[Setup, Pictures | None]:
    """Everything that can be refused before compute; images come back framed.

    ``real`` and ``estimated``: whether y was measured, and σ taken from it before; ``repeated``:
    whether a record says what to do; ``advise``: whether a refusal says what to try instead, which
    takes its time, see :mod:`priorkit.run.advice`.
    """
    begin = advised if advise else set_up
    chosen = replace(select_all(config, extra), estimated=estimated, repeated=repeated)
    operator = chosen.selections["operator"]
    if y is None:
        chosen.as_usual()
    elif config.op is None and not operator.options:
        raise BadInputError(
            "Nobody says which operator measured y.",
            try_="op='identity' where y is a picture with noise, or m=… of random numbers",
        )
    pictures: Pictures | None = None
    if y is not None and _is_spectrum(y, chosen):
        config = config.model_copy(update={"kind": COMPLEX.name})
        chosen = replace(chosen, config=config)
    if leaves_prior_open(config):
        if y is None:
            pictures = load_framed(x, config.shape, config)
            shape: Shape | None = tuple(pictures.x.shape[1:])
        else:
            shape = config.shape or shape_of(y, operator.build(config.seed), config.kind)
        chosen = _for_shape(chosen, extra, shape)
    selected = chosen.selections["prior"]
    prior: Prior = selected.build(config.seed)
    if config.kind and prior.shape and not kind_of(None, config.kind).fits(prior.shape):
        raise MismatchError(
            f"{selected} is for images of shape {prior.shape}.",
            got=f"kind={config.kind!r}",
            try_="another prior",
        )
    fixed = prior.shape or config.shape
    if y is not None:
        built: Operator = chosen.selections["operator"].build(config.seed)
        size = fixed or shape_of(y, built, config.kind)
        if config.shape is None:
            question_axes(y, built, config.kind)
        chosen = informed(chosen, y, size, real=real)
        setup = begin(chosen, size, real=real)
    else:
        if pictures is None or fixed not in (None, tuple(pictures.x.shape[1:])):
            pictures = load_framed(x, fixed, config)
        if pictures.range is not None:
            chosen = chosen.within(pictures.range)
        setup = begin(chosen, tuple(pictures.x.shape[1:]), real=False, kind=pictures.kind)
        question_sigma(setup, refuse=True)
        if pictures.range is not None:
            question_range(pictures.x, setup.units, setup.kind)
    plan(setup, 1)  # refused before the operator makes what it needs
    return setup, pictures


def _is_spectrum(y: Tensor, chosen: Selections) -> bool:
    """Whether y is one plane of complex numbers, as a scanner's coil gives, behind which the
    operator sees a complex picture, where nobody says what is recovered or with a prior of which
    shape."""
    config = chosen.config
    if not y.is_complex() or y.ndim != PLANE or config.kind or config.shape:
        return False
    operator: Operator = chosen.selections["operator"].build(config.seed)
    if operator.shape_behind(tuple(y.shape), COMPLEX) is None:
        return False
    prior: Prior = chosen.selections["prior"].build(config.seed)
    return config.prior is None or prior.shape is None


def leaves_prior_open(config: RunConfig) -> bool:
    """Whether a measurement is asked for and neither a prior nor how one is used, so that what
    fits the pictures can be taken; ``resize`` asks that they fit the prior."""
    said = (config.prior, config.penalty, config.solver, config.space)
    return config.op is not None and said == (None,) * 4 and not config.resize


def _for_shape(chosen: Selections, extra: dict[str, Any], shape: Shape | None) -> Selections:
    """The same with the prior for any size, where a picture isn't of the fallback's."""
    usual: Prior = chosen.selections["prior"].build(chosen.config.seed)
    other = for_any_size(usual, shape)
    if other is None:
        return chosen
    again = select_all(chosen.config.model_copy(update={"prior": other.name}), extra)
    return replace(again, estimated=chosen.estimated, repeated=chosen.repeated)


def for_any_size(usual: Prior, shape: Shape | None) -> Entry | None:
    """The prior that is taken in place of the usual one where pictures aren't of its shape; None
    where that one is."""
    if shape is None or usual.shape in (None, tuple(shape)) or not kind_of(shape).bounded:
        return None
    return registry().any_size("prior")


def load_framed(x: Any, shape: Shape | None, config: RunConfig) -> Pictures:
    """Images brought to ``shape`` and to [0, 1], as the settings say; the sample photograph has a
    size of its own."""
    sample = path_of(x) == path_of(astronaut()) and config.kind in (None, PICTURE.name)
    return load(
        x,
        shape or (SAMPLE if sample else None),
        resize=config.resize,
        kind=config.kind,
        range=config.range,
        clip=config.clip,
    )


def path_of(source: Any) -> str | None:
    """Where the input came from, for the record; None for what was in memory."""
    return os.path.abspath(source) if isinstance(source, (str, os.PathLike)) else None
