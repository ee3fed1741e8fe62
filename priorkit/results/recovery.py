"""What came back of a run, and the ways to look at it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from priorkit.draw.tiles import png, tile
from priorkit.errors import PluginError
from priorkit.results import folder, page, record, views
from priorkit.results.recovered import Recovered, score
from priorkit.run.rows import Row, stacked_draws
from priorkit.run.run import Outcome
from priorkit.settings.given import GivenStart

__all__ = ["Recovery", "RunError"]


class Recovery(Recovered):
    """What came back: its attributes are those of
    :class:`~priorkit.results.recovered.Recovered`."""

    @classmethod
    def of(cls, outcome: Outcome, y: Tensor, truth: Tensor | None, names: list[str]) -> Self:
        """What came back of a run, scored and recorded."""
        setup, best, rows = outcome.setup, outcome.best, outcome.rows
        kind = setup.kind
        x = torch.stack([row.x for row in best])
        tries = [torch.stack([r.x for r in rows[i : i + len(y)]]) for i in _firsts(rows, len(y))]
        each = [] if truth is None else [kind.psnr(images, truth) for images in tries]
        psnr = [known for known in each if known is not None]
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
            names=names,
            truth=truth,
            scores=score(x, truth, kind),
            evaluations=[row.evaluations for row in best],
            objective=torch.tensor([row.value for row in best], dtype=torch.float64).to(y.device),
            misfit=torch.tensor([row.misfit for row in best], dtype=torch.float64).to(y.device),
            outside=[row.outside for row in best],
            expected_error=None if bool(told.isnan().all()) else told.to(y.device),
            seconds=outcome.seconds,
            rows=rows,
            restart_psnr=torch.stack(psnr) if psnr else None,
            start=setup.start.value if isinstance(setup.start, GivenStart) else None,
            record={},
            draws=stacked_draws(best),
            interrupted=outcome.cut is not None,
        )
        found.record = record.make(outcome, found)
        return found

    def save(self, place: str | os.PathLike[str]) -> Path:
        """Write images, a grid, the report, the config and the record into a folder."""
        return folder.save(self, Path(place))

    def grid(self) -> Any:
        """A PIL image: one row per image with truth, measurement, recovery, error."""
        return views.grid(self)

    def plot(self) -> Any:
        """The same as a figure of matplotlib."""
        return views.plotted(self)

    def _repr_png_(self) -> bytes:
        return png(self.grid())

    def _repr_html_(self) -> str:
        return page.in_notebook(self)

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


def _firsts(rows: list[Row], b: int) -> range:
    """The number of the first row of each restart."""
    return range(0, len(rows), b)


def _expected(outcome: Outcome, i: int) -> float:
    """The error that is expected of image i: as a search for γ says, where there was one, else as
    its row does. NaN where it isn't known."""
    told = (outcome.weight or {}).get("expected")
    if told is None or outcome.setup.problem.noise.level.estimated:
        return outcome.best[i].expected
    return told[i] if told[i] and told[i] > 0 else math.nan
