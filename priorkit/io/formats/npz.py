"""Files of several arrays that numpy writes, by numpy, never a pickle."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from priorkit.io.formats.base import Format, Part

__all__ = ["Npz"]

AXES = ("frame", "slice", "channel", "row", "column")
MAX_ARRAYS = 1000
MEMBER = ".npy"  # the end of the name of each


@final
class Npz(Format):
    """Any array of numbers. What its axes mean isn't said in the file, as in a .npy file."""

    title, package = "a file of arrays", "numpy"
    suffixes = (".npz",)

    def parts(self, path: Path) -> list[Part]:
        found: list[Part] = []
        with zipfile.ZipFile(path) as file:
            for member in file.infolist():
                if member.filename.endswith(MEMBER):
                    shape, dtype = _header(file, member)
                    if dtype.kind in "fiucb" and 0 < len(shape) <= len(AXES):
                        name = member.filename.removesuffix(MEMBER)
                        found.append(Part(name, shape, dtype, _axes(len(shape)), told=False))
                if len(found) > MAX_ARRAYS:
                    raise ValueError(f"it holds more than {MAX_ARRAYS} arrays")
        return found

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file[part.name][part.index(at)])


def _header(
    file: zipfile.ZipFile, member: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array. Raises ValueError where it promises more numbers than the file
    holds, before memory is allocated for them."""
    with file.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0
        reader = reader if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(stream)
        held = member.file_size - stream.tell()
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > held:
        raise ValueError(f"the file ends before {shape} numbers")
    return shape, dtype


def _axes(count: int) -> tuple[str, ...]:
    usual = {1: ("column",), 3: ("slice", "row", "column")}
    return usual.get(count, AXES[len(AXES) - count :])
