"""Training pictures from a folder or a zip: decoded once, cropped on the way out.

Imports torch, numpy and pillow only, like the recipes that read them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

__all__ = ["TrainingPictures"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class TrainingPictures:
    """The pictures of a folder or zip, in the order of their names, as crops of one size.

    Parameters
    ----------
    path : a folder (searched recursively) or a zip file
    size : (height, width) of the crops
    box : (left, top, right, bottom) in pixels of the source, fractions allowed;
        None takes the largest centred box of the right proportions

    A crop is resized with Pillow's antialiased bilinear filter, as everywhere in priorkit.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int], box: Sequence[float] | None = None
    ) -> None:
        self.size = size
        self.box = tuple(box) if box is not None else None
        self._files = _read_files(Path(path))
        self.names = sorted(self._files)
        for name in self.names:  # a damaged file is found now, not hours into training
            self._check(name)
        if not self.names:
            raise ValueError(f"No pictures in {path}. Expected files ending in {_SUFFIXES}")

    def __len__(self) -> int:
        return len(self.names)

    def crop(self, index: int, dx: float = 0.0, dy: float = 0.0, mirror: bool = False) -> Tensor:
        """Picture ``index`` as (3, H, W) uint8, its box moved by (dx, dy) source pixels."""
        with Image.open(io.BytesIO(self._files[self.names[index]])) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
        left, top, right, bottom = self._box_of(image)
        dx = min(max(dx, -left), image.width - right)
        dy = min(max(dy, -top), image.height - bottom)
        box = (left + dx, top + dy, right + dx, bottom + dy)
        height, width = self.size
        small = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
        pixels = np.asarray(small)
        if mirror:
            pixels = pixels[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def batch(self, indices: Sequence[int], shift: float, rng: np.random.Generator) -> Tensor:
        """Crops with random mirroring and a random shift of up to ``shift`` source pixels."""
        draws = rng.uniform(-1, 1, (len(indices), 3))
        return torch.stack(
            [
                self.crop(i, shift * dx, shift * dy, mirror=bool(side > 0))
                for i, (dx, dy, side) in zip(indices, draws, strict=True)
            ]
        )

    def _check(self, name: str) -> None:
        try:
            with Image.open(io.BytesIO(self._files[name])) as file:
                self._box_of(file)
        except UnidentifiedImageError as error:
            raise ValueError(f"{name} is not a picture that can be read") from error

    def _box_of(self, image: Image.Image) -> tuple[float, float, float, float]:
        if self.box is not None:
            left, top, right, bottom = self.box
            if not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
                raise ValueError(f"box {self.box} leaves a picture of {image.size}")
            return left, top, right, bottom
        height, width = self.size
        scale = min(image.width / width, image.height / height)
        w, h = scale * width, scale * height
        left, top = (image.width - w) / 2, (image.height - h) / 2
        return left, top, left + w, top + h


def _read_files(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        files = [p for p in path.rglob("*") if _is_picture(p.as_posix())]
        return {str(p.relative_to(path)): p.read_bytes() for p in files}
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is neither a folder nor a zip of pictures")
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if _is_picture(n)]
        return {name: archive.read(name) for name in names}


def _is_picture(name: str) -> bool:
    """A picture by its suffix, and not one of the files that macOS hides in archives."""
    parts = name.lower().split("/")
    hidden = parts[-1].startswith(".") or "__macosx" in parts
    return parts[-1].endswith(_SUFFIXES) and not hidden
