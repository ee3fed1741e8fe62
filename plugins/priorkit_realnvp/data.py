"""What a RealNVP is trained on: rows of an array, or pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit.io.arrays import is_npy
from priorkit.io.values import LUMA
from priorkit.training.album import Album, Framings, made
from priorkit.training.dataset import TrainingPictures
from priorkit_realnvp.basis import coordinates

__all__ = ["Patches", "Pictures", "Points", "TrainingData", "read"]

PROCESSOR = torch.device("cpu")  # where examples are made, since the networks are small


class TrainingData(Protocol):
    """Examples by number; ``batch`` draws their noise and augmentation from ``rng``."""

    shape: tuple[int, ...]
    digest: str  # sha256
    skipped: dict[str, str]  # files that aren't used, with the reason

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        """For training, (B, *shape) float32."""
        ...

    def plain(self, indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        """For validation: without augmentation."""
        ...


class Points:
    """The rows of a .npy file (N, d) of real numbers."""

    def __init__(self, path: Path) -> None:
        try:
            values = np.load(path, allow_pickle=False)
        except Exception as error:  # numpy raises many kinds for a damaged file
            raise ValueError(f"{path} is not an array that can be read: {error}") from error
        if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] < 2:
            got = getattr(values, "shape", type(values).__name__)
            raise ValueError(f"{path} must hold points (N, d) with d ≥ 2, one per row, got {got}")
        if values.dtype.kind not in "fiu":
            raise ValueError(f"{path} must hold real numbers, got {values.dtype}")
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        bad = ~np.isfinite(values).all(1)
        if bad.any():
            raise ValueError(
                f"{path} has {counted(int(bad.sum()), 'rows')} with NaN, infinite or too large "
                f"values, the first is row {int(bad.argmax())}: remove them"
            )
        if len(values) > 1:
            constant = np.flatnonzero(values.std(0, dtype=np.float64) == 0)
            if len(constant):
                raise ValueError(
                    f"Column {constant[0]} of {path} is constant, which has no density: remove it"
                )
        self.values = torch.from_numpy(values)
        self.shape: tuple[int, ...] = (values.shape[1],)
        self.digest = hashlib.sha256(values.tobytes()).hexdigest()
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        return self.values[list(indices)]

    plain = batch


class Pictures:
    """Pictures quantised to ``n_bits`` bits, plus uniform noise of one quantum, in [0, 1)."""

    def __init__(
        self, pictures: TrainingPictures, *, channels: int, n_bits: int, shift: float
    ) -> None:
        self.pictures, self.n_bits = pictures, n_bits
        self.framings = Framings(pictures, len(pictures), shift, PROCESSOR)
        self.shape: tuple[int, ...] = (channels, *pictures.size)
        self.digest, self.skipped = pictures.digest, pictures.skipped

    def __len__(self) -> int:
        return len(self.pictures)

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        return self._noisy(self.framings.batch(indices, rng), rng)

    def plain(self, indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        return self._noisy(torch.stack([self.pictures.crop(i) for i in indices]), rng)

    def _noisy(self, pixels: Tensor, rng: np.random.Generator) -> Tensor:
        """Theis, van den Oord & Bethge, "A note on the evaluation of generative models", 2016."""
        if self.shape[0] == 1:  # luma, rounded to the 8 bits of the file
            pixels = (pixels.float() * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
            pixels = pixels.round()
        bins = 2**self.n_bits
        noise = torch.from_numpy(rng.random(tuple(pixels.shape), dtype=np.float32))
        return (pixels.int() * bins // 256 + noise) / bins


class Patches:
    """Patches of pictures at full size, each at a random place; one for every 64 pixels. Pictures
    with a side shorter than the patch are left out.

    Of 8 bits, plus uniform noise of one quantum, in the coordinates of
    :func:`priorkit_realnvp.basis.coordinates`.
    """

    def __init__(self, path: Path, side: int) -> None:
        self.side = side
        self.shape: tuple[int, ...] = (3 * side**2,)
        whole = TrainingPictures(path, (side, side), least=side)
        self.digest, self.skipped = whole.digest, whole.skipped
        self.album = Album(made(whole.picture, range(len(whole))), PROCESSOR)
        areas = self.album.heights * self.album.widths
        self.ends = np.cumsum(np.maximum(areas // 64, 1))

    def __len__(self) -> int:
        return int(self.ends[-1])

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        numbers = np.searchsorted(self.ends, list(indices), side="right")
        down, across, side = rng.random((3, len(numbers)))
        tops = (down * (self.album.heights[numbers] - self.side + 1)).astype(np.int64)
        lefts = (across * (self.album.widths[numbers] - self.side + 1)).astype(np.int64)
        turns = np.zeros((len(numbers), 3), dtype=bool)
        turns[:, 1] = side > 0.5
        size = (self.side, self.side)
        pixels = self.album.windows(numbers, tops, lefts, size, turns).flatten(1)
        noise = torch.from_numpy(rng.random(tuple(pixels.shape), dtype=np.float32))
        return coordinates((pixels + noise) / 256, self.side)

    plain = batch


def read(
    path: Path,
    *,
    patch: int,
    size: tuple[int, int],
    channels: int,
    box: Sequence[float],
    n_bits: int,
    shift: float,
) -> TrainingData:
    """Points of a .npy file, else pictures of a folder or zip. Raises ValueError."""
    if is_npy(path):
        return Points(path)
    if patch:
        return Patches(path, patch)
    pictures = TrainingPictures(path, size, box or None)
    return Pictures(pictures, channels=channels, n_bits=n_bits, shift=shift)
