"""Angles that see a square picture as another angle sees it turned or mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from priorkit.interfaces import Copies
from priorkit_operators.beams import Beams

__all__ = ["Turns"]

QUARTER = math.pi / 2
MOST = 1.5  # times the work of all angles, that all views of the least ones may be
View = tuple[int, bool]  # quarter turns of the scanner, anticlockwise, and whether it is mirrored


@dataclass(frozen=True)
class Turns:
    """The least angles that all others are turns and mirror images of.

    With R the picture's turn by 90° and F its mirror image, left and right exchanged, sums along
    rays at an angle are

        A_{k·90° + θ}(x) = A_θ(R⁻ᵏ x),   A_{k·90° − θ}(x) = A_θ(F R⁻ᵏ x) with detectors reversed,

    the last where the detectors are as far on both sides. So a matrix of the angles θ from 0° to
    45°, times several views of a picture, is one of all angles, of an eighth or a fourth of the
    size. Where that saves too little, as of angles at random, the only view is the picture itself.

    Attributes
    ----------
    beams : at the least angles
    views : how the picture is seen
    place : where a ray of all is among those of the views, (angles · detectors,)
    """

    beams: Beams
    views: tuple[View, ...]
    place: Tensor

    @cached_property
    def _places(self) -> Copies[Tensor]:
        return Copies(lambda device, _: self.place.to(device))

    @classmethod
    def of(cls, beams: Beams) -> Self:
        count = beams.detectors
        plain = cls(beams, ((0, False),), torch.arange(len(beams.radians) * count))
        middle = (beams.height - 1) / 2
        if beams.height != beams.width or beams.middle != (middle, middle):
            return plain
        quarters = beams.radians / QUARTER
        turns = np.floor(quarters.round(9))
        least = quarters - turns
        mirrored = (least.round(9) > 0.5) & (beams.axis == (count - 1) / 2)
        turns, least = turns + mirrored, np.where(mirrored, 1 - least, least)
        _, one, which = np.unique(least.round(9), return_index=True, return_inverse=True)
        least = least[one]
        seen = [(int(k) % 4, bool(m)) for k, m in zip(turns, mirrored, strict=True)]
        views = sorted(set(seen))
        if len(views) * len(least) > MOST * len(seen) or 2 * len(least) > len(seen):
            return plain
        first = np.array([views.index(view) for view in seen]) * len(least) + which
        along = np.where(mirrored[:, None], np.arange(count)[::-1], np.arange(count))
        place = torch.from_numpy((first[:, None] * count + along).ravel())
        if len(np.unique(first)) < len(first):  # an angle that is there twice
            return plain
        return cls(replace(beams, radians=least * QUARTER), tuple(views), place)

    def seen(self, x: Tensor) -> Tensor:
        """All views of pictures, (B, H, W) → (B · views, H · W)."""
        views = [_mirrored(torch.rot90(x, -k, (1, 2)), m) for k, m in self.views]
        return torch.stack(views, 1).view(-1, x[0].numel())

    def together(self, views: Tensor) -> Tensor:
        """The adjoint of :meth:`seen`."""
        sides = (self.beams.height, self.beams.width)
        each = views.view(-1, len(self.views), *sides).unbind(1)
        parts = [self.turned(x, view) for x, view in zip(each, self.views, strict=True)]
        return torch.stack(parts).sum(0)

    def turned(self, x: Tensor, view: View) -> Tensor:
        """A view (B, H, W) as the picture itself."""
        return torch.rot90(_mirrored(x, view[1]), view[0], (1, 2))

    def of_all(self, rays: Tensor) -> Tensor:
        """The rays of all angles, from those of the views (B · views, rays of one)."""
        return rays.reshape(-1, len(self.views) * rays.shape[1])[:, self._places.like(rays)]

    def of_views(self, rays: Tensor) -> Tensor:
        """The adjoint of :meth:`of_all`."""
        one = len(self.beams.radians) * self.beams.detectors
        empty = rays.new_zeros(len(rays), len(self.views) * one)
        return empty.index_copy(1, self._places.like(rays), rays).view(-1, one)


def _mirrored(x: Tensor, mirrored: bool) -> Tensor:
    return x.flip(2) if mirrored else x
