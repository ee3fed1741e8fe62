"""Several priors on one measurement: who wins, at equal settings and at equal wall time."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces import Snapshot
from priorkit.io.pictures import Pictures, astronaut
from priorkit.io.places import Pick, picked
from priorkit.results import record
from priorkit.results.comparison import Comparison
from priorkit.results.contender import Contender
from priorkit.results.recovery import Recovery, RunError
from priorkit.run.journal import Journal, digest, opened
from priorkit.run.measure import simulate
from priorkit.run.memory import Plan
from priorkit.run.run import Task
from priorkit.run.setup import Setup
from priorkit.settings.called import called_as
from priorkit.settings.config import split
from priorkit.settings.keywords import Shared
from priorkit.settings.options import plain
from priorkit.verbs.bars import of_labels
from priorkit.verbs.contest import Entries, common_shape, contestant, entries_of, set_up_all
from priorkit.verbs.prepare import load_framed
from priorkit.verbs.solved import solved

__all__ = ["compare"]

Progress = Callable[[str, Snapshot, int], None]


@called_as('priorkit.compare("face.png", priors=["dct", "wavelet"], op="gaussian", m=500)')
def compare(
    x: Any = None,
    *,
    priors: Sequence[Any],
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
    x : images, as for :func:`priorkit.recover`; default: the sample photograph
    priors : each a name, a path to weights, an object, or a table of settings of its own with
        at least "prior", such as ``{"prior": "glow-celeba", "penalty": "l2", "gamma": 0.1,
        "label": "Glow, penalised"}``; none of them may change the measurement
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

    A prior that can't do the problem, or that fails, has a row with the reason. Raises a
    PriorkitError where none can, or where the images can't be read, and for an ``out`` as
    :func:`priorkit.recover`. After Ctrl-C, what is done is kept.
    """
    if not priors:
        raise BadInputError("Name the priors to compare.", try_='priors=["glow-celeba", "dct"]')
    ms, seconds = plain(ms), plain(seconds)
    if ms is not None and not (isinstance(ms, list) and ms):
        raise BadInputError("ms is a list of numbers of measurements.", got=ms)
    counts: list[int | None] = [None] if ms is None else list(ms)
    contestants = [contestant(prior) for prior in priors]
    labels = [str(contestant["label"]) for contestant in contestants]
    if len(set(labels)) < len(labels):
        raise BadInputError(
            "Each contestant needs a label of its own.", got=", ".join(labels), try_='"label": …'
        )
    entries = entries_of(contestants, counts, {"op": op, **settings})
    x = astronaut() if x is None else x
    said = split(settings)[0]
    x = picked(x, Pick(said.dataset, said.slice))
    images = load_framed(x, common_shape(entries, settings), said)
    with opened(out, resume=resume, inputs=[x, priors, op, settings]) as journal:
        problems = set_up_all(entries, images)
        if journal is not None:
            journal.agree(_identity(entries, problems, images))
        with of_labels(progress) as told:
            interrupted = _run(problems, images, told, journal)
        rows = [row for row, _ in entries]
        equal = {m: seconds or _slowest(rows, m) for m in counts}
        found = Comparison(rows, images.x, images.names, equal, interrupted, images.skipped)
        if journal is not None and out is not None:
            found.save(out)
            if not found.interrupted:
                journal.clear()
        return found


def _run(
    problems: list[tuple[Contender, Setup, Plan]],
    images: Pictures,
    progress: Progress | None,
    journal: Journal | None,
) -> bool:
    """Fill in the rows; whether Ctrl-C cut them short."""
    measured: dict[int | None, Tensor] = {}
    interrupted = False
    for number, (row, setup, planned) in enumerate(problems):
        if interrupted:
            row.reason = "not run: interrupted"
            continue
        truth = images.x.to(setup.device, setup.dtype)
        own = None if journal is None else Journal(journal.folder / f"{number:03d}")
        before = None if own is None else own.noted("finished")
        if own is not None and before is None:
            own.clear()
        watch = _Watch(row, setup, truth, None if before else progress)
        try:
            if row.m not in measured:  # one A, one noise: the same for everyone
                measured[row.m] = simulate(setup, truth)
            y = measured[row.m]
            y = y.to(setup.device, setup.dtype.to_complex() if y.is_complex() else setup.dtype)
            if before is None:
                _warm(setup)
                watch.start()
            row.recovery = solved(Task(setup, y, truth, images.names, planned, watch, own))
        except PriorkitError as error:
            row.reason = str(error)
            row.recovery = error.recovery if isinstance(error, RunError) else None
            continue
        watch.finish(row.recovery, before)
        interrupted = row.interrupted
        if own is not None and not interrupted:
            own.note("finished", {"seconds": row.seconds, "course": row.course})
    return interrupted


def _slowest(rows: list[Contender], m: int | None) -> float:
    return max((r.seconds for r in rows if r.m == m and r.recovery), default=math.nan)


def _identity(
    entries: Entries,
    problems: list[tuple[Contender, Setup, Plan]],
    images: Pictures,
) -> dict[str, Any]:
    """What must be the same for a comparison to go on."""
    setups = {id(row): setup for row, setup, _ in problems}
    rows = {}
    for row, _ in entries:
        setup = setups.get(id(row))
        chosen = None if setup is None else setup.settings() | record.provenance(setup)
        rows[f"{row.label}, m = {row.m}"] = chosen
    return rows | {"images": digest(images.x), "names": images.names}


def _warm(setup: Setup) -> None:
    """One product each way, so that no contestant's clock has the operator's creation on it."""
    operator = setup.problem.operator
    x = torch.zeros(1, *setup.problem.shape, device=setup.device, dtype=setup.dtype)
    operator.vjp(x, operator.A(x))


class _Watch:
    """Notes the mean PSNR along the way, at times that grow by a tenth."""

    def __init__(
        self, row: Contender, setup: Setup, truth: Tensor, progress: Progress | None
    ) -> None:
        self.row, self.problem, self.truth, self.kind = row, setup.problem, truth, setup.kind
        self.averages = setup.averaging > 1
        self.progress = progress
        rows = setup.tries * len(truth)
        self.psnr, self.value = torch.zeros(rows), torch.full((rows,), math.inf)
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self.started, self.lost, self.next = time.perf_counter(), 0.0, 0.0

    def __call__(self, now: Snapshot, done: int) -> None:
        if self.progress is not None:
            self.progress(self.row.label, now, done)
        elapsed = time.perf_counter() - self.started - self.lost
        # A mean of solves is there when all of them are.
        if elapsed < self.next or not self.kind.has_pixels or self.averages:
            return
        rows = torch.arange(done, done + len(now.u))
        with torch.no_grad():
            x = self.kind.reported(self.problem.image(now.u), clip=True)
        psnr = self.kind.psnr(x, self.truth[rows % len(self.truth)])
        assert psnr is not None
        self.psnr[rows], self.value[rows] = psnr.cpu().float(), now.objective.cpu().float()
        value, best = self.value.view(-1, len(self.truth)).min(0)  # of the restarts
        if bool(torch.isfinite(value).all()):
            reached = self.psnr.view(-1, len(self.truth)).gather(0, best[None])
            self.row.course.append((elapsed, float(reached.mean())))
        self.next = 1.1 * elapsed
        self.lost += time.perf_counter() - self.started - self.lost - elapsed

    def finish(self, recovery: Recovery, before: dict[str, Any] | None) -> None:
        """Stop the clock, or take what it said when this row was finished ``before``."""
        if before is not None:
            self.row.seconds = float(before["seconds"])
            self.row.course = [(float(when), float(psnr)) for when, psnr in before["course"]]
            return
        self.row.seconds = time.perf_counter() - self.started - self.lost
        if recovery.psnr is not None:
            self.row.course.append((self.row.seconds, float(recovery.psnr.mean())))
