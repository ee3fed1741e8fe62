"""The mean of several solves of one measurement, which is nearer to the truth than most of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import MismatchError
from priorkit.interfaces import Draws, IdentityOperator, Mirror, Problem, Snapshot, Start
from priorkit.interfaces.draws import pooled
from priorkit.run import run
from priorkit.run.fit import misfits
from priorkit.run.rows import Row
from priorkit.run.run import Outcome, Progress, Task
from priorkit.run.setup import Setup
from priorkit.settings.given import GivenStart

__all__ = ["average"]

# Standard deviation of what moves a start: of latents, whose own is 1, and of pixels.
APART = {"latent": 0.2, "pixel": 0.02}


def average(task: Task) -> Outcome:
    """As :func:`priorkit.run.run.solve`: ``setup.averaging`` tries of each image, and their mean;
    of a sampler the draws of all, and the mean of these.

    Of pictures every second try is of the mirrored picture x', left and right exchanged, from the
    same y: with M the mirror, y = A M x', and what is found is turned back. A prior that isn't
    symmetric errs differently there. Where A is the identity, y is turned in its place: M y is x'
    with noise, as y is x with noise, so that what requires the identity serves too. From the third
    on (the second of what is no picture), tries begin at starts that are moved apart.

    Raises MismatchError where a start was given, or the solver can't do with A M.
    """
    setup, b = task.setup, len(task.y)
    if isinstance(setup.start, GivenStart):
        raise MismatchError(
            "averaging makes starts of its own, and one was given.", ways=[{"averaging": 1}]
        )
    tries, mirrors = range(setup.averaging), setup.kind.has_pixels
    own = 2 if mirrors else 1
    moved = replace(setup, start=_Moved(setup.start, own))
    turns = mirrors and isinstance(setup.problem.operator, IdentityOperator)
    mirrored = replace(moved, problem=_mirrored(setup)) if mirrors and not turns else moved
    found = [run.solve(replace(task, setup=moved, restarts=tries[::own]))]
    if mirrors and found[0].cut is None:
        turned = replace(
            task,
            setup=mirrored,
            y=task.y.flip(-1) if turns else task.y,
            truth=None if task.truth is None else task.truth.flip(-1),
            progress=None if task.progress is None else _turning(task.progress, len(found[0].rows)),
            restarts=tries[1::2],
            level=logging.DEBUG,  # it was said of all tries
        )
        found.append(run.solve(turned))
        for row in found[1].rows:
            row.x, row.draws = row.x.flip(-1), row.draws and row.draws.flip()
    rows = [row for outcome in found for row in outcome.rows]
    rows.sort(key=lambda row: (row.trace.restart, row.trace.image))
    by_try = [rows[i : i + b] for i in range(0, len(rows), b)]
    cut = found[-1].cut
    best = _means(setup, task.y, by_try, 0 if cut is None else setup.budget)
    return Outcome(setup, best, rows, sum(o.seconds for o in found), cut)


def _mirrored(setup: Setup) -> Problem:
    problem = setup.problem
    operator = (problem.operator @ Mirror()).bind(problem.shape)
    mirrored = replace(problem, operator=operator)
    if said := misfits(setup.selections, mirrored, setup.solver):
        raise MismatchError(
            f"averaging measures pictures in a mirror too, and {said}.", ways=[{"averaging": 1}]
        )
    return mirrored


def _turning(progress: Progress, done: int) -> Progress:
    """Progress of the mirrored pictures, turned back; ``done`` rows came before."""

    def turned(now: Snapshot, count: int) -> None:
        progress(now._replace(image=lambda: now.image().flip(-1)), done + count)

    return turned


class _Moved(Start):
    """A start, moved by noise from the try number ``own`` on."""

    def __init__(self, start: Start, own: int) -> None:
        self.start, self.own = start, own

    def make(self, problem: Problem) -> Tensor:
        u0 = self.start.make(problem)
        which = torch.tensor([r >= self.own for r in problem.restarts], device=u0.device)
        noise = problem.streams("averaging").normal(problem.size).to(u0)
        return torch.where(which[:, None], u0 + APART[problem.space] * noise, u0)


def _means(setup: Setup, y: Tensor, tries: Sequence[Sequence[Row]], enough: int) -> list[Row]:
    """Per image the mean of its tries, with its own misfit, the u of the first try, and the status
    of the first that hasn't converged. A further try that was stopped before it had ``enough``
    evaluations is left out; what it has drawn isn't."""
    problem, kind = setup.problem.at(y), setup.kind
    found = []
    for each in zip(*tries, strict=True):
        further = (r for r in each[1:] if r.status != "stopped" or r.evaluations >= enough)
        kept = [each[0], *further]
        worst = next((row for row in each if row.status != "converged"), each[0])
        drawn = [row.draws for row in each if row.draws is not None]
        draws = pooled(drawn) if drawn else None
        if draws is None:
            x, outside = torch.stack([row.x for row in kept]).mean(0), max(r.outside for r in kept)
        else:
            x = kind.reported(draws.mean, clip=problem.simulated)[0]
            outside = int(kind.outside(draws.mean)[0])
        mean = replace(
            each[0],
            x=x,
            value=sum(row.value for row in kept) / len(kept),
            expected=float("nan"),  # of a mean: less than of its parts
            outside=outside,
            status=worst.status,
            reason=_reason(worst, draws),
            evaluations=sum(row.evaluations for row in each),
            draws=draws,
        )
        found.append(mean)
    with torch.no_grad():
        Ax = problem.operator.A(torch.stack([row.x for row in found]))
        misfits, alone = problem.noise.misfit(Ax, problem.y)[0], problem.noise.expected_misfit(Ax)
        for row, misfit, of_noise in zip(found, misfits, alone, strict=True):
            row.misfit, row.noise_misfit = float(misfit), float(of_noise)
    return found


def _reason(worst: Row, draws: Draws | None) -> str:
    """That of the worst try; where all have made their draws, how many these are together."""
    if draws is None or worst.status != "converged":
        return worst.reason
    return counted(int(draws.count[0]), "draws")
