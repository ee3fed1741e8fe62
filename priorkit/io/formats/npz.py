"""Files of several arrays that numpy writes, by numpy, never a pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np

from priorkit.io.arrays import npy_header
from priorkit.io.formats.base import AXES, Format, Part, usual_axes

__all__ = ["Npz"]

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
                    with file.open(member) as stream:
                        shape, dtype = npy_header(stream, member.file_size)
                    if dtype.kind in "fiucb" and 0 < len(shape) <= len(AXES):
                        name = member.filename.removesuffix(MEMBER)
                        found.append(Part(name, shape, dtype, usual_axes(len(shape)), told=False))
                if len(found) > MAX_ARRAYS:
                    raise ValueError(f"it holds more than {MAX_ARRAYS} arrays")
        return found

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file[part.name][part.index(at)])
