"""What an audit found of one prior on one group of pictures."""

from __future__ import annotations

from dataclasses import dataclass

from priorkit.results.recovery import Recovery

__all__ = ["PARTS", "Finding", "Recoveries"]

PARTS = ("representation", "measurement", "optimisation")
Recoveries = dict[tuple[str, str], Recovery]  # by prior and group, in the order of the findings


@dataclass(frozen=True)
class Finding:
    """One prior on one group of pictures: errors are means over the pictures of (1/n)‖x − x̂‖².

    ``error`` = ``representation`` + ``measurement`` + ``optimisation``; ``standard_error`` is that
    of the mean.
    """

    prior: str
    group: str
    pictures: int
    psnr: float
    error: float
    standard_error: float
    representation: float
    measurement: float
    optimisation: float

    @property
    def shares(self) -> tuple[float, ...]:
        """The three errors, for bars: one that estimates put below 0 has no length."""
        return tuple(max(getattr(self, part), 0.0) for part in PARTS)
