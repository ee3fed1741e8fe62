"""A saved run, repeated."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from priorkit.io import packages
from priorkit.io.arrays import numbers
from priorkit.io.saved import Saved, read
from priorkit.results import record
from priorkit.results.recovery import Recovery
from priorkit.run.measure import as_it_came, measurement
from priorkit.run.memory import plan
from priorkit.run.run import Progress, Task
from priorkit.settings.called import called_as
from priorkit.settings.config import split
from priorkit.verbs.bars import in_steps
from priorkit.verbs.prepare import prepare
from priorkit.verbs.solved import solved

__all__ = ["repeated", "replay"]


@called_as('priorkit.replay("priorkit-out")')
def replay(folder: str | os.PathLike[str], *, progress: Progress | None = None) -> Recovery:
    """Repeat a saved run from its record and its stored measurements.

    Of a run with a rule for γ, both the γ and what the rule said are those of the record.

    Raises BadInputError where the folder holds no run, or one made with objects that have no
    name, UnknownNameError for a component whose package isn't there, and WeightsError where the
    weights are no longer the ones that were used.
    """
    return repeated(read(Path(folder)), progress)


def repeated(saved: Saved, progress: Progress | None = None) -> Recovery:
    """A run that was read back, repeated, as :func:`replay`, which raises the same."""
    packages.check(saved.plugins)
    config, extra = split(saved.config)
    measured = numbers(saved.y, "The saved measurement")
    real = saved.truth is None
    setup, _ = prepare(
        None, measured, config, extra, real=real, estimated=saved.estimated, repeated=True
    )
    record.check_inputs(saved, setup)
    truth = None
    if saved.truth is not None:
        said = torch.from_numpy(saved.truth)
        truth = setup.units.range.inside(said).to(setup.device, setup.dtype)
    y = measurement(measured, setup)
    planned = plan(setup, len(y))
    with in_steps(progress, setup, len(y)) as told:
        given = as_it_came(measured, y, setup)
        task = Task(setup, y, truth, saved.names, planned, told, given=given)
        return solved(task, found=saved.weight or None)
