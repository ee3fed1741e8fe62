"""NIfTI and Analyze volumes, by nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, final

import numpy as np

from priorkit.counted import counted
from priorkit.io.formats.base import SCANNED, Geometry, Part, Writable

__all__ = ["Nifti"]


@final
class Nifti(Writable):
    """An array of x, y, z and time; x is the rows here, as nibabel has it.

    ``scl_slope`` and ``scl_inter`` are applied.
    """

    title, package, suffixes = "a NIfTI file", "nibabel", (".nii", ".nii.gz")
    suffix = ".nii.gz"

    def parts(self, path: Path) -> list[Part]:
        image = _opened(path)
        shape = tuple(int(n) for n in image.shape)
        while len(shape) > len(SCANNED) and shape[-1] == 1:
            shape = shape[:-1]
        if not 2 <= len(shape) <= len(SCANNED):
            raise ValueError(
                f"it has {counted(len(shape), 'axes')}, where 2 to {len(SCANNED)} are read"
            )
        dtype = np.dtype(image.get_data_dtype())
        return [Part("", shape, dtype, SCANNED[: len(shape)])]

    def read(self, path: Path, part: Part, at: Mapping[str, int]) -> np.ndarray:
        proxy = _opened(path).dataobj
        extra = (0,) * (len(proxy.shape) - len(part.shape))
        return np.asarray(proxy[(*part.index(at), *extra)])

    def header(self, path: Path, part: Part) -> object:
        image = _opened(path)
        return image.affine, image.header.copy()

    def encode(self, values: np.ndarray, header: object, geometry: Geometry) -> bytes:
        import nibabel

        affine, before = cast(tuple[np.ndarray, Any], header)
        top, left = geometry.first
        step = np.eye(4)  # from voxels of the result to those of the file
        step[0, 0], step[1, 1] = geometry.rows, geometry.columns
        step[:3, 3] = top, left, dict(geometry.at).get("slice", 0)
        volume = values[None] if values.ndim == 2 else values
        image = nibabel.Nifti1Image(
            np.moveaxis(volume, 0, 2).astype(np.float32), affine @ step, before
        )
        image.set_data_dtype(np.float32)
        image.header.set_slope_inter(1, 0)
        image.header["cal_min"] = image.header["cal_max"] = 0
        return gzip.compress(image.to_bytes(), 1, mtime=0)


def _opened(path: Path) -> Any:
    import nibabel

    image = nibabel.load(path)
    if not isinstance(image, (nibabel.Nifti1Image, nibabel.Nifti2Image)):
        raise ValueError(f"it is of the kind {type(image).__name__}")
    return image
