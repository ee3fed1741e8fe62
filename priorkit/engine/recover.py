"""From settings to a recovery: simulate or take y, solve, score, and record."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priorkit.engine import record
from priorkit.engine.choose import choose
from priorkit.engine.config import RunConfig, from_file, merge, split
from priorkit.engine.given import GivenStart
from priorkit.engine.loop import solve as run
from priorkit.engine.measure import measurement, shape_of, simulate
from priorkit.engine.memory import Plan, plan
from priorkit.engine.parts import Part, joined, lower
from priorkit.engine.result import Attempt, Recovery, Trace, score
from priorkit.engine.setup import Setup, set_up
from priorkit.errors import BadInputError
from priorkit.interfaces import Prior, Shape, Snapshot
from priorkit.io import records
from priorkit.io.pictures import Pictures, astronaut, dimensions, load

__all__ = ["Progress", "load_framed", "path_of", "prepare", "recover", "replay", "solve"]

SAMPLE = (3, 64, 64)  # what the sample photograph is brought to where nothing else is said

Progress = Callable[[Snapshot, int], None]
log = logging.getLogger("priorkit")


def recover(
    x: Any = None,
    *,
    y: Any = None,
    config: str | os.PathLike[str] | dict[str, Any] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Recovery:
    """Recover images from measurements: min over u of ℓ(A(D(u)), y) + γ·R(u).

    Parameters
    ----------
    x : images to measure and recover, so that errors can be reported: a path, a folder, a
        PIL image, an array or a tensor in [0, 1] (see :func:`priorkit.io.pictures.load`).
        Without x and y, the sample photograph.
    y : real measurements instead, an array or a .npy file, (m,) or (B, m), or pictures for
        operators whose y is a picture
    config : settings from a TOML file or a dict; keywords given here go over it
    progress : called with a :class:`~priorkit.interfaces.Snapshot` and the number of rows
        done before this chunk, after each step; rows are the images, then the images again
        for each further restart. The memory that the run takes is logged
        before the first (logger "priorkit", level INFO)
    **settings : components ``prior``, ``op``, ``noise``, ``penalty``, ``solver``, ``start``,
        each a name, a path to weights, a table ``{"name": …}`` or an object; run-level settings
        ``shape``, ``space``, ``restarts``, ``sigma``, ``noise_norm``, ``gamma``,
        ``budget`` (evaluations per image), ``seed``, ``device``, ``precision``, ``resize``
        (crop and resize arrays too, as files are); and any
        option of a chosen component, such as ``m`` of the Gaussian operator

    Raises a :class:`~priorkit.errors.PriorkitError`, before any compute, for names, options,
    shapes or values that can't be used, and for a run that doesn't fit into memory.
    """
    layer = (
        from_file(Path(config)) if isinstance(config, (str, os.PathLike)) else dict(config or {})
    )
    both, extra = split(layer, settings)
    if x is None and y is None:  # what is given here goes over the config
        x, y = both.image, both.y
    if x is None and y is None:
        x = astronaut()
    both = both.model_copy(update={"image": path_of(x), "y": path_of(y)})
    if x is not None and y is not None:
        raise BadInputError(
            "Give pictures x to simulate measurements of, or measurements y, not both."
        )
    setup, pictures = prepare(x, y, both, extra)
    if pictures is not None:
        planned = plan(setup, len(pictures.x))
        truth = pictures.x.to(setup.device, setup.dtype)
        measured, names = simulate(setup, truth), pictures.names
    else:
        truth, measured = None, measurement(y, setup)
        names = [f"{i:04d}" for i in range(len(measured))] if len(measured) > 1 else ["image"]
        planned = plan(setup, len(measured))
    recovery = solve(setup, measured, truth, names, progress, planned)
    if pictures is not None and pictures.skipped:
        recovery.skipped = recovery.record["skipped"] = pictures.skipped
    return recovery


def replay(folder: str | os.PathLike[str], *, progress: Progress | None = None) -> Recovery:
    """Repeat a saved run from its record and its stored measurements.

    Raises BadInputError where the folder holds no run, or one made with objects that have no
    name, and WeightsError where the weights are no longer the ones that were used.
    """
    saved = records.read(Path(folder))
    config = merge(saved.config)
    setup, _ = prepare(None, saved.y, config, {}, real=saved.truth is None)
    record.check_inputs(saved, setup)
    truth = (
        None if saved.truth is None else torch.from_numpy(saved.truth).to(setup.device, setup.dtype)
    )
    y = measurement(saved.y, setup)
    return solve(setup, y, truth, saved.names, progress, plan(setup, len(y)))


def prepare(
    x: Any, y: Any, config: RunConfig, extra: dict[str, Any], *, real: bool = True
) -> tuple[Setup, Pictures | None]:
    """Everything that can be refused before compute; images come back framed."""
    chosen = choose(config, extra)
    prior: Prior = chosen.selections["prior"].build(config.seed)
    fixed = prior.shape or config.shape
    if y is not None:
        return set_up(chosen, fixed or shape_of(y), real=real), None
    pictures = load_framed(x, fixed, resize=config.resize)
    return set_up(chosen, tuple(pictures.x.shape[1:]), real=False), pictures


def load_framed(x: Any, shape: Shape | None, *, resize: bool = False) -> Pictures:
    """Images brought to ``shape``; the sample photograph has a size of its own."""
    natural = SAMPLE if path_of(x) == path_of(astronaut()) else None
    return load(x, shape or natural, resize=resize)


def path_of(source: Any) -> str | None:
    """Where the input came from, for the record; None for what was in memory."""
    return os.path.abspath(source) if isinstance(source, (str, os.PathLike)) else None


def solve(
    setup: Setup,
    y: Tensor,
    truth: Tensor | None,
    names: list[str],
    progress: Progress | None,
    planned: Plan,
) -> Recovery:
    """Recover from y (B, *y_shape): all restarts of all images in one batch, cut into chunks."""
    started = time.perf_counter()
    log.info("Solving %s, each %s.", planned, dimensions(setup.problem.shape))
    b = len(y)
    images = torch.arange(b, device=y.device).repeat(setup.restarts)
    restarts = [lane // b for lane in range(len(images))]
    tiled = None if truth is None else truth[images]
    whole = setup.problem.at(y[images], tiled, images.tolist(), restarts)
    u0 = setup.start.make(whole)
    traces: list[Trace] = []
    parts: list[Part] = []
    interrupted = False
    for first in range(0, len(images), planned.together):
        rows = torch.arange(first, min(first + planned.together, len(images)), device=y.device)
        problem = whole.rows(rows)
        if interrupted:  # what follows Ctrl-C is left at its start
            parts.append(Part.unsolved(problem, u0[rows]))
            continue
        watch = _Watch(restarts[first : first + len(rows)], first, started, progress)
        traces += watch.traces.values()
        found, interrupted = run(setup.solver, problem, u0[rows], setup.budget, watch=watch)
        parts.append(Part.of(problem, found))
    lanes = joined(parts)
    tries = [lanes.rows(slice(r * b, (r + 1) * b)) for r in range(setup.restarts)]
    if interrupted:  # a restart that never began says nothing
        tries = [p for i, p in enumerate(tries) if not i or any(p.solution.evaluations)]
    best = tries[0]
    for other in tries[1:]:
        best = lower(best, other)
    attempts = [Attempt(p.solution.value, p.solution.misfit, score(p.x, truth).psnr) for p in tries]
    found = best.solution
    recovery = Recovery(
        x=best.x,
        z=found.u if setup.problem.space == "latent" else None,
        y=y,
        operator=setup.problem.operator,
        status=found.status,
        reason=found.reason,
        names=names,
        truth=truth,
        scores=score(best.x, truth),
        evaluations=found.evaluations,
        objective=found.value,
        misfit=found.misfit,
        seconds=time.perf_counter() - started,
        trace=traces,
        attempts=attempts,
        start=setup.start.value if isinstance(setup.start, GivenStart) else None,
        record={},
        draws=found.draws,
        interrupted=interrupted,
    )
    recovery.record = record.make(setup, recovery)
    return recovery


class _Watch:
    """What is noted of a chunk at every step: a trace per restart, and the user's progress."""

    def __init__(
        self, restarts: list[int], first: int, started: float, progress: Progress | None
    ) -> None:
        self.traces = {restart: Trace() for restart in restarts}
        self.rows = {r: [i for i, own in enumerate(restarts) if own == r] for r in self.traces}
        self.first, self.started, self.progress = first, started, progress

    def __call__(self, now: Snapshot) -> None:
        seconds = time.perf_counter() - self.started
        kept = (now.evaluations, now.objective, now.misfit, now.u.norm(dim=1))
        for restart, trace in self.traces.items():
            evaluations, objective, misfit, norm = (v[self.rows[restart]] for v in kept)
            trace.append(evaluations, objective, misfit, norm, seconds)
        if self.progress is not None:
            self.progress(now, self.first)
