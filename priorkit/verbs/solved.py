"""A run that is set up and measured, solved as its settings say, and what came back of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from priorkit.results.recovery import Recovery, RunError
from priorkit.run import misfit, run, weight
from priorkit.run.run import Solve, Task
from priorkit.verbs.average import average

__all__ = ["solved"]


def solved(task: Task, *, found: dict[str, Any] | None = None, of: str = "") -> Recovery:
    """The recovery of y: averaged where that was asked for, at the γ that follows from a rule where
    one was given; what such a rule ``found`` besides γ may be known already. Warns where it is too
    far from y, or too near, see :func:`priorkit.run.misfit.question_misfit`: ``of`` says which it
    is, of several.

    Raises RunError where a component failed meanwhile; what was done is its ``recovery``.
    """
    solve: Solve = average if task.setup.averaging > 1 else run.solve
    if task.setup.by_rule:
        outcome = weight.search(solve, task)
    else:
        outcome = replace(solve(task), weight=found)
    recovery = Recovery(outcome, task)
    if outcome.failure is not None:
        raise RunError(outcome.failure, recovery=recovery) from outcome.cut
    if not recovery.interrupted:
        told = recovery.misfit, recovery.noise_misfit, recovery.explained
        misfit.question_misfit(*told, task.y, task.setup, of=of)
    return recovery
