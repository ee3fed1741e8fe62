"""Decoded pictures beside each other in memory, on the device that trains, and windows of them.

A batch is a gather: where its windows are is drawn on the processor, a few numbers per picture and
the same for every device; their pixels never leave the device.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from priorkit.training.dataset import TrainingPictures

__all__ = ["Album", "Framings", "made", "sent"]

Made = TypeVar("Made")

SHARE = 0.4  # of a device's free memory that pictures may take
FRAMINGS = 4  # of a picture that is shifted at random: the plain one, and three others


class Album:
    """Pictures of any size as rows of pixels, one after the other.

    They are in the memory of ``device`` where they take at most 40% of what is free there. Else,
    and on the processor, they are in a temporary file without a name that is mapped into memory:
    so the system keeps what is in use, and all the pictures may be more than there is memory.

    Parameters
    ----------
    pictures : (3, height, width) uint8 each
    device : where windows are wanted

    Attributes
    ----------
    heights, widths : of each picture
    pixels : of all pictures, (N, 3) uint8

    Raises ValueError where the temporary folder has no room for them.
    """

    def __init__(self, pictures: Iterable[Tensor], device: torch.device) -> None:
        self.device = device
        sizes = []
        with tempfile.TemporaryFile() as file:
            try:
                for picture in pictures:
                    sizes.append(picture.shape[1:])
                    file.write(picture.permute(1, 2, 0).contiguous().numpy().data)
                file.flush()
            except OSError as error:
                raise ValueError(
                    f"the decoded pictures need more room than {tempfile.gettempdir()} has, more "
                    f"than {file.tell() >> 20} MiB: set TMPDIR to a folder with more ({error})"
                ) from error
            mapped = np.memmap(file, np.uint8, "c")  # "c", since torch wants to be able to write
        self.heights, self.widths = np.array(sizes, dtype=np.int64).reshape(-1, 2).T
        areas = self.heights * self.widths
        self.starts = areas.cumsum() - areas
        self.pixels = torch.from_numpy(mapped).view(-1, 3)
        if mapped.nbytes <= room(device):
            self.pixels = self.pixels.to(device)

    def windows(
        self,
        numbers: npt.NDArray[Any],
        tops: npt.NDArray[Any],
        lefts: npt.NDArray[Any],
        size: tuple[int, int],
        turns: npt.NDArray[Any],
    ) -> Tensor:
        """Windows of ``size`` (h, w) of the pictures ``numbers`` (B,), (B, 3, h, w) uint8 on the
        device, in channels-last memory.

        ``turns`` (B, 3) says which are mirrored top to bottom, left to right, and, of squares,
        along the diagonal.
        """
        widths = self.widths[numbers]
        begins = self.starts[numbers] + tops * widths + lefts
        told = np.concatenate([np.stack([begins, widths], 1), turns.astype(np.int64)], 1)
        home = self.pixels.device
        begin, width, *ways = sent(torch.from_numpy(told), home).T[:, :, None, None]
        down, across, diagonal = (way.bool() for way in ways)
        i = torch.arange(size[0], device=home)[:, None]
        j = torch.arange(size[1], device=home)[None]
        i, j = torch.where(diagonal, j, i), torch.where(diagonal, i, j)
        i, j = torch.where(down, size[0] - 1 - i, i), torch.where(across, size[1] - 1 - j, j)
        return sent(self.pixels[begin + i * width + j], self.device).permute(0, 3, 1, 2)


class Framings:
    """The pictures of a folder or zip in one framing: mirrored at random, and moved by up to
    ``shift`` pixels of the file.

    With a shift each picture is there four times, as it is and moved at random by three shifts of
    its own; one of the four is drawn each time.
    """

    def __init__(
        self,
        pictures: TrainingPictures,
        count: int,
        shift: float,
        device: torch.device,
    ) -> None:
        """Of the first ``count`` pictures. Raises ValueError."""
        self.size = pictures.size
        self.each = FRAMINGS if shift else 1

        def framings(index: int) -> Tensor:
            shifts = np.random.default_rng(index).uniform(-shift, shift, (self.each, 2))
            shifts[0] = 0
            return pictures.crops(index, shifts)

        self.album = Album((x for four in made(framings, range(count)) for x in four), device)

    def batch(
        self, indices: Sequence[int], rng: np.random.Generator, share: slice = slice(None)
    ) -> Tensor:
        """Pictures of those numbers (B, 3, h, w), uint8 on the device; of the ``share`` of the
        batch alone, the same as in the whole batch."""
        which, side = rng.random((2, len(indices)))
        numbers = np.asarray(indices) * self.each + (self.each * which).astype(np.int64)
        turns = np.zeros((len(indices), 3), dtype=bool)
        turns[:, 1] = side > 0.5
        numbers, turns = numbers[share], turns[share]
        corner = np.zeros_like(numbers)
        return self.album.windows(numbers, corner, corner, self.size, turns)


def made(function: Callable[[int], Made], numbers: range) -> Iterator[Made]:
    """``function`` of each number in their order, by one thread per core."""
    threads = os.cpu_count() or 1
    together = 4 * threads  # how many at most wait to be taken
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(numbers), together):
            yield from pool.map(function, numbers[start : start + together])


def room(device: torch.device) -> float:
    """How many bytes of pictures a device takes. The processor's memory isn't asked."""
    return SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0.0


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device, which nobody waits for: a copy from ordinary memory would."""
    if values.device.type == "cpu" and device.type != "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
