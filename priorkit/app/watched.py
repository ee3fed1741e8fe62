"""A run as it is seen on its way: a line about it, the iterate, and the misfit so far."""

from __future__ import annotations

import math
import time
from itertools import pairwise

from priorkit.draw.svg import Line, plot
from priorkit.draw.tiles import png, shrunk, tile
from priorkit.interfaces import Snapshot, kind_of
from priorkit.results.numbers import reached

__all__ = ["Watched"]

EVERY = 0.4  # seconds between two iterates that are drawn
SIDE = 384  # of one, in pixels
POINTS = 200  # of a curve; a longer one loses every second
LEAP = 0.7  # powers of ten
LEAST = 1e-12  # of a misfit whose logarithm is drawn


class Watched:
    """What a page shows of a run that is on; a run's progress calls it.

    ``version`` grows with every change, so that a page knows what it has. ``said`` is a line, and
    ``shown`` the iterate as a PNG,
    the one of that number of ``pictures``.

    Parameters
    ----------
    kind : the name of what images are, where the user says
    """

    def __init__(self, kind: str | None = None) -> None:
        self.kind = kind
        self.version = 0
        self.said = "setting up"
        self.shown: bytes | None = None
        self.pictures = 0
        self.course: dict[str, list[tuple[float, float]]] = {}
        self._every: dict[str, int] = {}  # of so many steps one is a point of its curve
        self._steps: dict[str, int] = {}
        self._last = 0.0

    @property
    def jumps(self) -> bool:
        """Whether a misfit leaps from one step to the next by so much that something begins
        anew."""
        courses = dict(self.course)
        return any(abs(b[1] - a[1]) > LEAP for line in courses.values() for a, b in pairwise(line))

    def say(self, said: str) -> None:
        """Another line."""
        self.said = said
        self.version += 1

    def __call__(self, now: Snapshot, done: int, label: str = "") -> None:
        """Note a step of the rows that follow ``done`` others, of what is called ``label``."""
        self.say(f"{label}: {reached(now)}" if label else reached(now))
        name = " ".join(filter(None, [label, f"row {done + 1}" if done else ""]))
        self._note(name, float(now.evaluations[0]), float(now.misfit[0]))
        moment = time.monotonic()
        if moment - self._last > EVERY:
            self._last = moment
            x = now.image()[0]
            kind = kind_of(tuple(x.shape), self.kind)
            small = shrunk(x, SIDE) if kind.has_pixels and x.ndim == 3 else x
            self.shown, self.pictures = png(tile(small, kind)), self.pictures + 1

    def curve(self) -> str:
        """log₁₀ of the misfit against evaluations as an SVG; "" before there are two points."""
        courses = dict(self.course)  # the run goes on meanwhile
        lines: list[Line] = [
            (name if len(courses) > 1 else "", line)
            for name, line in courses.items()
            if len(line) > 1
        ]
        return plot(lines, across="evaluations", up="misfit ℓ(A x, y)", powers=True)

    def _note(self, name: str, evaluations: float, misfit: float) -> None:
        line = self.course.get(name, [])
        step = self._steps[name] = self._steps.get(name, -1) + 1
        if not math.isfinite(misfit) or step % self._every.setdefault(name, 1):
            return
        line = [*line, (evaluations, math.log10(max(misfit, LEAST)))]
        if len(line) > POINTS:
            line, self._every[name] = line[::2], 2 * self._every[name]
        self.course[name] = line
