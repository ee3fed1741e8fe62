"""A run that is set up and measured, solved as its settings say, and what came back of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from priorkit.results.recovery import Recovery, RunError
from priorkit.run import run, weight
from priorkit.run.journal import Journal
from priorkit.run.memory import Plan
from priorkit.run.run import Progress, Solve
from priorkit.run.setup import Setup
from priorkit.verbs.average import average

__all__ = ["solved"]


def solved(
    setup: Setup,
    y: Tensor,
    truth: Tensor | None,
    names: list[str],
    progress: Progress | None,
    planned: Plan,
    journal: Journal | None = None,
    *,
    found: dict[str, Any] | None = None,
) -> Recovery:
    """The recovery of y (B, *y_shape): averaged where that was asked for, at the γ that follows
    from a rule where one was given; what such a rule ``found`` besides γ may be known already.

    Raises RunError where a component failed meanwhile; what was done is its ``recovery``.
    """
    solve: Solve = average if setup.averaging > 1 else run.solve
    if setup.by_rule:
        outcome = weight.search(solve, setup, y, truth, progress, planned, journal)
    else:
        outcome = replace(solve(setup, y, truth, progress, planned, journal), weight=found)
    recovery = Recovery.of(outcome, y, truth, names)
    if outcome.failure is not None:
        raise RunError(outcome.failure, recovery=recovery) from outcome.cut
    return recovery
