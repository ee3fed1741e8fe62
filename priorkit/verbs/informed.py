"""What a measurement tells of a run: what its operator learns from it, its range, its σ."""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from priorkit.errors import MismatchError
from priorkit.interfaces import Calibrated, Kind, LinearOperator, Operator, Range, Shape, kind_of
from priorkit.interfaces.adapt import bound_operator
from priorkit.run import level
from priorkit.run.colours import question_gray, refuse_colours
from priorkit.run.said import noise_for
from priorkit.run.setup import unknown_shape
from priorkit.run.shapes import batch, wide
from priorkit.run.shown import span
from priorkit.settings.config import RunConfig
from priorkit.settings.select import Selection, blaming
from priorkit.settings.selections import Selections

__all__ = ["bound_to", "calibrated", "informed"]

log = logging.getLogger("priorkit")


def informed(chosen: Selections, y: Tensor, shape: Shape | None, *, real: bool) -> Selections:
    """What was chosen for a y, the numbers as they were given, with what y tells of it.

    An operator that learns from y has done so, ``range="auto"`` is the range that y shows, and
    ``sigma="auto"`` its σ. ``shape`` is that of x, None where nobody knows it; ``real`` says that y
    was measured rather than simulated. Raises BadInputError and MismatchError where y can't tell,
    or is a colour picture where none is measured.
    """
    config = chosen.config
    selection = chosen.selections["operator"]
    if real:
        refuse_colours(y, selection.build(config.seed))
        if config.range is None and _same_units(chosen):
            question_gray(y, selection.build(config.seed))
    if shape is not None and real:
        selection.becomes(calibrated(selection, y, shape, config))
    operator: Operator = selection.build(config.seed)
    if config.range == "auto":
        chosen = chosen.within(_shown(chosen, y, operator, shape))
    if config.range is not None:
        y = wide(y)
    if config.sigma == "auto" and shape is not None and real:
        chosen = _with_sigma(chosen, y, operator, shape)
    return chosen


def calibrated(selection: Selection, y: Tensor, shape: Shape, config: RunConfig) -> Operator:
    """The operator that was chosen with what it learns from y, in the precision of the run; as it
    is where it learns nothing."""
    operator: Operator = selection.build(config.seed)
    if not isinstance(operator, Calibrated):
        return operator
    if y.is_complex():
        y = y.to(torch.complex128 if config.precision == "float64" else torch.complex64)
    with blaming(selection):
        return operator.calibrate(y, shape, kind_of(shape, config.kind))


def bound_to(
    selection: Selection, operator: Operator, shape: Shape, name: str | None
) -> tuple[Operator, Kind]:
    """The operator that was selected and built, bound to images of a shape and of the kind of that
    name, and this kind. Raises a PriorkitError where it can't be."""
    kind = kind_of(shape, name)
    with blaming(selection):
        return bound_operator(operator, shape, kind), kind


def _shown(chosen: Selections, y: Tensor, operator: Operator, shape: Shape | None) -> Range:
    """The range that a y shows, or what it says of A x. Raises as what it calls, and for an
    operator that isn't linear."""
    selection, selected = chosen.selections["operator"], chosen.selections["noise"]
    if shape is None:
        raise unknown_shape()
    bound, kind = bound_to(selection, operator, shape, chosen.config.kind)
    if not isinstance(bound, LinearOperator):
        raise MismatchError(
            "range='auto' needs a linear operator, to see what values x has.",
            got=str(selection),
            try_="no range, and x in [0, 1]",
        )
    said = batch(wide(y), bound, kind)
    plain = _same_units(chosen)
    if chosen.config.sigma != "auto":
        noise = noise_for(chosen.config, selected, bound, real=True)
        if not plain:
            noise.check(said)
        said = noise.measured(said)
    elif not plain:
        level.require_gaussian(selected)
    found = span(said, bound, kind)
    log.info("The range that y shows: %.5g to %.5g.", found.lo, found.hi)
    return found


def _same_units(chosen: Selections) -> bool:
    """Whether y of the noise is in the units of A x, and not counts of something."""
    selected = chosen.selections["noise"]
    return bool((selected.target or type(selected.instance)).same_units)


def _with_sigma(chosen: Selections, y: Tensor, operator: Operator, shape: Shape) -> Selections:
    """What was chosen, with the σ that y shows."""
    level.require_gaussian(chosen.selections["noise"])
    selection = chosen.selections["operator"]
    bound, kind = bound_to(selection, operator, shape, chosen.config.kind)
    level.require_picture(selection, bound)
    sigma = level.estimate(batch(y, bound, kind), bound)
    words = "σ estimated: %.3g. How good the result is can't be told from that."
    log.info(words, sigma)
    config = chosen.config.model_copy(update={"sigma": sigma})
    return replace(chosen, config=config, estimated=True)
