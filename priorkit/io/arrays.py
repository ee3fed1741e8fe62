"""Arrays of numbers in .npy files: never a pickle, whole or not there."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from priorkit.errors import BadInputError
from priorkit.io.files import write_atomic

__all__ = ["read_array", "write_array"]


def read_array(path: Path) -> np.ndarray:
    """A .npy file, never a pickle. Raises BadInputError where it can't be read."""
    try:
        with open(path, "rb") as file:
            _require_whole(file, path.stat().st_size)
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise BadInputError(
            f"{path} is not an array that can be read.",
            got=f"{type(error).__name__}: {str(error)[:100]}",
            try_="numpy.save",
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiucb":
        raise BadInputError(f"{path} must hold one array of numbers.")
    return array


def _require_whole(file: BinaryIO, size: int) -> None:
    """Refuse a header that promises more numbers than the file holds, before room is made for
    them. Raises ValueError."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0
    reader = reader if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > size - file.tell():
        raise ValueError(f"the file ends before {shape} numbers")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file in one step. Raises BadInputError where it can't be written."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomic(path, buffer.getvalue())
