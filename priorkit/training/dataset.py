"""Training pictures from any folder or zip: checked once, cropped when they are read.

Needs torch, numpy and pillow only, like the recipes that read them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from priorkit.counted import counted
from priorkit.io.decoded import over_white
from priorkit.io.frames import MAX_PIXELS

__all__ = ["TrainingPictures"]

log = logging.getLogger("priorkit")

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MAX_FILE = 64 << 20  # bytes of one picture
MAX_TOTAL = 16 << 30  # bytes of all pictures, which are held in memory
MAX_RATIO = 100  # largest compression ratio in a zip; pictures hardly shrink


class TrainingPictures:
    """The pictures of a folder or zip, in the order of their names, as crops of one size.

    Parameters
    ----------
    path : a folder (searched recursively) or a zip file
    size : (height, width) of the crops
    box : (left, top, right, bottom) in pixels of the source, fractions allowed;
        None takes the largest centred box of the right proportions
    least : pictures with a side of fewer pixels are left out

    Pictures are turned as their EXIF says, taken over white where they are transparent, and of 8
    bits: those of 16 are rounded to them. A crop is resized with Pillow's antialiased bilinear
    filter, as everywhere in priorkit; that some are enlarged is said by a warning.
    ``skipped`` names the files that can't be used, with the reason: pictures that are damaged,
    smaller than the box, of floats or 32 bits, or of more than 64 MiB or 50 million pixels; members
    of a zip that are encrypted, damaged, or compressed to less than a hundredth; and folders and
    broken links with the name of a picture. ``sizes`` are the (height, width) of those that are
    used.

    Raises ValueError where no picture is left, for a zip that can't be read, and for more
    than 16 GiB in all.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        box: Sequence[float] | None = None,
        *,
        least: int = 0,
    ) -> None:
        self.size, self.box, self.least = size, box, least
        self.skipped: dict[str, str] = {}
        self._files: dict[str, bytes] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        total = 0
        for name, read in _sources(Path(path)):
            try:
                self._files[name] = read()
                total += len(self._files[name])
            except (OSError, ValueError, RuntimeError, EOFError) as error:
                self.skipped[name] = str(error) or type(error).__name__
            except (zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
                self.skipped[name] = f"damaged in the zip: {error}"
            if total > MAX_TOTAL:
                raise ValueError(f"{path} holds more than {MAX_TOTAL >> 30} GiB of pictures")
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # checked now, not hours into training
            for name, fault in zip(self._files, pool.map(self._fault, self._files), strict=True):
                if fault:
                    self.skipped[name] = fault
        self.names = sorted(self._files.keys() - self.skipped)
        self.sizes = [self._sizes[name] for name in self.names]
        enlarged = sum(self._enlarged(*sizes) for sizes in self.sizes)
        if enlarged:
            what = f"{enlarged} of {counted(len(self.names), 'pictures')}"
            wanted = f"{size[1]}×{size[0]}"
            log.warning("%s are smaller than %s and enlarged: a smaller size?", what, wanted)
        if not self.names:
            first = next((f": {n}: {why}" for n, why in self.skipped.items()), "")
            expected = f"Expected files ending in {', '.join(_SUFFIXES)}"
            raise ValueError(f"No pictures in {path} that can be used{first}. {expected}")

    @property
    def digest(self) -> str:
        """sha256 of the pictures and their names."""
        found = hashlib.sha256()
        for name in self.names:
            found.update(name.encode("utf-8", "surrogateescape") + b"\0")
            found.update(hashlib.sha256(self._files[name]).digest())
        return found.hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    def crop(self, index: int) -> Tensor:
        """Picture ``index`` in its box, (3, H, W) uint8."""
        return self.crops(index, np.zeros((1, 2)))[0]

    def crops(self, index: int, shifts: npt.NDArray[Any]) -> Tensor:
        """Picture ``index``, its box moved by each of ``shifts`` (K, 2), across and down in source
        pixels, as far as the picture goes: (K, 3, H, W) uint8."""
        image = self._opened(index)
        left, top, right, bottom = self._box_of(image.width, image.height)
        found = []
        for dx, dy in shifts.tolist():
            dx = min(max(dx, -left), image.width - right)
            dy = min(max(dy, -top), image.height - bottom)
            box = (left + dx, top + dy, right + dx, bottom + dy)
            found.append(_tensor(image.resize(self.size[::-1], Image.Resampling.BILINEAR, box=box)))
        return torch.stack(found)

    def picture(self, index: int) -> Tensor:
        """Picture ``index`` whole, at its own size, (3, height, width) uint8."""
        return _tensor(self._opened(index))

    def _opened(self, index: int) -> Image.Image:
        with Image.open(io.BytesIO(self._files[self.names[index]])) as file:
            return _upright(file)

    def _fault(self, name: str) -> str:
        """Why a picture can't be used; empty where it can."""
        try:
            with Image.open(io.BytesIO(self._files[name])) as file:
                if file.width * file.height > MAX_PIXELS:
                    return f"{file.width}×{file.height} pixels, more than {MAX_PIXELS:,}"
                image = _upright(file)  # decodes it completely
        except UnidentifiedImageError:
            return "not a picture that can be read: of no known kind"
        except Exception as error:  # Pillow raises many kinds for a damaged file
            return f"not a picture that can be read: {error}"[:200]
        width, height = image.size
        self._sizes[name] = height, width
        if min(width, height) < self.least:
            return f"{width}×{height} pixels, a side shorter than {self.least}"
        left, top, right, bottom = self._box_of(width, height)
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            return f"{width}×{height} pixels, less than the box {left} {top} {right} {bottom}"
        return ""

    def _box_of(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is used of a picture of that size."""
        if self.box is not None:
            left, top, right, bottom = self.box
            return left, top, right, bottom
        scale = min(width / self.size[1], height / self.size[0])
        w, h = scale * self.size[1], scale * self.size[0]
        return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2

    def _enlarged(self, height: int, width: int) -> bool:
        """Whether a picture of that size has fewer pixels in its box than a crop."""
        left, top, right, bottom = self._box_of(width, height)
        return bottom - top < self.size[0] or right - left < self.size[1]


def _sources(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and reader of everything that is named like a picture; the reader raises where it
    can't be used."""
    if path.is_dir():
        for place in sorted(path.rglob("*")):
            if _is_picture(place.as_posix()):
                yield str(place.relative_to(path)), partial(_read_file, place)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(
            f"{path} is neither a folder nor a zip of pictures that can be read: {error}"
        ) from error
    with archive:
        for member in archive.infolist():
            if _is_picture(member.filename):
                yield member.filename, partial(_read_member, archive, member)


def _read_file(path: Path) -> bytes:
    if path.is_symlink() and not path.exists():
        raise ValueError("a link that leads nowhere")
    if not path.is_file():  # also pipes and devices, which would never end
        raise ValueError("not a file")
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"larger than {MAX_FILE >> 20} MiB")
    return path.read_bytes()


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.flag_bits & 1:
        raise ValueError("encrypted")
    if member.file_size > MAX_FILE:
        raise ValueError(f"larger than {MAX_FILE >> 20} MiB")
    if member.file_size > MAX_RATIO * max(member.compress_size, 1000):
        raise ValueError(f"shrunk to less than 1/{MAX_RATIO}, as no picture can be")
    with archive.open(member) as file:
        return file.read(MAX_FILE + 1)


def _upright(image: Image.Image) -> Image.Image:
    """A picture in colours of 8 bits, turned as its EXIF says and over white. Raises ValueError."""
    deep = (image.mode == "I" and image.format in ("PNG", "PPM")) or image.mode.startswith("I;16")
    if image.mode in ("I", "F") and not deep:
        raise ValueError(f"mode {image.mode}, and not 8 or 16 bits")
    image = ImageOps.exif_transpose(image)
    if deep:  # Pillow's convert would clip it
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        image = over_white(image.convert("RGBA"))
    return image.convert("RGB")


def _tensor(image: Image.Image) -> Tensor:
    """The pixels of a picture, (3, height, width) uint8."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)))


def _is_picture(name: str) -> bool:
    """A picture by its suffix, and not one of the files that macOS hides in archives."""
    parts = name.lower().split("/")
    hidden = parts[-1].startswith(".") or "__macosx" in parts
    return parts[-1].endswith(_SUFFIXES) and not hidden
