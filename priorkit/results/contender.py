"""One prior in a comparison: what came back of it, or why nothing did; and how far several are
apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from priorkit.io.files import file_names
from priorkit.results.beside import scores
from priorkit.results.recovery import Recovery

__all__ = ["Contender", "apart", "places"]


@dataclass
class Contender:
    """One prior on one measurement; where it can't do the problem, ``reason`` says why.

    Where a component failed meanwhile, there is besides the reason what was done until then.

    ``course`` are pairs (seconds, mean PSNR) along the way, where the truth is known, and
    ``misfits`` pairs (seconds, mean misfit); the clock is stopped for measuring.
    """

    label: str
    m: int | None
    recovery: Recovery | None = None
    reason: str | None = None
    seconds: float = math.nan
    course: list[tuple[float, float]] = field(default_factory=list)
    misfits: list[tuple[float, float]] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut it short, so that its numbers are not those of a finished run."""
        return self.reason is None and self.recovery is not None and self.recovery.interrupted

    @property
    def finished(self) -> Recovery | None:
        """What came back where nothing cut it short."""
        return None if self.reason is not None or self.interrupted else self.recovery

    @property
    def score(self) -> list[str]:
        """The means over the images that are shown beside its pictures."""
        return [] if self.recovery is None else scores(self.recovery)

    def psnr_at(self, seconds: float) -> float | None:
        """Mean PSNR that was reached after so much time; None before anything was."""
        reached = [psnr for when, psnr in self.course if when <= seconds]
        return reached[-1] if reached else None


def apart(contenders: Sequence[Contender]) -> Tensor | None:
    """How far the recoveries x̂₁ … x̂ₙ of one y are apart, at every value of the images:

        √( Σ (x̂ₖ − x̄)² / (n − 1) ),   x̄ = Σ x̂ₖ / n,

    (B, *shape) in the user's units. None of fewer than two that are finished.

    Where the truth isn't known, this is what the choice of the prior decides rather than y; where
    all priors agree they can be wrong together.
    """
    found = [row.finished for row in contenders]
    x = [one.x.detach().cpu().double() for one in found if one is not None]
    return torch.stack(x).std(0) if len(x) > 1 else None


def places(contenders: Sequence[Contender]) -> list[str]:
    """The name of each one's folder."""
    return file_names([c.label if c.m is None else f"{c.label}-m{c.m}" for c in contenders])
