"""What a denoiser is trained on: whole pictures, or crops of pictures of any size."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from priorkit.training.dataset import TrainingPictures

__all__ = ["Crops", "Draw", "Source", "Whole"]

Draw = Callable[[], Tensor]  # makes a picture (3, s, s) uint8

HELD = 4 << 30  # bytes of decoded pictures that are kept; the others are decoded every time
SCALES = (1.0, 0.75, 0.5)  # of crops, chosen with a probability in proportion to the scale


class Source(Protocol):
    """Pictures by number: those that are trained on, then those kept for validation."""

    examples: int  # that are trained on
    kept: int  # for validation, the last by name
    digest: str  # sha256
    skipped: dict[str, str]  # files that aren't used, with the reason

    def draws(self, indices: Sequence[int], rng: np.random.Generator) -> list[Draw]:
        """Functions that make the examples of those numbers, randomly moved, mirrored or turned."""
        ...

    def plain(self, index: int) -> Tensor:
        """Validation picture ``index``, neither moved nor mirrored, (3, s, s) uint8."""
        ...


class Whole:
    """Whole pictures in one framing, mirrored at random and moved by up to ``shift`` pixels of
    the file."""

    def __init__(self, pictures: TrainingPictures, *, validation: int, shift: float) -> None:
        self.pictures, self.shift, self.kept = pictures, shift, validation
        self.examples = len(pictures) - validation
        self.digest, self.skipped = pictures.digest, pictures.skipped

    def draws(self, indices: Sequence[int], rng: np.random.Generator) -> list[Draw]:
        shifts = rng.uniform(-1, 1, (len(indices), 3))
        return [
            partial(self.pictures.crop, i, self.shift * dx, self.shift * dy, bool(side > 0))
            for i, (dx, dy, side) in zip(indices, shifts, strict=True)
        ]

    def plain(self, index: int) -> Tensor:
        return self.pictures.crop(self.examples + index)


class Crops:
    """Squares of pictures of any size: mirrored, turned, at full size, three quarters and half.

    An example is a square at a random place of a picture, which has as many examples as squares
    fill its area. Pictures with a side shorter than the square are left out.

    Parameters
    ----------
    path : a folder or a zip
    side : of the squares, in pixels
    validation : how many pictures are kept for validation, the last by name, each as the square in
        its middle

    Raises ValueError where no picture is left to train on.
    """

    def __init__(self, path: Path, *, side: int, validation: int) -> None:
        # With this box, pictures with a side shorter than the square are skipped.
        self.pictures = TrainingPictures(path, (side, side), (0, 0, side, side))
        self.side, self.kept = side, validation
        self.digest, self.skipped = self.pictures.digest, self.pictures.skipped
        self.trained = len(self.pictures) - validation
        if self.trained < 1:
            raise ValueError(
                f"{len(self.pictures)} pictures less {validation} for validation leave none: "
                "try a smaller --validation"
            )
        self._held: dict[int, Tensor] = {}
        self._ends = np.cumsum([area // side**2 for area in self._read()])
        self.examples = int(self._ends[-1])

    def _read(self) -> list[int]:
        """The number of pixels of each picture; the first ``HELD`` bytes of them stay decoded."""
        areas, held = [], 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, self.trained, 64):  # at most 64 decoded pictures at a time
                some = range(start, min(start + 64, self.trained))
                for number, picture in zip(
                    some, pool.map(self.pictures.picture, some), strict=True
                ):
                    areas.append(picture[0].numel())
                    if held + picture.numel() <= HELD:
                        self._held[number] = picture
                        held += picture.numel()
        return areas

    def draws(self, indices: Sequence[int], rng: np.random.Generator) -> list[Draw]:
        numbers = np.searchsorted(self._ends, list(indices), side="right")
        chances = np.array(SCALES) / sum(SCALES)
        scales = rng.choice(SCALES, len(numbers), p=chances)
        return [
            partial(self._square, int(number), self.side / scale, places, turns > 0.5)
            for number, scale, places, turns in zip(
                numbers, scales, rng.random((len(numbers), 2)), rng.random((len(numbers), 3)),
                strict=True,
            )
        ]  # fmt: skip

    def _square(
        self, number: int, reach: float, places: npt.NDArray[Any], turns: npt.NDArray[Any]
    ) -> Tensor:
        """A square of a picture with a side of up to ``reach`` pixels, resized to ``side``."""
        picture = self._held.get(number)
        if picture is None:
            picture = self.pictures.picture(number)
        height, width = picture.shape[1:]
        reach = min(reach, height, width)
        top = int(places[0] * (math.floor(height - reach) + 1))
        left = int(places[1] * (math.floor(width - reach) + 1))
        end = math.ceil(reach)
        found = picture[:, top : top + end, left : left + end]
        if reach > self.side:
            image = Image.fromarray(np.ascontiguousarray(found.permute(1, 2, 0).numpy()))
            box = (0, 0, reach, reach)
            small = image.resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
            found = torch.from_numpy(np.array(small)).permute(2, 0, 1)
        found = found.flip([axis for axis in (1, 2) if turns[axis]])
        return found.transpose(1, 2) if turns[0] else found

    def plain(self, index: int) -> Tensor:
        picture = self.pictures.picture(self.trained + index)
        top, left = ((size - self.side) // 2 for size in picture.shape[1:])
        return picture[:, top : top + self.side, left : left + self.side]
