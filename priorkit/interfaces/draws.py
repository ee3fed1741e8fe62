"""What a sampler says of an image: the mean and spread of what it drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces.units import Range
from priorkit.linear import column

__all__ = ["SAMPLES", "Average", "Draws", "NoDraws", "pooled", "stacked"]

SAMPLES = 8  # draws that are kept, besides their mean


@dataclass(frozen=True, repr=False)
class Draws:
    """What a sampler drew: how many per image (B,), their mean and standard deviation
    (B, *shape), and a few of them (k, B, *shape), evenly spaced. True where there is any.

    One draw has no deviation: ``spread`` is None where no image has two, and NaN of an image that
    has fewer than others.
    """

    count: Tensor
    mean: Tensor
    spread: Tensor | None
    samples: Tensor

    def __bool__(self) -> bool:
        return bool((self.count > 0).any())

    def __repr__(self) -> str:
        """As <Draws: 8 of 2 images of 3×64×64>; of which one has fewer, as <Draws: 3 to 8 …>."""
        least, most = (int(n) for n in self.count.aminmax())
        images = counted(len(self.mean), "images")
        each = "×".join(map(str, self.mean.shape[1:]))
        several = f"{least} to {most}" if least < most else f"{most}"
        return f"<Draws: {several} of {images} of {each}>"

    def interval(self, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """The lower and upper bounds, (B, *shape), between which one more draw lies.

        mean ± t·spread·√(1 + 1/count), t the quantile (1 + level)/2 of Student's distribution
        with count − 1 degrees of freedom: exact for independent normal draws. Only if the draws are
        of the posterior is the true image one more, and lies within as often as ``level`` says.
        Those of most samplers and priors aren't: too much alike, or of a prior that isn't that of
        the image, they hold as few as half of its values where ``level`` is 0.9. Check that on an
        image that is known before you rely on it. The bounds of an image that has one draw, where
        others have more, are NaN.

        Raises BadInputError for a level that isn't a share, above 0 and below 1, and where no image
        has two draws.
        """
        from scipy.special import stdtrit

        if not isinstance(level, int | float) or not 0 < level < 1:
            raise BadInputError(
                "The level of an interval is a share, above 0 and below 1.",
                got=level,
                try_="interval(0.9)",
            )
        if self.spread is None:
            raise BadInputError(
                "An interval is of two draws and more: one has no spread.",
                got=repr(self),
                try_="draws=8, and a budget that is enough for them",
            )
        more = self.count.clamp_min(2).double().cpu()
        wide = torch.from_numpy(stdtrit(more.numpy() - 1, (1 + level) / 2)) * (1 + 1 / more).sqrt()
        half = column(wide.to(self.spread), self.spread) * self.spread
        return self.mean - half, self.mean + half

    def rows(self, index: list[int]) -> Draws:
        """The draws of some images."""
        count, spread = self.count[index], self.spread
        spread = None if spread is None or int(count.max()) < 2 else spread[index]
        return Draws(count, self.mean[index], spread, self.samples[:, index])

    def flip(self) -> Draws:
        """The draws of the mirrored images, left and right exchanged."""
        spread = None if self.spread is None else self.spread.flip(-1)
        return Draws(self.count, self.mean.flip(-1), spread, self.samples.flip(-1))

    def within(self, units: Range) -> Draws:
        """The draws of images in [0, 1], in the user's units."""
        mean, samples = units.outside(self.mean), units.outside(self.samples)
        spread = None if self.spread is None else units.scale * self.spread
        return Draws(self.count, mean, spread, samples)


@dataclass(frozen=True, repr=False)
class NoDraws(Draws):
    """Those of a run that has none, and ``why``: the mean are its images, of 0 draws."""

    why: str = ""

    @classmethod
    def of(cls, x: Tensor, why: str) -> NoDraws:
        """For images (B, *shape)."""
        none = torch.zeros(len(x), dtype=torch.long, device=x.device)
        return cls(none, x, None, x.new_empty((0, *x.shape)), why)

    def interval(self, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """Raises BadInputError, which says why there are none."""
        raise BadInputError(
            "An interval is of two draws and more.",
            got=f"none: {self.why}",
            try_="a solver that draws, with a budget that is enough, see docs/draws.md",
        )


def pooled(several: Sequence[Draws]) -> Draws:
    """The draws of the same images by several runs, as those of one: with nₖ draws of mean mₖ and
    standard deviation sₖ each,

        n = Σ nₖ,   m = Σ nₖ mₖ / n,   s² = Σ ((nₖ − 1) sₖ² + nₖ (mₖ − m)²) / (n − 1),

    and of the samples, in the order of the runs, at most as many as a run keeps, evenly spaced.

    Reference: Chan, Golub & LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 1983.
    """
    mean = several[0].mean.double()
    count = several[0].count
    square = torch.zeros_like(mean)
    for k, draws in enumerate(several):
        own = column(draws.count.double(), mean)
        if draws.spread is not None:
            square += ((own - 1) * draws.spread.double().square()).nan_to_num(0.0)
        if k:
            gap, before = draws.mean.double() - mean, column(count.double(), mean)
            count = count + draws.count
            mean = mean + gap * own / (before + own)
            square += gap.square() * before * own / (before + own)
    like = several[0].mean
    others = column((count - 1).double(), mean)
    spread = (square / others).sqrt().to(like) if int(count.max()) > 1 else None
    samples = torch.cat([draws.samples for draws in several])
    most = min(SAMPLES, len(samples))
    evenly = [(k + 1) * len(samples) // most - 1 for k in range(most)]
    return Draws(count, mean.to(like), spread, samples[evenly])


def stacked(drawn: Sequence[Draws | None], x: Tensor) -> Draws | None:
    """The draws of several images, each a batch of one, as those of a batch; None where there are
    none.

    An image that has none, as one that was cut before its first, has itself, of ``x`` (B, *shape),
    as their mean and NaN for samples. Of samples there are as many as the image with the fewest
    has.
    """
    kept = min((len(draws.samples) for draws in drawn if draws is not None), default=0)
    if not kept:
        return None
    mean, count = x.clone(), torch.zeros(len(x), dtype=torch.long, device=x.device)
    spread, samples = torch.full_like(x, torch.nan), x.new_full((kept, *x.shape), torch.nan)
    for i, draws in enumerate(drawn):
        if draws is None:
            continue
        count[i], mean[i], samples[:, i] = draws.count[0], draws.mean[0], draws.samples[-kept:, 0]
        if draws.spread is not None:
            spread[i] = draws.spread[0]
    return Draws(count, mean, spread if int(count.max()) > 1 else None, samples)


class Average:
    """Mean and spread of draws per image, by Welford's updates, and a few of the draws.

    Of an image every draw is kept while there are fewer than twice as many as are wanted, then
    every second one, every fourth … : which they are follows from its own count, whatever others
    have. ``kept`` has a tensor (B, *shape) for each place, ``counts`` are on the processor.

    Reference: Welford, "Note on a method for calculating corrected sums of squares and
    products", Technometrics 1962.
    """

    def __init__(self, b: int, like: Tensor) -> None:
        self.counts = [0] * b
        self.mean = torch.zeros(b, *like.shape[1:], dtype=torch.float64, device=like.device)
        self.square = torch.zeros_like(self.mean)
        self.kept: list[Tensor] = []
        self.dtype = like.dtype

    def add(self, rows: Sequence[int], x: Tensor) -> None:
        """Add a draw of each of some rows, x (len(rows), *shape)."""
        for row in rows:
            self.counts[row] += 1
        counts = [self.counts[row] for row in rows]
        index, divisor = torch.tensor([[*rows], counts], device=x.device)
        gap = x.double() - self.mean[index]
        self.mean[index] += gap / column(divisor, gap)
        self.square[index] += gap * (x.double() - self.mean[index])
        if min(counts) == max(counts):
            self._keep(index, x, counts[0])
        else:
            for k, count in enumerate(counts):
                self._keep(index[k : k + 1], x[k : k + 1], count)

    def _keep(self, index: Tensor, x: Tensor, count: int) -> None:
        """Keep the draw of that number of some rows, if it is one that is kept."""
        stride = _stride(count)
        place, between = divmod(count, stride)
        if between:
            return
        if stride > 1 and place == SAMPLES:  # of twice as many every second one stays
            for k in range(SAMPLES - 1):
                self.kept[k][index] = self.kept[2 * k + 1][index]
        if place > len(self.kept):
            self.kept.append(torch.full_like(self.mean, torch.nan, dtype=self.dtype))
        self.kept[place - 1][index] = x

    def of(self, row: int) -> Draws | None:
        """The draws of a row, a batch of one; None where there are none."""
        count = self.counts[row]
        if not count:
            return None
        one, places = slice(row, row + 1), count // _stride(count)
        variance = self.square[one] / (count - 1) if count > 1 else None
        return Draws(
            count=torch.tensor([count], device=self.mean.device),
            mean=self.mean[one].to(self.dtype),
            spread=None if variance is None else variance.sqrt().to(self.dtype),
            samples=torch.stack([x[one] for x in self.kept[max(0, places - SAMPLES) : places]]),
        )


def _stride(count: int) -> int:
    """How far apart the draws are that are kept of so many: 1, 2, 4 …"""
    return 1 << max(0, (count // SAMPLES).bit_length() - 1)
