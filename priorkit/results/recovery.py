"""What came back of a run, and the ways to look at it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from priorkit import metrics
from priorkit.draw.html import embedded
from priorkit.draw.tiles import png, tile
from priorkit.errors import PluginError
from priorkit.interfaces import Kind
from priorkit.io.folders import replacing
from priorkit.results import page, record, views
from priorkit.results.folder import write
from priorkit.results.recovered import Recovered
from priorkit.run.rows import Row, stacked_draws
from priorkit.run.run import Outcome, Task
from priorkit.settings.given import GivenStart

__all__ = ["Recovery", "RunError"]


class Recovery(Recovered):
    """What came back: its attributes are those of
    :class:`~priorkit.results.recovered.Recovered`."""

    @classmethod
    def of(cls, outcome: Outcome, task: Task) -> Self:
        """What came back of a run, scored and recorded."""
        setup, best, rows = outcome.setup, outcome.best, outcome.rows
        kind, x, y, truth = setup.kind, outcome.x, task.y, task.truth
        psnr = None if truth is None else kind.psnr(x, truth)
        told = torch.tensor([_expected(outcome, i) for i in range(len(best))], dtype=torch.float64)
        latent = setup.problem.space == "latent" and setup.averaging == 1
        found = cls(
            kind=kind,
            x=x,
            z=torch.stack([row.u for row in best]) if latent else None,
            y=y,
            operator=setup.problem.operator,
            status=[row.status for row in best],
            reason=[row.reason for row in best],
            names=task.names,
            truth=truth,
            psnr=psnr,
            ssim=None if truth is None else kind.ssim(x, truth),
            error=None if truth is None else metrics.reconstruction_error(x, truth),
            evaluations=[row.evaluations for row in best],
            objective=torch.tensor([row.value for row in best], dtype=torch.float64).to(y.device),
            misfit=outcome.misfit.to(y.device),
            outside=[row.outside for row in best],
            expected_error=None if bool(told.isnan().all()) else told.to(y.device),
            seconds=outcome.seconds,
            rows=rows,
            restart_psnr=_restart_psnr(psnr, rows, truth, kind),
            start=setup.start.value if isinstance(setup.start, GivenStart) else None,
            record={},
            draws=stacked_draws(best),
            interrupted=outcome.cut is not None,
        )
        found.record = record.make(outcome, found)
        return found

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything of a run into a folder, all of it or nothing.

        The files: ``images/NAME.png``, the recoveries as they are shown (NAME made a possible file
        name); beside it ``NAME.tiff``, of spectra all bands and of volumes all slices, as pages of
        float32; ``grid.png``; ``report.html``; ``config.toml``, which starts a run with the same
        inputs and settings; ``trace.json``; ``y.npy``, ``x.npy``, and where there are any
        ``z.npy``, ``truth.npy``, ``start.npy`` and, of draws, ``spread.npy`` and ``samples.npy``;
        ``record.json``; and ``manifest.json``, a list of these. An earlier run in the folder is
        replaced in one step; files that others added to it stay. Raises BadInputError where the
        folder can't be written, or holds files and isn't priorkit's.
        """
        place = Path(folder)
        with replacing(place) as stage:
            write(self, stage, place.resolve())
        return place

    def grid(self) -> Any:
        """A PIL image: one row per image with truth, measurement, recovery, error."""
        return views.grid(self)

    def plot(self) -> Any:
        """The same as a figure of matplotlib."""
        from priorkit.draw.figure import pictures

        rows = [views.columns(self, i) for i in range(min(len(self.x), views.MAX_ROWS))]
        return pictures([[shown[1:] for shown in row] for row in rows])

    def _repr_png_(self) -> bytes:
        return png(self.grid())

    def _repr_html_(self) -> str:
        alt = "truth, measurement, recovery, error"
        return f"<p>{views.summary(self)}</p>{embedded(self.grid(), alt, 'max-width:100%')}"

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write a self-contained HTML page."""
        return page.write(self, Path(path))

    def image(self, i: int = 0) -> Any:
        """Recovered image ``i`` as a PIL image, as it is shown."""
        return tile(self.x[i], self.kind)


class RunError(PluginError):
    """A component that failed while a run was on; ``recovery`` is what was done until then."""

    exit_code = 1

    def __init__(self, what: str, *, recovery: Recovery, try_: str | None = None) -> None:
        super().__init__(what, try_=try_)
        self.recovery = recovery


def _restart_psnr(
    psnr: Tensor | None, rows: list[Row], truth: Tensor | None, kind: Kind
) -> Tensor | None:
    """The PSNR of every restart, (restarts, B): of a single one that of what came back."""
    if psnr is None or truth is None or len(rows) == len(psnr):
        return None if psnr is None else psnr[None]
    x = torch.stack([row.x for row in rows]).view(-1, *truth.shape)
    found = [kind.psnr(images, truth) for images in x]
    return torch.stack([known for known in found if known is not None])


def _expected(outcome: Outcome, i: int) -> float:
    """The error that is expected of image i: as a search for γ says, where there was one, else as
    its row does. NaN where it isn't known."""
    told = (outcome.weight or {}).get("expected")
    if told is None or outcome.setup.problem.noise.level.estimated:
        return outcome.best[i].expected
    return told[i] if told[i] and told[i] > 0 else math.nan
