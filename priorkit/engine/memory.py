"""How much memory a run takes, and how many images are solved together."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from priorkit.engine.setup import Setup
from priorkit.errors import BadInputError

__all__ = ["BATCH_BYTES", "Plan", "available", "plan"]

BATCH_BYTES = 2 << 30  # of images solved together at most: more is no faster
KEPT = 2  # copies of every image and restart that are held to the end
WORK = 12  # copies of an image that an evaluation holds besides what components say


@dataclass(frozen=True)
class Plan:
    """The images of a run, the tries of each, how many rows are solved together, and the bytes
    that takes; a row is one restart of one image."""

    images: int
    tries: int
    together: int
    fixed: int
    per_image: int

    @property
    def bytes(self) -> int:
        """The most that is held at a time."""
        return self.fixed + self.together * self.per_image

    def __str__(self) -> str:
        count = f"{self.images} image{'s' if self.images > 1 else ''}"
        count += f", {self.tries} tries of each" if self.tries > 1 else ""
        split = self.together < self.images * self.tries
        count += f", {self.together} at a time" if split else ""
        return f"{count}: about {size(self.bytes)} of memory"


def plan(setup: Setup, images: int) -> Plan:
    """What a run of so many images takes. Raises BadInputError where it can't fit."""
    problem = setup.problem
    wide = 2 if setup.dtype == torch.float64 else 1
    fixed, per_image = (wide * count for count in setup.solver.memory(problem))
    fixed += wide * problem.operator.memory
    numbers = problem.size + math.prod(problem.shape) + math.prod(problem.operator.y_shape)
    per_image += wide * (4 * WORK * numbers + problem.prior.memory)
    fixed += wide * 4 * KEPT * numbers * images * setup.tries
    free = available(setup.device)
    if fixed + per_image > free:
        holds = f", {size(fixed)} of it matrices" if fixed > per_image else ""
        raise BadInputError(
            "This run doesn't fit into memory.",
            got=f"{size(fixed + per_image)} for one image{holds}; {size(free)} are free",
            try_="a smaller picture or fewer measurements, a smaller history of the solver, "
            "or an operator that stores no matrix",
        )
    room = min(BATCH_BYTES, (free - fixed) // 2)
    together = max(1, min(images * setup.tries, room // max(per_image, 1)))
    return Plan(images, setup.tries, together, fixed, per_image)


def available(device: torch.device) -> int:
    """Bytes that can still be taken on a device: of the machine, or of this container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [_meminfo(), _cgroup()]
    known = [value for value in found if value is not None]
    if known:
        return min(known)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 << 30


def size(count: float) -> str:
    """Bytes as people write them.

    >>> size(3 << 30)
    '3.0 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None


def _cgroup() -> int | None:
    """What is left of the limit of a container (cgroup v2), or None."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None
