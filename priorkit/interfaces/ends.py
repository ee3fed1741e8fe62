"""How the images of a batch end, noted where they are computed and read when somebody asks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from priorkit.interfaces.component import Status
from priorkit.linear import some

__all__ = ["Ends"]

Reason = str | Callable[[int], str]  # or what makes it for an image, once that is known to end
MOST = 32  # causes that wait to be read: they may hold points in memory


class Ends:
    """Status and reason of every image of a batch; None and "" while one runs.

    To ask a device which images have ended means to wait for it. So :meth:`note` writes down there
    by which cause an image ends, and :meth:`read` asks about all causes at once.

    Attributes
    ----------
    code : (b,) 0 for an image that runs, k for one that ended by the k-th cause since the last
        reading, −1 for one that had ended before
    """

    def __init__(self, images: int, device: torch.device) -> None:
        self.code = torch.zeros(images, dtype=torch.long, device=device)
        self._status: list[Status | None] = [None] * images
        self._reason = [""] * images
        self._causes: list[tuple[Status, Reason]] = []

    def note(self, which: Tensor, status: Status, reason: Reason) -> None:
        """The images ``which`` (b,) bool end so; one that has ended already stays as it is."""
        if not some(which):
            return
        cause = status, reason
        if cause not in self._causes:
            if len(self._causes) == MOST:
                self.read()
            self._causes.append(cause)
        new = which.to(self.code.device) & (self.code == 0)
        self.code = self.code.masked_fill(new, self._causes.index(cause) + 1)

    def read(self, codes: list[int] | None = None) -> None:
        """Learn who has ended; ``codes`` are the numbers of :attr:`code`, where they are known."""
        if not self._causes:
            return
        causes, self._causes = self._causes, []
        ended = False
        for i, code in enumerate(self.code.tolist() if codes is None else codes):
            if code > 0:
                status, reason = causes[code - 1]
                self._status[i] = status
                self._reason[i] = reason if isinstance(reason, str) else reason(i)
                ended = True
        if ended:
            self.code = -(self.code != 0).long()

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
        kept, taken = Ends(0, index.device), index.tolist()
        kept.code = self.code[index]
        kept._status = [self._status[i] for i in taken]
        kept._reason = [self._reason[i] for i in taken]
        return kept
