"""What a denoiser is trained on: whole pictures, or squares of pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from priorkit.counted import counted
from priorkit.training.album import Album, Framings, made
from priorkit.training.dataset import TrainingPictures
from priorkit.training.options import held_back

__all__ = ["Crops", "Source", "Whole"]

SCALES = (1.0, 0.75, 0.5)  # of crops, chosen with a probability in proportion to the scale


class Source(Protocol):
    """Pictures by number: those that are trained on, then those kept for validation."""

    examples: int  # that are trained on
    kept: int  # for validation, the last by name
    digest: str  # sha256
    skipped: dict[str, str]  # files that aren't used, with the reason

    def place(self, device: torch.device) -> None:
        """Decode what is trained on and keep it, on the device where it has room. Raises
        ValueError where no room is left anywhere."""
        ...

    def batch(self, indices: Sequence[int], rng: np.random.Generator, share: slice) -> Tensor:
        """The examples of those numbers (B, 3, s, s), uint8 on the device, randomly moved, mirrored
        or turned; of the ``share`` of them alone, the same as in the whole batch."""
        ...

    def plain(self, index: int) -> Tensor:
        """Validation picture ``index``, neither moved nor mirrored, (3, s, s) uint8."""
        ...


class Whole:
    """Whole pictures in one framing, mirrored at random and moved by up to ``shift`` pixels of
    the file."""

    def __init__(self, pictures: TrainingPictures, *, validation: int | None, shift: float) -> None:
        self.pictures, self.shift = pictures, shift
        self.kept = held_back(validation, len(pictures))
        self.examples = len(pictures) - self.kept
        self.digest, self.skipped = pictures.digest, pictures.skipped

    def place(self, device: torch.device) -> None:
        self.framings = Framings(self.pictures, self.examples, self.shift, device)

    def batch(self, indices: Sequence[int], rng: np.random.Generator, share: slice) -> Tensor:
        return self.framings.batch(indices, rng, share)

    def plain(self, index: int) -> Tensor:
        return self.pictures.crop(self.examples + index)


class Crops:
    """Squares of pictures of any size: mirrored, turned, at full size, three quarters and half.

    An example is a square at a random place of a picture, which has as many examples as squares
    fill its area. Pictures with a side shorter than the square are left out, and none is made
    smaller than the square.

    Parameters
    ----------
    path : a folder or a zip
    side : of the squares, in pixels
    validation : how many pictures are kept for validation, the last by name, each as the square in
        its middle; None: a tenth

    Raises ValueError where no picture is left to train on.
    """

    def __init__(self, path: Path, *, side: int, validation: int | None) -> None:
        self.pictures = TrainingPictures(path, (side, side), least=side)
        self.side, self.kept = side, held_back(validation, len(self.pictures))
        self.digest, self.skipped = self.pictures.digest, self.pictures.skipped
        self.trained = len(self.pictures) - self.kept
        if self.trained < 1:
            raise ValueError(
                f"{counted(len(self.pictures), 'pictures')} less {self.kept} for validation "
                "leave none: try a smaller validation"
            )
        areas = [height * width for height, width in self.pictures.sizes[: self.trained]]
        self._ends = np.cumsum([area // side**2 for area in areas])
        self.examples = int(self._ends[-1])

    def place(self, device: torch.device) -> None:
        each = made(self._scaled, range(self.trained))
        self.album = Album((picture for scales in each for picture in scales), device)

    def _scaled(self, index: int) -> list[Tensor]:
        """A picture at each of ``SCALES``, by Pillow's antialiased bicubic filter."""
        picture = self.pictures.picture(index).permute(1, 2, 0).contiguous()
        image, found = Image.fromarray(picture.numpy()), []
        for scale in SCALES:
            scale = max(scale, self.side / min(image.size))
            size = round(scale * image.width), round(scale * image.height)
            small = image.resize(size, Image.Resampling.BICUBIC)  # a copy where the size stays
            found.append(torch.from_numpy(np.array(small)).permute(2, 0, 1))
        return found

    def batch(self, indices: Sequence[int], rng: np.random.Generator, share: slice) -> Tensor:
        numbers = np.searchsorted(self._ends, list(indices), side="right") * len(SCALES)
        numbers += rng.choice(len(SCALES), len(numbers), p=np.array(SCALES) / sum(SCALES))
        down, across = rng.random((2, len(numbers)))[:, share]
        turns = rng.random((len(numbers), 3))[share] > 0.5
        numbers = numbers[share]
        tops = (down * (self.album.heights[numbers] - self.side + 1)).astype(np.int64)
        lefts = (across * (self.album.widths[numbers] - self.side + 1)).astype(np.int64)
        return self.album.windows(numbers, tops, lefts, (self.side, self.side), turns)

    def plain(self, index: int) -> Tensor:
        picture = self.pictures.picture(self.trained + index)
        top, left = ((size - self.side) // 2 for size in picture.shape[1:])
        return picture[:, top : top + self.side, left : left + self.side]
