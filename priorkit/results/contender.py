"""One prior in a comparison: what came back of it, or why nothing did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from priorkit.io.files import file_names
from priorkit.results.recovery import Recovery

__all__ = ["Contender", "places"]


@dataclass
class Contender:
    """One prior on one measurement; where it can't do the problem, ``reason`` says why.

    Where a component failed meanwhile, there is besides the reason what was done until then.

    ``course`` are pairs (seconds, mean PSNR) along the way, the clock stopped for measuring.
    """

    label: str
    m: int | None
    recovery: Recovery | None = None
    reason: str | None = None
    seconds: float = math.nan
    course: list[tuple[float, float]] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut it short, so that its numbers are not those of a finished run."""
        return self.reason is None and self.recovery is not None and self.recovery.interrupted

    def psnr_at(self, seconds: float) -> float | None:
        """Mean PSNR that was reached after so much time; None before anything was."""
        reached = [psnr for when, psnr in self.course if when <= seconds]
        return reached[-1] if reached else None


def places(contenders: Sequence[Contender]) -> list[str]:
    """The name of each one's folder."""
    return file_names([c.label if c.m is None else f"{c.label}-m{c.m}" for c in contenders])
