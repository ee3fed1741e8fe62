"""Files of instruments, of every format that is read, damaged or with immense sizes in a header."""

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import nibabel
import numpy as np
import scipy.io
import tifffile
import torch
from astropy.io import fits
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from priorkit.io import pictures
from tests.fuzz.draws import mutated

__all__ = ["instruments"]

VALUES = np.arange(4 * 8 * 8).reshape(4, 8, 8)
DICOM = ["MR_small_RLE.dcm", "rtdose.dcm", "SC_rgb_small_odd.dcm", "JPEGLSNearLossless_08.dcm"]
NAMES = ["a.nii", "a.nii.gz", "a.h5", "a.mat", "seven.mat", "a.fits", "a.tif", "a.png", *DICOM]


@cache
def sound(name):
    """A sound file, as its own library writes it."""
    if name in DICOM:
        return Path(get_testdata_file(name, download=False)).read_bytes()
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        if name.startswith("a.nii"):
            nibabel.Nifti1Image(VALUES.astype("i2"), np.eye(4)).to_filename(path)
        elif name == "a.mat":
            scipy.io.savemat(path, {"x": VALUES * 1.0, "c": VALUES[0] * 1j}, do_compression=True)
        elif name.endswith((".h5", ".mat")):
            with h5py.File(path, "w") as file:
                file["kspace"] = VALUES * 1j
                file.create_dataset("x", data=VALUES, chunks=True, compression="gzip")
        elif name == "a.fits":
            units = [fits.PrimaryHDU(VALUES.astype("i2")), fits.ImageHDU(VALUES[0] * 0.5, name="X")]
            fits.HDUList(units).writeto(path)
        elif name == "a.tif":
            tifffile.imwrite(path, VALUES.astype("i4"), photometric="minisblack")
        else:
            path.write_bytes(deep_png(np.full((5, 4, 3), 0x12FF)))
        return path.read_bytes()


def instruments(case):
    """One image, a volume, or the numbers of a file that was changed, perhaps by a wrong name."""
    name = case.draw(st.sampled_from(NAMES))
    suffix = name if case.draw(st.integers(0, 9)) else case.draw(st.sampled_from(NAMES))
    data = case.draw(mutated(sound(name))) if case.draw(st.integers(0, 9)) else sound(name)
    path = case.write(f"x{''.join(Path(suffix).suffixes)}", data)
    picks = ["", "::slice=1", "::frame=0", "::dataset=x,slice=1", "::dataset=kspace", "::dataset=1"]
    source = f"{path}{case.draw(st.sampled_from(picks))}"
    kind = case.draw(st.sampled_from([None, "volume"]))
    shape = case.draw(st.sampled_from([None, (1, 4, 4)])) if kind is None else None
    how = case.draw(st.sampled_from([{}, {"range": "auto"}, {"range": (0, 9), "clip": True}]))

    def loaded():
        found = pictures.load(source, shape, kind=kind, **how)
        assert torch.isfinite(found.x).all()
        for one, image in zip(found.sources, found.x, strict=False):
            if one is not None:
                one.write(case.out, "x", image)

    case.attempt(loaded)
    answer = case.answer
    case.attempt(lambda: pictures.raw(source, "The measurement y", kind=kind))
    case.answer = "right" if "right" in (answer, case.answer) else "refused"


def deep_png(values):
    """A PNG of 16 bits in colour, without filters."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    made = io.BytesIO(b"")
    made.write(b"\x89PNG\r\n\x1a\n")
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        made.write(struct.pack(">I", len(data)) + name + data)
        made.write(struct.pack(">I", zlib.crc32(name + data)))
    return made.getvalue()
