"""HDF5 files, fastMRI's and MATLAB's of version 7.3 among them, by h5py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from priorkit.io.formats.base import AXES, Format, Part, usual_axes

__all__ = ["Hdf5", "of_hdf5"]

MAX_DATASETS = 1000
PAIRS = (("r", "i"), ("real", "imag"))  # complex numbers as h5py and as MATLAB write them
HIDDEN = ("#refs#", "#subsystem#")  # where MATLAB keeps what is inside cells
LETTERS, LOGICAL = b"char", b"logical"
EMPTY, SPARSE = "MATLAB_empty", "MATLAB_sparse"  # what is there instead of numbers


@final
class Hdf5(Format):
    """Any dataset of numbers. What its axes mean isn't said in the file; fastMRI's are slices,
    coils, rows and columns."""

    title, package = "an HDF5 file", "h5py"
    suffixes = (".h5", ".hdf5", ".hdf", ".he5", ".nx", ".nxs", ".cxi")

    def parts(self, path: Path) -> list[Part]:
        return [
            Part(name, shape, dtype, usual_axes(len(shape)), told=False)
            for name, (shape, dtype) in of_hdf5(path).items()
        ]

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        return read_dataset(path, part.name, part.index(at))


def of_hdf5(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every dataset of numbers in a file, by its name.

    Links to other files aren't followed. Raises ValueError where there are too many.
    """
    import h5py

    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}

    def visit(name: str, thing: Any) -> None:
        if not isinstance(thing, h5py.Dataset) or name.startswith(HIDDEN):
            return
        dtype = _type(thing)
        if dtype is None or not thing.shape or len(thing.shape) > len(AXES):
            return
        found[name] = tuple(thing.shape), dtype
        if len(found) > MAX_DATASETS:
            raise ValueError(f"it holds more than {MAX_DATASETS} datasets")

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def read_dataset(path: Path, name: str, index: tuple[int | slice, ...]) -> np.ndarray:
    """Numbers of a dataset; of pairs of a real and an imaginary part complex ones."""
    import h5py

    with h5py.File(path, "r") as file:
        _require_inside(file[name])
        values = np.asarray(file[name][index])
    if values.dtype.names:
        real, imaginary = values.dtype.names
        values = values[real] + 1j * values[imaginary]
    return values


def _type(dataset: Any) -> np.dtype[Any] | None:
    """Of the numbers of a dataset; None where it holds none."""
    dtype = dataset.dtype
    if dtype.names in PAIRS and all(dtype[name].kind == "f" for name in dtype.names):
        return np.result_type(np.complex64, dtype[dtype.names[0]])
    matlab = dataset.attrs.get("MATLAB_class")
    if matlab == LETTERS or EMPTY in dataset.attrs or SPARSE in dataset.parent.attrs:
        return None
    return np.dtype(bool) if matlab == LOGICAL else dtype if dtype.kind in "fiucb" else None


def _require_inside(dataset: Any) -> None:
    """Raise ValueError for numbers that are in another file, whose name a stranger chose."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the numbers of {dataset.name} are in another file")
