"""What a sampler says of an image: the mean and spread of what it drew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.interfaces.units import Range
from priorkit.linear import column

__all__ = ["Draws"]


@dataclass(frozen=True, repr=False)
class Draws:
    """What a sampler drew: how many per image (B,), their mean and standard deviation
    (B, *shape), and a few of them (k, B, *shape), evenly spaced. The deviation of one is NaN."""

    count: Tensor
    mean: Tensor
    spread: Tensor
    samples: Tensor

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
        image that is known before you rely on it. A single draw has no spread, and bounds of NaN.

        Raises BadInputError for a level that isn't a share, above 0 and below 1.
        """
        from scipy.special import stdtrit

        if not isinstance(level, int | float) or not 0 < level < 1:
            raise BadInputError(
                "The level of an interval is a share, above 0 and below 1.",
                got=level,
                try_="interval(0.9)",
            )
        more = self.count.clamp_min(2).double().cpu()
        wide = torch.from_numpy(stdtrit(more.numpy() - 1, (1 + level) / 2)) * (1 + 1 / more).sqrt()
        half = column(wide.to(self.spread), self.spread) * self.spread
        return self.mean - half, self.mean + half

    def rows(self, index: list[int]) -> Draws:
        """The draws of some images."""
        per_image = (self.count[index], self.mean[index], self.spread[index])
        return Draws(*per_image, self.samples[:, index])

    def within(self, units: Range) -> Draws:
        """The draws of images in [0, 1], in the user's units."""
        mean, samples = units.outside(self.mean), units.outside(self.samples)
        return Draws(self.count, mean, units.scale * self.spread, samples)
