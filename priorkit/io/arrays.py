"""Arrays of numbers in .npy files: never a pickle, whole or not there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from priorkit.errors import BadInputError
from priorkit.io.files import write_atomic

__all__ = ["read_array", "write_array"]


def read_array(path: Path) -> np.ndarray:
    """A .npy file, never a pickle. Raises BadInputError where it can't be read."""
    try:
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


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file in one step. Raises BadInputError where it can't be written."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomic(path, buffer.getvalue())
