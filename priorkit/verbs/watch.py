"""The clock of a contestant, and what it had reached when."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from priorkit.interfaces import Snapshot
from priorkit.results.contender import Contender
from priorkit.results.recovery import Recovery
from priorkit.run.setup import Setup

__all__ = ["Progress", "Watch"]

Progress = Callable[[str, Snapshot, int], None]


class Watch:
    """Notes the mean misfit along the way, and the mean PSNR where the truth is known, at times
    that grow by a tenth.

    Parameters
    ----------
    truth : the images (B, *shape) that were measured; None where nobody knows them
    images : how many there are, B
    """

    def __init__(
        self,
        row: Contender,
        setup: Setup,
        truth: Tensor | None,
        images: int,
        progress: Progress | None,
    ) -> None:
        self.row, self.problem, self.kind = row, setup.problem, setup.kind
        self.truth, self.images = truth, images
        self.averages = setup.averaging > 1
        self.progress = progress
        rows = setup.tries * images
        self.psnr, self.misfit = torch.zeros(rows), torch.zeros(rows)
        self.value = torch.full((rows,), math.inf)
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self.started, self.lost, self.next = time.perf_counter(), 0.0, 0.0

    def __call__(self, now: Snapshot, done: int) -> None:
        if self.progress is not None:
            self.progress(self.row.label, now, done)
        elapsed = time.perf_counter() - self.started - self.lost
        # A mean of solves is there when all of them are.
        if elapsed < self.next or self.averages:
            return
        rows = torch.arange(done, done + len(now.u))
        self.value[rows] = now.objective.cpu().float()
        self.misfit[rows] = now.misfit.cpu().float()
        psnr = self._psnr(now, rows)
        value, best = self.value.view(-1, self.images).min(0)  # of the restarts
        if bool(torch.isfinite(value).all()):
            self.row.misfits.append((elapsed, self._reached(self.misfit, best)))
            if psnr:
                self.row.course.append((elapsed, self._reached(self.psnr, best)))
        self.next = 1.1 * elapsed
        self.lost += time.perf_counter() - self.started - self.lost - elapsed

    def _psnr(self, now: Snapshot, rows: Tensor) -> bool:
        """Note the PSNR of some rows; whether there is one."""
        if self.truth is None or not self.kind.has_pixels:
            return False
        with torch.no_grad():
            x = self.kind.reported(self.problem.image(now.u), clip=True)
        psnr = self.kind.psnr(x, self.truth[rows % self.images])
        assert psnr is not None
        self.psnr[rows] = psnr.cpu().float()
        return True

    def _reached(self, values: Tensor, best: Tensor) -> float:
        """The mean over images, of the best restart of each."""
        return float(values.view(-1, self.images).gather(0, best[None]).mean())

    def finish(self, recovery: Recovery, before: dict[str, Any] | None) -> None:
        """Stop the clock, or take what it said when this row was finished ``before``."""
        row = self.row
        if before is not None:
            row.seconds = float(before["seconds"])
            row.course, row.misfits = (
                [(float(when), float(reached)) for when, reached in before.get(name, [])]
                for name in ("course", "misfits")
            )
            return
        row.seconds = time.perf_counter() - self.started - self.lost
        row.misfits.append((row.seconds, float(recovery.misfit.mean())))
        if recovery.psnr is not None:
            row.course.append((row.seconds, float(recovery.psnr.mean())))

    def noted(self) -> dict[str, Any]:
        """What :meth:`finish` takes back."""
        row = self.row
        return {"seconds": row.seconds, "course": row.course, "misfits": row.misfits}
