"""What a network is given of a picture: what it knows of values, and sides that it can halve."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["known", "padded"]

# How many σ beyond black and white pictures with noise are: by chance no mean over a square of
# BLOCK pixels a side is further than 0.6, and one pixel in 30,000 further than 4.
BLOCK, SHIFTED, REACH = 8, 0.6, 4.0


def known(x: Tensor, sigma: Tensor, *, asks: bool = True) -> Tensor:
    """The nearest that networks were trained for, of pictures in [0, 1] with noise of σ (B,):
    regions that are brighter than white or darker than black are moved there with their noise,
    then what is single is clipped. The same x where nothing of it is; with ``asks`` most of the
    work is left out then."""
    sides = min(BLOCK, x.shape[-2]), min(BLOCK, x.shape[-1])
    means = F.avg_pool2d(x, sides, sides, ceil_mode=True)
    shifted, reach = (of * sigma.view(-1, 1, 1, 1) for of in (SHIFTED, REACH))
    excess = means - means.clamp(-shifted, 1 + shifted)
    if not asks or bool(excess.any()):
        x = x - F.interpolate(excess, x.shape[-2:], mode="bilinear")
    return x.clamp(-reach, 1 + reach)


def padded(x: Tensor, multiple: int) -> Tensor:
    """Reflected beyond the lower and right edges, to sides of a multiple of some number."""
    for side, edges in ((-2, (0, 0, 0, 1)), (-1, (0, 1, 0, 0))):
        lacking = -x.shape[side] % multiple
        while lacking:  # a side is reflected by less than its own length at once
            step = min(lacking, x.shape[side] - 1) or lacking
            mode = "reflect" if x.shape[side] > 1 else "replicate"
            x = F.pad(x, [step * edge for edge in edges], mode=mode)
            lacking -= step
    return x
