"""The losses of a training run as they come, and how fast they come."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.training.parallel import Team

__all__ = ["Losses", "Tape"]

Losses = list[tuple[float, ...]]


class Tape:
    """Losses of the steps since the last validation, read from the device only when asked to:
    whoever reads waits until it has done all its work, and then it waits for more.

    Parameters
    ----------
    team : the processes that train together, whose losses are averaged
    batch : examples per step
    """

    def __init__(self, team: Team, batch: int) -> None:
        self.team, self.batch = team, batch
        self.losses: Losses = []  # that were read
        self._unread: list[Tensor] = []
        self._mark: tuple[int, float] | None = None

    def add(self, losses: Tensor) -> None:
        """Take the losses (k,) of a step."""
        self._unread.append(losses)

    def read(self) -> None:
        """Have all that was taken in ``losses``. All processes do so at the same step."""
        if self._unread:
            found = self.team.average(torch.stack(self._unread)).tolist()
            self.losses += [tuple(each) for each in found]
            self._unread.clear()

    @property
    def counting(self) -> bool:
        """Whether there is a step from which :meth:`pace` counts."""
        return self._mark is not None

    def pace(self, step: int, seconds: float) -> str:
        """Examples per second since this was last asked, in words; none the first time."""
        before, self._mark = self._mark, (step, seconds)
        if before is None or seconds <= before[1]:
            return ""
        return f", {(step - before[0]) * self.batch / (seconds - before[1]):,.0f} examples/s"

    def clear(self) -> None:
        """Begin anew after a validation, whose time isn't counted."""
        self.losses.clear()
        self._mark = None
