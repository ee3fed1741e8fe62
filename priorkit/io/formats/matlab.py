"""MATLAB's .mat files, by scipy; those of version 7.3 are HDF5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from priorkit.io.formats.base import SCANNED, Format, Part
from priorkit.io.formats.hdf5 import of_hdf5, read_dataset

__all__ = ["Matlab"]

TYPES: dict[str, np.dtype[Any]] = {
    **{name: np.dtype(name) for name in ("int8", "int16", "int32", "int64")},
    **{f"u{name}": np.dtype(f"u{name}") for name in ("int8", "int16", "int32", "int64")},
    **{"single": np.dtype("f4"), "double": np.dtype("f8"), "logical": np.dtype("?")},
}
HDF5 = b"\x89HDF\r\n\x1a\n"
BLOCK = 512  # bytes that MATLAB puts in front of HDF5


@final
class Matlab(Format):
    """The arrays of numbers, as MATLAB shows them. ``img(:, :, k)`` is the k-th
    slice. Cells, structures, objects and text are left alone, and nothing is unpacked but the one
    that is read."""

    title, package, suffixes = "a MATLAB file", "h5py", (".mat",)

    def parts(self, path: Path) -> list[Part]:
        import scipy.io

        if _is_hdf5(path):
            found = {name: (shape[::-1], dtype) for name, (shape, dtype) in of_hdf5(path).items()}
        else:
            found = {
                name: (tuple(int(n) for n in shape), TYPES[kind])
                for name, shape, kind in scipy.io.whosmat(path, appendmat=False)
                if kind in TYPES
            }
        return [
            Part(name, shape, dtype, SCANNED[: len(shape)], told=False)
            for name, (shape, dtype) in found.items()
            if len(shape) <= len(SCANNED)
        ]

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        import scipy.io

        if _is_hdf5(path):
            values = read_dataset(path, part.name, part.index(at)[::-1]).T
        else:
            held = scipy.io.loadmat(path, appendmat=False, variable_names=[part.name])
            values = np.asarray(held[part.name][part.index(at)])
        return values.astype(bool) if part.dtype == bool else values  # stored as bytes 0 and 1


def _is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(BLOCK + len(HDF5))
    return head.startswith(HDF5) or head[BLOCK:] == HDF5
