"""From settings to a recovery: simulate or take y, solve, score, and record."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
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
from priorkit.io.pictures import Pictures, astronaut, load

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
    progress : called with a :class:`~priorkit.interfaces.Snapshot` and the number of images
        done before this chunk, after each step; the memory that the run takes is logged
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
    return solve(setup, measured, truth, names, progress, planned)


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
    """Recover from y (B, *y_shape), a chunk of images at a time, with restarts."""
    started = time.perf_counter()
    log.info("Solving %s, each %s.", planned, "×".join(map(str, setup.problem.shape)))
    whole = setup.problem.at(y, truth)
    traces: list[Trace] = []
    attempts: list[Attempt] = []
    best: Part | None = None
    interrupted = False
    for restart in range(setup.restarts):
        again = replace(whole, restart=restart)
        u0 = setup.start.make(again)
        parts: list[Part] = []
        for first in range(0, len(y), planned.together):
            rows = torch.arange(first, min(first + planned.together, len(y)), device=y.device)
            problem = again.rows(rows)
            if interrupted:  # what follows Ctrl-C is left at its start
                parts.append(Part.unsolved(problem, u0[rows]))
                continue
            trace = Trace()
            traces.append(trace)

            def note(now: Snapshot, trace: Trace = trace, first: int = first) -> None:
                trace.append(now, time.perf_counter() - started)
                if progress is not None:
                    progress(now, first)

            found, interrupted = run(setup.solver, problem, u0[rows], setup.budget, watch=note)
            parts.append(Part.of(problem, found))
        now = joined(parts)
        psnr = score(now.x, truth).psnr
        attempts.append(Attempt(now.solution.value, now.solution.misfit, psnr))
        best = now if best is None else lower(best, now)
        if interrupted:
            break
    assert best is not None  # there is at least one attempt
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
