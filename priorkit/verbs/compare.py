"""Several priors on one measurement: who wins, at equal settings and at equal wall time."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch

from priorkit.errors import BadInputError, PriorkitError
from priorkit.io.folders import gives_way
from priorkit.io.pictures import astronaut, raw_from
from priorkit.io.places import Pick, picked
from priorkit.results import record
from priorkit.results.comparison import Comparison
from priorkit.results.contender import Contender
from priorkit.results.recovery import RunError
from priorkit.run.journal import Journal, opened
from priorkit.run.memory import Plan
from priorkit.run.run import Task
from priorkit.run.setup import Setup
from priorkit.settings.called import called_as
from priorkit.settings.config import RunConfig, split
from priorkit.settings.keywords import Shared
from priorkit.settings.options import plain
from priorkit.settings.selections import Selections
from priorkit.settings.words import is_number
from priorkit.verbs.bars import of_labels
from priorkit.verbs.contest import Entries, common_shape, contestants, entries_of, set_up_all
from priorkit.verbs.evidence import Evidence, Measured, Simulated
from priorkit.verbs.prepare import load_framed, require_one_source
from priorkit.verbs.solved import solved
from priorkit.verbs.watch import Progress, Watch

__all__ = ["compare"]


@called_as('priorkit.compare("face.png", priors=["dct", "wavelet"], op="gaussian", m=500)')
def compare(
    x: Any = None,
    *,
    priors: Sequence[Any],
    y: Any = None,
    op: Any = None,
    ms: Sequence[int] | None = None,
    seconds: float | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **settings: Unpack[Shared],
) -> Comparison:
    """Recover the same measurements with several priors.

    Images are read, weights loaded and operators made once, before any clock starts.

    Parameters
    ----------
    x : images, as for :func:`priorkit.recover`; without x and y, the sample photograph
    priors : each a name, a path to weights, an object, or a table of settings of its own with
        at least "prior", such as ``{"prior": "glow-celeba", "penalty": "l2", "gamma": 0.1,
        "label": "Glow, penalised"}``; none of them may change the measurement
    y : real measurements instead, as for :func:`priorkit.recover`. Nobody knows an error then: the
        table has the misfit and what noise alone would give, and what is shown is how far the
        recoveries are apart
    op : the operator, the same for all
    ms : numbers of measurements, each a comparison of its own
    seconds : the wall time T at which all are compared too; default: when the slowest was done
    out : folder to save the comparison to, see :meth:`Comparison.save`; until then every row of
        the table is kept in ``OUT.unfinished`` beside it as it is finished
    resume : go on with a comparison that was cut short. Rows that are finished aren't run again;
        one that was cut begins anew, so that its clock is right
    progress : instead of the bar that a notebook shows; called with the label, a Snapshot and
        the number of images done before
    **settings : of the measurement and the run: ``sigma``, ``seed``, ``mask``, ``shape`` …

    A prior that can't do the problem, or that fails, has a row with the reason. Raises
    UnknownNameError before any compute for a name that nobody registered, and a
    PriorkitError where no prior can, where the images or the measurements can't be read, and for an
    ``out`` as :func:`priorkit.recover`. After Ctrl-C, what is done is kept.
    """
    tables = contestants(priors)
    ms, seconds = plain(ms), plain(seconds)
    if ms is not None and not (isinstance(ms, list) and ms):
        raise BadInputError(
            "ms is a list of numbers of measurements.", got=ms, try_="ms=[100, 500]"
        )
    counts: list[int | None] = [None] if ms is None else list(ms)
    if seconds is not None and not (is_number(seconds) and 0 < seconds < math.inf):
        raise BadInputError("seconds is a wall time above 0.", got=repr(seconds), try_="seconds=10")
    said = split(settings)[0]
    x = said.image if x is None and y is None else x
    require_one_source(x, y, said)
    if y is not None:
        _require_measured(ms, seconds)
    entries = entries_of(tables, counts, {"op": op, **settings})
    with opened(out, resume=resume, inputs=[x, y, tables, op, settings]) as journal:
        evidence = _evidence(x, y, entries, settings, said)
        problems = set_up_all(entries, evidence)
        if journal is not None:
            journal.agree(_identity(entries, problems, evidence))
        with of_labels(progress) as told:
            interrupted = _run(problems, evidence, told, journal)
        rows = [row for row, _ in entries]
        equal = {} if y is not None else {m: seconds or _slowest(rows, m) for m in counts}
        found = Comparison(rows, evidence.x, evidence.names, equal, interrupted, evidence.skipped)
        if journal is not None and out is not None:
            if gives_way(Path(out), cut=found.interrupted):
                found.save(out)
            if not found.interrupted:
                journal.clear()
        return found


def _require_measured(ms: list[int] | None, seconds: float | None) -> None:
    """Raise BadInputError for what is said of a y and is about images x."""
    if ms is not None:
        raise BadInputError(
            "ms are numbers of measurements to simulate, and y has been measured.",
            got=f"ms={ms}",
            try_="a comparison for each y",
        )
    if seconds is not None:
        raise BadInputError(
            "seconds is when PSNRs are compared, and of a y nobody knows them.", try_="no seconds"
        )


def _evidence(
    x: Any, y: Any, entries: Entries, settings: Mapping[str, Any], said: RunConfig
) -> Evidence:
    """What all are given, read from where it is."""
    pick = Pick(said.dataset, said.slice)
    if y is None:
        x = picked(astronaut() if x is None else x, pick)
        return Simulated(load_framed(x, common_shape(entries, settings), said))
    chosen = [each for _, each in entries if isinstance(each, Selections)]
    if not chosen:
        raise next(each for _, each in entries if isinstance(each, PriorkitError))
    given = raw_from(picked(y, pick), "The measurement y", kind=said.kind, shape=said.shape)
    return Measured(given, chosen, said)


def _run(
    problems: list[tuple[Contender, Setup, Plan]],
    evidence: Evidence,
    progress: Progress | None,
    journal: Journal | None,
) -> bool:
    """Fill in the rows; whether Ctrl-C cut them short."""
    interrupted = False
    for number, (row, setup, planned) in enumerate(problems):
        if interrupted:
            row.reason = "not run: interrupted"
            continue
        own = None if journal is None else Journal(journal.folder / f"{number:03d}")
        before = None if own is None else own.noted("finished")
        if own is not None and before is None:
            own.clear()
        truth = evidence.truth(setup)
        watch = Watch(row, setup, truth, len(evidence.names), None if before else progress)
        try:
            y = evidence.y(row.m, setup)
            if before is None:
                _warm(setup)
                watch.start()
            task = Task(setup, y, truth, evidence.names, planned, watch, own)
            task = replace(task, sources=evidence.sources, given=evidence.given(y, setup))
            row.recovery = solved(task, of=row.label)
        except PriorkitError as error:
            row.reason = str(error)
            row.recovery = error.recovery if isinstance(error, RunError) else None
            continue
        watch.finish(row.recovery, before)
        interrupted = row.interrupted
        if own is not None and not interrupted:
            own.note("finished", watch.noted())
    return interrupted


def _slowest(rows: list[Contender], m: int | None) -> float:
    return max((r.seconds for r in rows if r.m == m and r.recovery), default=math.nan)


def _identity(
    entries: Entries,
    problems: list[tuple[Contender, Setup, Plan]],
    evidence: Evidence,
) -> dict[str, Any]:
    """What must be the same for a comparison to go on."""
    setups = {id(row): setup for row, setup, _ in problems}
    rows = {}
    for row, _ in entries:
        setup = setups.get(id(row))
        chosen = None if setup is None else setup.settings() | record.provenance(setup)
        rows[f"{row.label}, m = {row.m}"] = chosen
    return rows | evidence.identity()


def _warm(setup: Setup) -> None:
    """One product each way, so that no contestant's clock has the operator's creation on it."""
    operator = setup.problem.operator
    x = torch.zeros(1, *setup.problem.shape, device=setup.device, dtype=setup.dtype)
    operator.vjp(x, operator.A(x))
