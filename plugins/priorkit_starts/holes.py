"""Holes of an image filled from what lies around them: ‖Δx‖² least, linearly, or by the nearest."""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import LinearNDInterpolator, interp1d
from scipy.ndimage import binary_dilation, distance_transform_edt
from scipy.spatial import QhullError
from torch import Tensor

from priorkit.linear import least_squares

__all__ = ["nearest", "smooth"]


def nearest(y: Tensor, seen: Tensor) -> Tensor:
    """Channels (B, *sides) in which every pixel has the value of the nearest seen one."""
    if not bool(seen.any()):
        return torch.full_like(y, 0.5)
    found = distance_transform_edt(
        seen.cpu().numpy() < 0.5, return_distances=False, return_indices=True
    )
    return y[:, *torch.from_numpy(found).long()]


def _linear(y: Tensor, seen: Tensor) -> Tensor:
    """Channels (B, *sides), holes interpolated linearly between the pixels beside: of a picture on
    Delaunay triangles, which would be too many in a volume, where the nearest pixel is taken."""
    filled, there = nearest(y, seen), seen.cpu().numpy() >= 0.5
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


def smooth(y: Tensor, seen: Tensor) -> Tensor:
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
