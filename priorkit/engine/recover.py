"""From a problem to a recovery: simulate or take y, solve, measure, and record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priorkit import metrics, records
from priorkit.config import RunConfig, from_file, merge
from priorkit.errors import BadInputError
from priorkit.given import GivenStart
from priorkit.interfaces import (
    Evaluation,
    Operator,
    Prior,
    Snapshot,
    Solution,
    Solver,
    Status,
)
from priorkit.measure import measurement, shape_of, simulate
from priorkit.pictures import Pictures, astronaut, load, to_pil
from priorkit.problem import Problem, Setup, choose, set_up

__all__ = ["Attempt", "Recovery", "Trace", "prepare", "recover", "replay", "solve"]

CHUNK = 32  # images solved together; results don't depend on it
SAMPLE = (3, 64, 64)  # what the sample photograph is brought to where nothing else is said


@dataclass
class Trace:
    """What happened, a row per round of evaluations: arrays (rounds, B), seconds (rounds,)."""

    evaluations: list[list[int]] = field(default_factory=list)
    objective: list[list[float]] = field(default_factory=list)
    misfit: list[list[float]] = field(default_factory=list)
    norm: list[list[float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def append(self, now: Snapshot, seconds: float) -> None:
        self.evaluations.append(now.evaluations.tolist())
        self.objective.append(now.objective.tolist())
        self.misfit.append(now.misfit.tolist())
        self.norm.append(now.u.norm(dim=1).tolist())
        self.seconds.append(seconds)


@dataclass(frozen=True)
class Attempt:
    """One restart: objective and misfit at its end, and PSNR where it is known, each (B,)."""

    objective: Tensor
    misfit: Tensor
    psnr: Tensor | None


@dataclass
class Recovery:
    """What came back.

    Attributes
    ----------
    x : images (B, C, H, W) in [0, 1]
    z : latents (B, k) in latent space, else None
    y : measurements (B, …)
    operator : the operator, bound to the shape of the images
    status : per image "converged", "stopped" (by the budget or Ctrl-C) or "diverged"
    truth : the pictures that were measured, where they are known
    psnr, ssim, error : per image (B,), None without a truth; the first two for pictures only
    mean_psnr : the mean of PSNR over the restarts, where psnr is that of the best
    evaluations : of the objective, per image
    objective, misfit : per image at the end (misfit = ‖A x̂ − y‖² before x̂ is clipped)
    attempts : an :class:`Attempt` per restart; x is, per image, that of the lowest objective
    start : the user's own start, where one was given
    trace : one :class:`Trace` per chunk of images and restart
    record : everything needed to repeat the run
    """

    x: Tensor
    z: Tensor | None
    y: Tensor
    operator: Operator
    status: list[Status]
    names: list[str]
    truth: Tensor | None
    evaluations: list[int]
    objective: Tensor
    misfit: Tensor
    seconds: float
    trace: list[Trace]
    attempts: list[Attempt]
    start: Tensor | None
    record: dict[str, Any]
    interrupted: bool = False

    @property
    def psnr(self) -> Tensor | None:
        """Peak signal-to-noise ratio per image in dB."""
        return _if_pictures(metrics.psnr, self.x, self.truth)

    @property
    def mean_psnr(self) -> Tensor | None:
        """PSNR per image, the mean over restarts: the paper's number for its DCGAN."""
        values = [attempt.psnr for attempt in self.attempts if attempt.psnr is not None]
        return torch.stack(values).mean(0) if values else None

    @property
    def ssim(self) -> Tensor | None:
        """Structural similarity per image."""
        return _if_pictures(metrics.ssim, self.x, self.truth)

    @property
    def error(self) -> Tensor | None:
        """(1/n)‖x − x̂‖² per image."""
        return None if self.truth is None else metrics.reconstruction_error(self.x, self.truth)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write images, a grid, the report, the config and the record into a folder."""
        from priorkit import report

        return report.save(self, Path(folder))

    def plot(self) -> Any:
        """A PIL image: one row per picture with truth, measurement, recovery, error."""
        from priorkit import report

        return report.grid(self)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write a self-contained HTML page."""
        from priorkit import report

        return report.write_html(self, Path(path))

    def image(self, i: int = 0) -> Any:
        """Recovered image ``i`` as a PIL image."""
        return to_pil(self.x[i])


def recover(
    x: Any = None,
    *,
    y: Any = None,
    config: str | os.PathLike[str] | dict[str, Any] | None = None,
    progress: Callable[[Snapshot, int], None] | None = None,
    **settings: Any,
) -> Recovery:
    """Recover images from measurements: min over u of ‖A(D(u)) − y‖² + γ·R(u).

    Parameters
    ----------
    x : pictures to measure and recover, so that errors can be reported: a path, a folder, a
        PIL image, an array or a tensor in [0, 1] (see :func:`priorkit.pictures.load`).
        Without x and y, the sample photograph.
    y : real measurements instead, an array or a .npy file, (m,) or (B, m), or pictures for
        operators whose y is a picture
    config : settings from a TOML file or a dict; keywords given here go over it
    progress : called with a :class:`~priorkit.interfaces.Snapshot` and the number of images
        done before this chunk, after each round of evaluations
    **settings : components ``prior``, ``op``, ``penalty``, ``solver``, ``start``, each a
        name, a path to weights, a table ``{"name": …}`` or an object; run-level settings
        ``shape``, ``space``, ``restarts``, ``sigma``, ``noise_norm``, ``gamma``,
        ``budget`` (evaluations per image), ``seed``, ``device``, ``precision``, ``resize``
        (crop and resize arrays too, as files are); and any
        option of a chosen component, such as ``m`` of the Gaussian operator

    Raises a :class:`~priorkit.errors.PriorkitError`, before any compute, for names, options,
    shapes or values that can't be used.
    """
    layer = (
        from_file(Path(config)) if isinstance(config, (str, os.PathLike)) else dict(config or {})
    )
    given = {k: v for k, v in settings.items() if v is not None}
    extra = {k: v for k, v in (layer | given).items() if k not in RunConfig.model_fields}
    both = merge(
        *({k: v for k, v in part.items() if k in RunConfig.model_fields} for part in (layer, given))
    )
    if x is None and y is None:  # what is given here goes over the config
        x, y = both.image, both.y
    if x is None and y is None:
        x = astronaut()
    both = both.model_copy(update={"image": _path_of(x), "y": _path_of(y)})
    if x is not None and y is not None:
        raise BadInputError(
            "Give pictures x to simulate measurements of, or measurements y, not both."
        )
    setup, pictures = prepare(x, y, both, extra)
    if pictures is not None:
        truth = pictures.x.to(setup.device, setup.dtype)
        measured, names = simulate(setup, truth), pictures.names
    else:
        truth, measured = None, measurement(y, setup)
        names = [f"{i:04d}" for i in range(len(measured))] if len(measured) > 1 else ["image"]
    return solve(setup, measured, truth, names, progress)


def replay(
    folder: str | os.PathLike[str], *, progress: Callable[[Snapshot, int], None] | None = None
) -> Recovery:
    """Repeat a saved run from its record and its stored measurements.

    Raises BadInputError where the folder holds no run, or one made with objects that have no
    name, and WeightsError where the weights are no longer the ones that were used.
    """
    saved = records.read(Path(folder))
    config = merge(saved.config)
    setup, _ = prepare(None, saved.y, config, {}, real=saved.truth is None)
    records.check_inputs(saved, setup)
    truth = (
        None if saved.truth is None else torch.from_numpy(saved.truth).to(setup.device, setup.dtype)
    )
    return solve(setup, measurement(saved.y, setup), truth, saved.names, progress)


def prepare(
    x: Any, y: Any, config: RunConfig, extra: dict[str, Any], *, real: bool = True
) -> tuple[Setup, Pictures | None]:
    """Everything that can be refused before compute; pictures come back framed."""
    chosen = choose(config, extra)
    prior: Prior = chosen.prior.build(config.seed)
    fixed = prior.shape or config.shape
    if y is not None:
        shape = fixed or shape_of(y)
        return set_up(chosen, shape, real=real), None
    natural = SAMPLE if _path_of(x) == _path_of(astronaut()) else None
    pictures = load(x, fixed or natural, resize=config.resize)
    return set_up(chosen, tuple(pictures.x.shape[1:]), real=False), pictures


def _path_of(source: Any) -> str | None:
    """Where the input came from, for the record; None for what was in memory."""
    return os.path.abspath(source) if isinstance(source, (str, os.PathLike)) else None


def solve(
    setup: Setup,
    y: Tensor,
    truth: Tensor | None,
    names: list[str],
    progress: Callable[[Snapshot, int], None] | None,
) -> Recovery:
    """Recover from y (B, *y_shape), ``CHUNK`` images at a time, with restarts."""
    started = time.perf_counter()
    whole = setup.problem(y, truth)
    traces: list[Trace] = []
    solution: Solution | None = None
    attempts: list[Attempt] = []
    interrupted = False
    for attempt in range(setup.restarts):
        u0 = setup.start.make(whole, len(y), setup.config.seed + 7919 * attempt)
        parts: list[Solution] = []
        for first in range(0, len(y), CHUNK):
            rows = slice(first, first + CHUNK)
            problem = setup.problem(y[rows], None if truth is None else truth[rows])
            if interrupted:  # what follows Ctrl-C is left at its start
                parts.append(_Best(problem, u0[rows]).solution())
                continue
            trace = Trace()
            traces.append(trace)

            def note(now: Snapshot, trace: Trace = trace, first: int = first) -> None:
                trace.append(now, time.perf_counter() - started)
                if progress is not None:
                    progress(now, first)

            part, interrupted = _run(setup.solver, problem, u0[rows], setup, note)
            parts.append(part)
        now = _joined(parts)
        x = _image(whole, now.u)
        attempts.append(Attempt(now.value, now.misfit, _if_pictures(metrics.psnr, x, truth)))
        solution = now if solution is None else _lower(solution, now)
        if interrupted:
            break
    assert solution is not None  # there is at least one attempt
    u = solution.u
    x = _image(whole, u)
    recovery = Recovery(
        x=x,
        z=u if setup.space == "latent" else None,
        y=y,
        operator=setup.operator,
        status=solution.status,
        names=names,
        truth=truth,
        evaluations=solution.evaluations,
        objective=solution.value,
        misfit=solution.misfit,
        seconds=time.perf_counter() - started,
        trace=traces,
        attempts=attempts,
        start=setup.start.value if isinstance(setup.start, GivenStart) else None,
        record={},
        interrupted=interrupted,
    )
    recovery.record = records.make(setup, recovery)
    return recovery


def _image(problem: Problem, u: Tensor) -> Tensor:
    """x̂ of all rows of u: pictures within [0, 1], vectors wherever they are."""
    with torch.no_grad():
        chunks = [problem.image(u[i : i + CHUNK]) for i in range(0, len(u), CHUNK)]
    x = torch.cat(chunks)
    return x.nan_to_num(0.5).clamp(0, 1) if x.ndim == 4 else x.nan_to_num(0.0)


def _if_pictures(
    metric: Callable[[Tensor, Tensor], Tensor], x: Tensor, truth: Tensor | None
) -> Tensor | None:
    return None if truth is None or x.ndim != 4 else metric(x, truth)


def _joined(parts: list[Solution]) -> Solution:
    """One solution of all chunks."""
    return Solution(
        u=torch.cat([part.u for part in parts]),
        value=torch.cat([part.value for part in parts]),
        misfit=torch.cat([part.misfit for part in parts]),
        status=[status for part in parts for status in part.status],
        evaluations=[count for part in parts for count in part.evaluations],
    )


def _run(
    solver: Solver,
    problem: Problem,
    u0: Tensor,
    setup: Setup,
    note: Callable[[Snapshot], None],
) -> tuple[Solution, bool]:
    best = _Best(problem, u0)
    generator = torch.Generator().manual_seed(setup.config.seed)

    def seen(now: Snapshot) -> None:
        best.see(now)
        note(now)

    try:
        solution = solver.solve(best, u0, budget=setup.budget, generator=generator, callback=seen)
    except KeyboardInterrupt:
        return best.solution(), True
    lost = ~torch.isfinite(solution.value)
    if bool(lost.any()):  # a solver that went astray keeps the best that it saw
        fallback = best.solution()
        solution.u[lost], solution.value[lost] = fallback.u[lost], fallback.value[lost]
        solution.misfit[lost] = fallback.misfit[lost]
    return solution, False


class _Best:
    """The problem, remembering per image the best finite point that was evaluated.

    Of a solver that doesn't ask for the objective, it remembers what the solver last reported.
    """

    def __init__(self, problem: Problem, u0: Tensor) -> None:
        self.problem = problem
        self.u = u0.clone()
        self.value = torch.full((len(u0),), torch.inf, dtype=torch.float64, device=u0.device)
        self.misfit = self.value.clone()
        self.reported: tuple[Snapshot, Tensor] | None = None
        self.count = torch.zeros(len(u0), dtype=torch.long, device=u0.device)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.problem, name)

    def value_grad(self, u: Tensor, index: Tensor | None = None) -> Evaluation:
        now = self.problem.value_grad(u, index)
        index = torch.arange(len(u), device=u.device) if index is None else index
        self.count[index] += 1
        better = now.value < self.value[index]
        rows = index[better]
        self.u[rows], self.value[rows] = u[better], now.value[better]
        self.misfit[rows] = now.misfit[better]
        return now

    def see(self, now: Snapshot) -> None:
        blind = self.value.isinf() & torch.isfinite(now.u).all(1)
        self.reported = (now, blind)

    def solution(self) -> Solution:
        if self.reported is not None:
            now, blind = self.reported
            self.u[blind] = now.u[blind]
            self.value[blind] = now.objective[blind].to(self.value)
            self.misfit[blind] = now.misfit[blind].to(self.misfit)
            self.count[blind] = now.evaluations[blind]
        return Solution(
            self.u, self.value, self.misfit, ["stopped"] * len(self.u), self.count.tolist()
        )


def _lower(a: Solution, b: Solution) -> Solution:
    """Per image the solution of the lower objective; evaluations add up."""
    better = b.value < a.value
    column = better[:, None]
    pairs = zip(better.tolist(), a.status, b.status, strict=True)
    return Solution(
        u=torch.where(column, b.u, a.u),
        value=torch.where(better, b.value, a.value),
        misfit=torch.where(better, b.misfit, a.misfit),
        status=[after if won else before for won, before, after in pairs],
        evaluations=[i + j for i, j in zip(a.evaluations, b.evaluations, strict=True)],
    )
