"""A start whose holes are filled: by one value, by noise, or from what lies around them."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import MismatchError
from priorkit.interfaces import Problem
from priorkit.linear import in_company, least_squares
from priorkit_starts.images import ImageStart, needs_image

__all__ = ["Filled"]


class Filled(ImageStart):
    """The measured image, of any kind, its holes filled.

    Parameters
    ----------
    fill : "mean" (of the seen pixels, per channel), "noise" (uniform in [0, 1]), "neighbours"
        (the nearest seen pixel) or "smooth" (least ‖Δx‖², Δ the Laplacian, by 200 steps from a
        linear interpolation, in volumes from the nearest seen pixel)
    """

    def __init__(self, *, fill: Literal["mean", "noise", "neighbours", "smooth"] = "mean") -> None:
        self.fill = fill

    def check(self, problem: Problem) -> None:
        needs_image("filled", problem)
        if problem.operator.mask is None:
            raise MismatchError(
                "start 'filled' is for pictures with holes, and this operator sees everything.",
                ways=[{"start": "noisy"}],
            )

    def image(self, problem: Problem) -> Tensor:
        shown, mask = problem.operator.image, cast(Tensor, problem.operator.mask)
        sides = problem.shape[1:] or problem.shape  # of a vector, which is taken for one channel
        measured = problem.noise.measured(problem.y)
        y = cast(Tensor, shown(measured)).reshape(len(measured), -1, *sides)
        seen = cast(Tensor, shown(mask[None].to(y))).reshape(-1, *sides)
        return self.filled(problem, y, seen)

    def filled(self, problem: Problem, y: Tensor, seen: Tensor) -> Tensor:
        """Images y (B, channels, *sides) with what isn't ``seen``, (channels, *sides), filled."""
        sides = y.shape[2:]
        if self.fill == "mean":
            count = seen.flatten(1).sum(1).clamp_min(1)
            mean = in_company(lambda v: v.flatten(2).sum(2), y * seen) / count
            filling = mean.view(*mean.shape, *[1] * len(sides)).expand_as(y)
        elif self.fill == "noise":
            draws = problem.streams("start").normal(y[0].numel()).view(y.shape).to(y)
            filling = (1 + torch.erf(draws / 2**0.5)) / 2  # normal → uniform
        else:
            between = _smooth if self.fill == "smooth" else _nearest
            filling = torch.stack([between(y[:, c], seen[c]) for c in range(y.shape[1])], 1)
        return (y * seen + filling * (1 - seen)).view(-1, *problem.shape)


def _nearest(y: Tensor, seen: Tensor) -> Tensor:
    """Channels (B, *sides) in which every pixel has the value of the nearest seen one."""
    from scipy.ndimage import distance_transform_edt  # 0.3 s, which other starts don't need

    if not bool(seen.any()):
        return torch.full_like(y, 0.5)
    found = distance_transform_edt(
        seen.cpu().numpy() < 0.5, return_distances=False, return_indices=True
    )
    return y[:, *torch.from_numpy(found).long()]


def _linear(y: Tensor, seen: Tensor) -> Tensor:
    """Channels (B, *sides), holes interpolated linearly between the pixels beside: of a picture on
    Delaunay triangles, which would be too many in a volume, where the nearest pixel is taken."""
    from scipy.interpolate import LinearNDInterpolator, interp1d
    from scipy.ndimage import binary_dilation
    from scipy.spatial import QhullError

    filled, there = _nearest(y, seen), seen.cpu().numpy() >= 0.5
    beside = there & binary_dilation(~there, np.ones((3,) * there.ndim))
    points, holes = np.argwhere(beside), np.argwhere(~there)
    if len(points) <= there.ndim or there.ndim > 2:  # as where all is seen, or nothing
        return filled
    values = y[:, beside].cpu().numpy().T
    try:
        if there.ndim == 1:
            found = interp1d(points[:, 0], values, axis=0, bounds_error=False)(holes[:, 0])
        else:
            found = LinearNDInterpolator(points, values)(holes)
    except QhullError:  # all on a line
        return filled
    between = torch.from_numpy(found.T).to(y)
    filled[:, ~there] = torch.where(between.isnan(), filled[:, ~there], between)
    return filled


def _smooth(y: Tensor, seen: Tensor) -> Tensor:
    """Channels (B, *sides), holes filled with the least ‖Δx‖², with no slope across the border."""
    linear, holes = _linear(y, seen), (seen < 0.5).nonzero()
    if not len(holes):
        return linear
    # Δ(Δx) reaches two pixels, so only the holes' surroundings of that width matter.
    first, end = (holes.amin(0) - 2).clamp_min(0).tolist(), (holes.amax(0) + 3).tolist()
    box = tuple(slice(i, j) for i, j in zip(first, end, strict=True))
    linear[:, *box] = _smoothed(linear[:, *box], (seen[box] < 0.5).to(y))
    return linear


def _smoothed(linear: Tensor, hole: Tensor) -> Tensor:
    known = (linear * (1 - hole))[:, None]
    filling = least_squares(
        lambda u: _laplacian(u * hole),
        lambda r: _laplacian(r) * hole,
        -_laplacian(known),
        (linear * hole)[:, None],
        steps=200,
    )
    return (known + hole * filling)[:, 0]


def _laplacian(x: Tensor) -> Tensor:
    """The sum of the neighbours less their number times x, (B, 1, *sides); symmetric."""
    beside = []
    for axis in range(x.ndim - 1, 1, -1):
        side = x.shape[axis]
        wide = torch.cat([x.narrow(axis, 0, 1), x, x.narrow(axis, side - 1, 1)], axis)
        beside += [wide.narrow(axis, 2, side), wide.narrow(axis, 0, side)]
    return sum(beside[1:], beside[0]) - len(beside) * x
