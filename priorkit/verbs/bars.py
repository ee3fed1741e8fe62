"""The bars that a notebook shows over a run, over several of one measurement, and over a study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from priorkit.draw.notebook import stepped
from priorkit.interfaces import Snapshot
from priorkit.run.run import Progress
from priorkit.run.setup import Setup

__all__ = ["in_steps", "of_labels", "of_pieces"]

Pieces: TypeAlias = Callable[[list[dict[str, Any]], int, int], None]


def in_steps(
    progress: Progress | None, setup: Setup, images: int
) -> AbstractContextManager[Progress | None]:
    """Over the evaluations of all rows, at most their budget each; a search for γ has several
    runs, of which nobody knows how many."""
    rows = images * setup.tries

    def reached(now: Snapshot, done: int) -> tuple[float, float | None, str]:
        spent = done * setup.budget + int(now.evaluations.sum())
        total = None if setup.by_rule else rows * setup.budget
        return spent, total, f"misfit {float(now.misfit.median()):.3g}"

    return stepped(progress, reached)


def of_labels(progress: Any) -> AbstractContextManager[Any]:
    """Over a comparison or an audit: who is running, and how far."""

    def reached(label: str, now: Snapshot, done: int) -> tuple[float, float | None, str]:
        return int(now.evaluations.max()), None, f"{label}, image {done + 1}"

    return stepped(progress, reached)


def of_pieces(progress: Pieces | None, name: str) -> AbstractContextManager[Pieces | None]:
    """Over the runs of a study, or the parts of a folder: how many have ended, which ``name``
    says what they are."""
    return stepped(progress, lambda _, done, total: (done, total, name))
