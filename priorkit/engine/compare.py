"""Several priors on one measurement: who wins, at equal settings and at equal wall time."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priorkit import metrics
from priorkit.components import resolve
from priorkit.config import RunConfig, merge
from priorkit.errors import BadInputError, PriorkitError
from priorkit.files import require_writable, write_atomic
from priorkit.interfaces import Prior, Shape, Snapshot
from priorkit.measure import simulate
from priorkit.pictures import astronaut
from priorkit.problem import Setup
from priorkit.recovery import SAMPLE, Recovery, prepare, solve

__all__ = ["Comparison", "Row", "compare"]


@dataclass
class Row:
    """One prior on one measurement; where it can't do the problem, ``reason`` says why.

    ``course`` are pairs (seconds, mean PSNR) along the way, the clock stopped for measuring.
    """

    label: str
    m: int | None
    recovery: Recovery | None = None
    reason: str | None = None
    seconds: float = math.nan
    course: list[tuple[float, float]] = field(default_factory=list)

    def psnr_at(self, seconds: float) -> float | None:
        """Mean PSNR that was reached after so much time; None before anything was."""
        reached = [psnr for when, psnr in self.course if when <= seconds]
        return reached[-1] if reached else None


@dataclass
class Comparison:
    """Rows in the order m, prior. All saw the same pictures, A and noise."""

    rows: list[Row]
    truth: Tensor
    names: list[str]
    seconds: dict[int | None, float]
    interrupted: bool = False

    def table(self) -> list[dict[str, Any]]:
        """A dict per row: means over the pictures, or the reason."""
        return [_summary(row, self.seconds.get(row.m)) for row in self.rows]

    def markdown(self) -> str:
        """The table as text. "PSNR at T" is what was reached when the fastest was done."""
        lines = [
            "| prior | m | PSNR | mean of restarts | SSIM | error | evaluations | seconds "
            "| PSNR at T | T |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for row in self.table():
            m = row["m"] or ""
            if "reason" in row:
                lines.append(f"| {row['prior']} | {m} | {row['reason']} | | | | | | | |")
                continue
            at = "" if row["psnr_at"] is None else f"{row['psnr_at']:.2f}"
            lines.append(
                f"| {row['prior']} | {m} | {row['psnr']:.2f} | {row['mean_psnr']:.2f} "
                f"| {row['ssim']:.3f} | {row['error']:.2e} | {row['evaluations']:.0f} "
                f"| {row['seconds']:.1f} | {at} | {row['equal_seconds']:.1f} |"
            )
        return "\n".join(lines)

    def plot(self) -> Any:
        """A PIL image: the truth, then a row of pictures per prior and m."""
        from priorkit import gallery

        return gallery.pictures(self)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write grid.png, curve.svg, report.html, results.json and each recovery's folder."""
        from priorkit import gallery

        folder = Path(folder)
        require_writable(folder)
        for row in self.rows:
            if row.recovery is not None:
                part = row.label if row.m is None else f"{row.label}-m{row.m}"
                row.recovery.save(folder / "".join(c if c.isalnum() else "-" for c in part))
        gallery.save(self, folder)
        write_atomic(folder / "results.json", json.dumps(self.table(), indent=2).encode())
        return folder


def compare(
    x: Any = None,
    *,
    priors: Sequence[Any],
    op: Any = "gaussian",
    ms: Sequence[int] | None = None,
    seconds: float | None = None,
    progress: Callable[[str, Snapshot, int], None] | None = None,
    **settings: Any,
) -> Comparison:
    """Recover the same measurements with several priors.

    Parameters
    ----------
    x : pictures, as for :func:`priorkit.recover`; default: the sample photograph
    priors : each a name, a path to weights, an object, or a table of settings of its own with
        at least "prior", such as ``{"prior": "glow-celeba", "penalty": "l2", "gamma": 0.1,
        "label": "Glow, penalised"}``
    op : the operator, the same for all
    ms : numbers of measurements, each a comparison of its own
    seconds : the wall time T at which all are compared too; default: when the fastest was done
    progress : called with the label, a Snapshot and the number of images done before
    **settings : of the measurement and the run: ``sigma``, ``seed``, ``mask``, ``shape`` …

    A prior that can't do the problem has a row with the reason. Raises a PriorkitError where
    none can, or where the pictures can't be read. After Ctrl-C, what is done is kept.
    """
    if not priors:
        raise BadInputError("Name the priors to compare.", try_='priors=["glow-celeba", "dct"]')
    if ms is not None and not ms:
        raise BadInputError("ms is a list of numbers of measurements.", got="an empty list")
    counts: list[int | None] = list(ms) if ms is not None else [None]
    contestants = [_contestant(prior) for prior in priors]
    labels = [str(contestant["label"]) for contestant in contestants]
    if len(set(labels)) < len(labels):
        raise BadInputError(
            "Each contestant needs a label of its own.", got=", ".join(labels), try_='"label": …'
        )
    x = astronaut() if x is None else x
    shape = _shape(contestants, settings, x)
    problems: list[tuple[Row, Setup]] = []
    rows: list[Row] = []
    errors: list[PriorkitError] = []
    pictures: Any = None
    for m in counts:  # everything that can be refused is refused before any compute
        for contestant in contestants:
            row = Row(str(contestant["label"]), m)
            rows.append(row)
            try:
                given = {"op": op, "shape": shape, **settings, **contestant}
                given |= {} if m is None else {"m": m}
                setup, loaded = _prepare(x, given)
            except PriorkitError as error:
                row.reason = str(error)
                errors.append(error)
                continue
            pictures = pictures or loaded
            problems.append((row, setup))
    if not problems:
        raise errors[0]
    measured: dict[int | None, Tensor] = {}
    interrupted = False
    for row, setup in problems:
        truth = pictures.x.to(setup.device, setup.dtype)
        if interrupted:
            row.reason = "not run: interrupted"
            continue
        if row.m not in measured:  # one A, one noise: the same for everyone
            measured[row.m] = simulate(setup, truth)
        y = measured[row.m].to(setup.device, setup.dtype)
        watch = _Watch(row, setup, y, truth, progress)
        row.recovery = solve(setup, y, truth, pictures.names, watch)
        watch.finish(row.recovery)
        interrupted = row.recovery.interrupted
    equal = {
        m: seconds
        or min((r.seconds for r in rows if r.m == m and r.recovery is not None), default=math.nan)
        for m in counts
    }
    return Comparison(rows, pictures.x, pictures.names, equal, interrupted)


class _Watch:
    """Notes the mean PSNR along the way, at times that grow by a tenth."""

    def __init__(
        self,
        row: Row,
        setup: Setup,
        y: Tensor,
        truth: Tensor,
        progress: Callable[[str, Snapshot, int], None] | None,
    ) -> None:
        self.row, self.problem, self.truth = row, setup.problem(y), truth
        self.progress = progress
        self.psnr = torch.full((len(truth),), math.nan)
        self.started, self.lost, self.next = time.perf_counter(), 0.0, 0.0

    def __call__(self, now: Snapshot, done: int) -> None:
        if self.progress is not None:
            self.progress(self.row.label, now, done)
        elapsed = time.perf_counter() - self.started - self.lost
        if elapsed < self.next or self.truth.ndim != 4:
            return
        rows = slice(done, done + len(now.u))
        with torch.no_grad():
            x = self.problem.image(now.u).nan_to_num(0.5).clamp(0, 1)
        self.psnr[rows] = metrics.psnr(x, self.truth[rows]).cpu().to(self.psnr)
        if bool(torch.isfinite(self.psnr).all()):
            self.row.course.append((elapsed, float(self.psnr.mean())))
        self.next = 1.1 * elapsed
        self.lost += time.perf_counter() - self.started - self.lost - elapsed

    def finish(self, recovery: Recovery) -> None:
        self.row.seconds = time.perf_counter() - self.started - self.lost
        if recovery.psnr is not None:
            self.row.course.append((self.row.seconds, float(recovery.psnr.mean())))


def _contestant(prior: Any) -> dict[str, Any]:
    if isinstance(prior, dict) and "prior" in prior:
        return {"label": _label(prior["prior"]), **prior}
    return {"prior": prior, "label": _label(prior)}


def _label(prior: Any) -> str:
    name = prior.get("name") if isinstance(prior, dict) else prior
    return Path(name).stem if isinstance(name, (str, Path)) else type(prior).__name__


def _shape(contestants: list[dict[str, Any]], settings: dict[str, Any], x: Any) -> Shape | None:
    """The shape of the first prior that has one, so that all see the same pictures."""
    if settings.get("shape") is not None:
        return tuple(settings["shape"])
    for contestant in contestants:
        try:
            prior: Prior = resolve("prior", contestant["prior"]).build(0)
        except PriorkitError:  # its row says why
            continue
        if prior.shape is not None:
            return prior.shape
    return SAMPLE if x == astronaut() else None


def _prepare(x: Any, given: dict[str, Any]) -> tuple[Setup, Any]:
    given = {k: v for k, v in given.items() if v is not None and k != "label"}
    known = {k: v for k, v in given.items() if k in RunConfig.model_fields}
    extra = {k: v for k, v in given.items() if k not in RunConfig.model_fields}
    return prepare(x, None, merge(known), extra)


def _summary(row: Row, equal: float | None) -> dict[str, Any]:
    head: dict[str, Any] = {"prior": row.label, "m": row.m}
    found = row.recovery
    if found is None:
        return head | {"reason": row.reason}
    values = {
        "psnr": found.psnr,
        "mean_psnr": found.mean_psnr,
        "ssim": found.ssim,
        "error": found.error,
    }
    head |= {k: math.nan if v is None else float(v.mean()) for k, v in values.items()}
    return head | {
        "evaluations": sum(found.evaluations) / len(found.evaluations),
        "seconds": row.seconds,
        "psnr_at": None if equal is None else row.psnr_at(equal),
        "equal_seconds": equal,
        "per_image": [] if found.psnr is None else found.psnr.tolist(),
    }
