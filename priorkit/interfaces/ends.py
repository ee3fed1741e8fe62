"""How the images of a batch end, noted where they are computed and read when somebody asks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from priorkit.interfaces.component import Status
from priorkit.linear import some

__all__ = ["Ends"]

Reason = str | Callable[[int], str]  # or what makes it for an image, once that is known to end
MOST = 128  # causes that wait to be read: they may hold points in memory


class Ends:
    """Status and reason of every image of a batch; None and "" while one runs.

    To ask a device which images end means to wait for it. So :meth:`note` keeps the question, and
    :meth:`read` asks all that were kept at once; ``asked`` are they, (b,) bool each, for a caller
    who brings the answers to the processor together with other numbers.
    """

    def __init__(self, images: int) -> None:
        self._status: list[Status | None] = [None] * images
        self._reason = [""] * images
        self._causes: list[tuple[Status, Reason]] = []
        self.asked: list[Tensor] = []

    def note(self, which: Tensor, status: Status, reason: Reason) -> None:
        """The images ``which`` (b,) bool end so; one that has ended already stays as it is."""
        if not some(which):
            return
        if len(self.asked) == MOST:
            self.read()
        self.asked.append(which)
        self._causes.append((status, reason))

    def read(self, answers: Tensor | None = None) -> None:
        """Learn who has ended; ``answers`` (len(asked), b) are what ``asked`` holds, if known."""
        causes, asked = self._causes, self.asked
        self._causes, self.asked = [], []
        if not causes:
            return
        answers = torch.stack(asked) if answers is None else answers
        for (status, reason), which in zip(causes, answers.tolist(), strict=True):
            for i, ends in enumerate(which):
                if ends and self._status[i] is None:
                    self._status[i] = status
                    self._reason[i] = reason if isinstance(reason, str) else reason(i)

    @property
    def status(self) -> list[Status | None]:
        """Of every image, None while it runs."""
        self.read()
        return self._status

    @property
    def reason(self) -> list[str]:
        """Of every image, empty while it runs."""
        self.read()
        return self._reason

    def rows(self, index: Tensor) -> Ends:
        """Those of these images alone, in the order of ``index``."""
        self.read()
        kept, taken = Ends(0), index.tolist()
        kept._status = [self._status[i] for i in taken]
        kept._reason = [self._reason[i] for i in taken]
        return kept
