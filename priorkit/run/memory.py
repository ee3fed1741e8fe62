"""How much memory a run takes, and how many images are solved together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from priorkit.counted import counted
from priorkit.interfaces import Denoiser, Density, Problem, Shape
from priorkit.interfaces.draws import SAMPLES
from priorkit.io.pictures import dimensions
from priorkit.run.room import require_room, size
from priorkit.run.setup import Setup

__all__ = ["BATCH_BYTES", "Plan", "plan"]

BATCH_BYTES = 2 << 30  # of images solved together at most: more is no faster
KEPT = 2  # copies of every image and restart, and of their draws, that are held to the end
WORK = 12  # copies of an image that an evaluation holds besides what components say


@dataclass(frozen=True)
class Plan:
    """The images of a run and their shape, the tries of each, how many rows are solved together,
    the bytes that takes, and in words the most that a row is evaluated; a row is one restart of one
    image."""

    images: int
    shape: Shape
    tries: int
    together: int
    fixed: int
    per_image: int
    spends: str

    @property
    def bytes(self) -> int:
        """The most that is held at a time."""
        return self.fixed + self.together * self.per_image

    def __str__(self) -> str:
        rows = self.images * self.tries
        said = f"{counted(self.images, 'images')} of {dimensions(self.shape)}"
        said += f", {self.tries} tries of each" if self.tries > 1 else ""
        said += f", {self.together} at a time" if self.together < rows else ""
        said += f", {'each ' if rows > 1 else ''}in at most {self.spends}"
        return f"{said}: about {size(self.bytes)} of memory"


def plan(setup: Setup, images: int) -> Plan:
    """What a run of so many images takes. Raises BadInputError where it can't fit."""
    problem = setup.problem
    wide = 2 if setup.dtype == torch.float64 else 1
    fixed, per_image = (wide * count for count in setup.solver.memory(problem))
    fixed += wide * problem.operator.memory
    pixels, draws = math.prod(problem.shape), min(setup.solver.draws, setup.budget)
    numbers = problem.size + pixels + math.prod(problem.operator.y_shape)
    per_image += wide * (4 * WORK * numbers + _asked(problem))
    kept = numbers + (min(draws, SAMPLES) + 2) * pixels if draws else numbers
    # On the way twice as many are kept, and mean and square of all in float64.
    per_image += (wide * 4 * min(draws, 2 * SAMPLES) + 16) * pixels if draws else 0
    fixed += wide * 4 * KEPT * kept * images * setup.tries
    free = require_room(fixed + per_image, fixed, setup.device)
    room = min(BATCH_BYTES, (free - fixed) // 2)
    together = max(1, min(images * setup.tries, room // max(per_image, 1)))
    spends = counted(setup.budget, setup.solver.unit)
    spends += f", for {counted(draws, 'draws')}" if draws else ""
    return Plan(images, problem.shape, setup.tries, together, fixed, per_image, spends)


def _asked(problem: Problem) -> int:
    """Bytes per image of what is asked of the prior: the most that one call takes."""
    prior, calls = problem.prior, []
    if problem.decoder is prior:
        calls.append(prior.memory)
    elif isinstance(prior, Denoiser):
        calls.append(prior.denoising_memory)
    if isinstance(prior, Density) and Density in problem.penalty.requires and problem.gamma:
        calls.append(prior.density_memory)
    return max(calls, default=prior.memory)
