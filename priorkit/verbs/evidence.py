"""What all contestants are given: images that are measured here, or what was measured elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from priorkit.errors import PriorkitError
from priorkit.interfaces import Operator, Prior, Shape
from priorkit.io.pictures import Pictures
from priorkit.io.raw import Raw
from priorkit.io.sources import Source
from priorkit.run.advice import advised
from priorkit.run.colours import refuse_colours
from priorkit.run.journal import digest
from priorkit.run.measure import as_it_came, measurement, simulate
from priorkit.run.setup import Setup, unknown_shape
from priorkit.run.shapes import batch, question_axes, shape_of, wide
from priorkit.run.shown import question_sigma
from priorkit.settings.config import RunConfig
from priorkit.settings.select import Selection
from priorkit.settings.selections import Selections
from priorkit.verbs.informed import bound_to, calibrated, informed

__all__ = ["Evidence", "Measured", "Simulated"]


class Evidence(ABC):
    """The images of a comparison, and the y of all contestants.

    Attributes
    ----------
    names : of the images
    sources : per image the file that it was read from; empty where there is none
    skipped : files of a folder that were left out, with the reason
    x : the images in [0, 1], (B, *shape); None where nobody knows them
    """

    def __init__(
        self,
        names: list[str],
        sources: list[Source | None],
        skipped: dict[str, str],
        x: Tensor | None,
    ) -> None:
        self.names, self.sources, self.skipped, self.x = names, sources, skipped, x

    def truth(self, setup: Setup) -> Tensor | None:
        """The images on the device and in the precision of a contestant."""
        return None if self.x is None else self.x.to(setup.device, setup.dtype)

    @abstractmethod
    def set_up(self, chosen: Selections) -> Setup:
        """A contestant, built and checked. Raises a PriorkitError where it can't do
        the problem."""

    @abstractmethod
    def y(self, m: int | None, setup: Setup) -> Tensor:
        """y of an m on the device and in the precision of a contestant."""

    def given(self, y: Tensor, setup: Setup) -> Tensor | None:
        """That y as it came, as :func:`priorkit.run.measure.as_it_came`; None of what came not."""
        return None

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What must be the same for a comparison to go on."""


@final
class Simulated(Evidence):
    """Images that are measured here: one A and one noise per m."""

    def __init__(self, images: Pictures) -> None:
        super().__init__(images.names, images.sources, images.skipped, images.x)
        self.images = images
        self._measured: dict[int | None, Tensor] = {}

    def set_up(self, chosen: Selections) -> Setup:
        images = self.images
        if images.range is not None:
            chosen = chosen.within(images.range)
        setup = advised(chosen, tuple(images.x.shape[1:]), real=False, kind=images.kind)
        question_sigma(setup, refuse=True)
        return setup

    def y(self, m: int | None, setup: Setup) -> Tensor:
        """What the first contestant of an m measures is what the others get."""
        if m not in self._measured:
            self._measured[m] = simulate(setup, self.images.x.to(setup.device, setup.dtype))
        y = self._measured[m]
        return y.to(setup.device, setup.dtype.to_complex() if y.is_complex() else setup.dtype)

    def identity(self) -> dict[str, Any]:
        return {"images": digest(self.images.x), "names": self.names}


@final
class Measured(Evidence):
    """Numbers that were measured elsewhere.

    x has the shape that was said, else the first of a contestant's prior that y can be of, else the
    one that y tells. What y tells of the operator, of the range and of σ is the same for all.
    Raises a PriorkitError where y can't be of the operator, or doesn't tell what it was asked.

    Parameters
    ----------
    chosen : the contestants that have been chosen, at least one; their operator is the same
    """

    def __init__(self, given: Raw, chosen: Sequence[Selections], said: RunConfig) -> None:
        self.numbers, self.of, first = given.numbers, given.of, chosen[0]
        self.shape = said.shape or _shape(given.numbers, first.selections["operator"], chosen)
        told = informed(first, given.numbers, self.shape, real=True)
        self.told, self.estimated = told.config, told.estimated
        operator = first.selections["operator"]
        built: Operator = operator.build(first.config.seed)  # as y tells
        bound = bound_to(operator, built, self.shape, said.kind)
        count = len(batch(wide(given.numbers), *bound))
        self._measured: dict[torch.dtype, Tensor] = {}
        super().__init__(given.named(count), given.sources, given.skipped, None)

    def set_up(self, chosen: Selections) -> Setup:
        told = {"range": self.told.range, "sigma": self.told.sigma}
        config = chosen.config.model_copy(update=told)
        chosen = replace(chosen, config=config, estimated=self.estimated)
        setup = advised(chosen, self.shape, real=True)
        self.y(None, setup)  # refused before any compute
        return setup

    def y(self, m: int | None, setup: Setup) -> Tensor:
        if setup.dtype not in self._measured:
            self._measured[setup.dtype] = measurement(self.numbers, setup, self.of)
        return self._measured[setup.dtype].to(setup.device)

    def given(self, y: Tensor, setup: Setup) -> Tensor | None:
        return as_it_came(self.numbers, y, setup)

    def identity(self) -> dict[str, Any]:
        return {"y": digest(self.numbers), "names": self.names}


def _shape(y: Tensor, operator: Selection, chosen: Sequence[Selections]) -> Shape:
    """The first shape of a prior that y can be a measurement of, else the one that y tells. Raises
    a PriorkitError where there is none: what is wrong with the first prior, if one has a shape."""
    wrong: list[PriorkitError] = []
    config = chosen[0].config
    refuse_colours(y, operator.build(config.seed))
    for each in chosen:
        try:
            prior: Prior = each.selections["prior"].build(each.config.seed)
        except PriorkitError:  # its row says why
            continue
        if prior.shape is None:
            continue
        try:
            own = calibrated(operator, y, prior.shape, config)
            batch(wide(y), *bound_to(operator, own, prior.shape, config.kind))
            return prior.shape
        except PriorkitError as error:
            wrong.append(error)
    try:
        told = shape_of(y, operator.build(config.seed), config.kind)
        question_axes(y, operator.build(config.seed), config.kind)
    except PriorkitError as error:
        raise (wrong or [error])[0] from None
    if told is None:
        raise (wrong or [unknown_shape()])[0]
    return told
