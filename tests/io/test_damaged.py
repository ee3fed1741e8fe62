"""Files of instruments that are damaged, or promise much: one line, before memory is taken."""

import os
import re
import struct
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import scipy.io
import tifffile
from astropy.io import fits
from PIL import Image
from pydicom.data import get_testdata_file

from priorkit.errors import BadInputError
from priorkit.io import pictures
from tests.bad_files import one_line
from tests.fuzz.case import warm
from tests.fuzz.guard import guarded
from tests.fuzz.instruments import sound

NAMES = {
    "a.nii": "a NIfTI file",
    "a.nii.gz": "a NIfTI file",
    "a.h5": "an HDF5 file",
    "a.mat": "a MATLAB file",
    "a.fits": "a FITS file",
    "a.tif": "a TIFF file",
    "MR_small_RLE.dcm": "a DICOM file",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["half", "words", "empty"])
def test_a_damaged_file_is_one_line(tmp_path, name, how, capfd):
    """It names the file and what is wrong, and the libraries say nothing of their own."""
    data = sound(name)
    path = tmp_path / name
    path.write_bytes(
        {"half": data[: len(data) * 28 // 100], "words": b"no file", "empty": b""}[how]
    )
    for read in (pictures.load, lambda source: pictures.raw(source, "y")):
        with pytest.raises(BadInputError) as caught:
            read(f"{path}::slice=3" if name != "MR_small_RLE.dcm" else path)
        said = one_line(caught.value)
        assert str(path) in said
        assert f"is not {NAMES[name]} that can be read. Got" in said or "holds no array" in said
    assert capfd.readouterr().err == ""


def test_pillow_says_nothing_of_its_own(tmp_path, caplog):
    """A TIFF file of 51,969 samples a pixel, of which Pillow logs an error, is one line too."""
    path = tmp_path / "a.tif"
    Image.new("RGB", (4, 4)).save(path)
    data = path.read_bytes()
    three = struct.pack("<HHII", 277, 3, 1, 3)
    assert data.count(three) == 1
    path.write_bytes(data.replace(three, struct.pack("<HHII", 277, 3, 1, 51969)))
    with pytest.raises(BadInputError, match=r"a.tif is not a"):
        pictures.load(path)
    assert caplog.text == ""


def test_what_is_wrong_with_a_slice_is_plain(tmp_path):
    """No advice to programmers, and no half of a word."""
    source = get_testdata_file("CT_small.dcm", download=False)
    data = Path(source).read_bytes()
    file = pydicom.dcmread(source, stop_before_pixels=True)
    file.save_as(tmp_path / "stub.dcm")
    for name, made in {
        "empty": b"",
        "text": b"words " * 99,
        "cut": data[:900],
        "half": data[:9000],
    }.items():
        (tmp_path / f"{name}.dcm").write_bytes(made)
    for name, words in {
        "empty": "an empty file",
        "text": "InvalidDicomError: File is missing .* from the header",
        "cut": "ValueError: its header says no Rows and Columns, as that of an image does",
        "half": r"ValueError: The number of bytes of pixel data is less than .* bytes\)",
        "stub": "ValueError: it ends before its pixels, or has none",
    }.items():
        with pytest.raises(BadInputError) as caught:
            pictures.load(tmp_path / f"{name}.dcm", range=(-1024, 3071))
        assert re.search(
            rf"can be read. Got {words}. Try: a file that is whole$", one_line(caught.value)
        )


def test_what_a_whole_folder_has_not_is_said(tmp_path):
    """With a range that is yet to be found, too: the file's own error, and none of the range."""
    data = Path(get_testdata_file("MR_small.dcm", download=False)).read_bytes()
    for name in "ab":
        (tmp_path / f"{name}.dcm").write_bytes(data)
    for how in ({"range": "auto"}, {"range": (0, 9000)}):
        with pytest.raises(BadInputError, match=r"holds no several slices. Got slice=9"):
            pictures.load(tmp_path, slice=9, **how)
    with pytest.raises(
        BadInputError, match=r"Try: shape=\(1, 2, 64, 64\), as nothing but pictures"
    ):
        pictures.load(tmp_path, (1, 2, 8, 8), range="auto")


def test_a_folder_leaves_out_what_is_damaged(tmp_path, caplog):
    path = Path(get_testdata_file("MR_small.dcm", download=False))
    (tmp_path / "a.dcm").write_bytes(path.read_bytes())
    (tmp_path / "b.dcm").write_bytes(path.read_bytes()[:9000])
    found = pictures.load(tmp_path, range=(0, 3000))
    assert found.names == ["a"]
    assert list(found.skipped) == ["b.dcm"]
    assert "Left out, 1 of the 2 files" in caplog.text


def immense(name, path):
    """A small file whose header promises ten billion numbers, or a thousand million."""
    side = 100_000
    if name == "nii":
        image = nibabel.Nifti2Image(np.zeros((2, 2), "f4"), np.eye(4))
        image.to_filename(path)
        data = bytearray(path.read_bytes())
        data[16:40] = struct.pack("<3q", 2, side, side)
        path.write_bytes(data)
    elif name == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("x", (side, side), "f4", chunks=True)  # nothing of it is stored
    elif name == "mat":
        scipy.io.savemat(path, {"x": np.zeros((2, 2))})
        data = path.read_bytes().replace(struct.pack("<2i", 2, 2), struct.pack("<2i", side, side))
        path.write_bytes(data)
    elif name == "fits":
        fits.PrimaryHDU(np.zeros((2, 2), "f4")).writeto(path)
        data = path.read_bytes()
        for card in (b"NAXIS1  = ", b"NAXIS2  = "):
            data = data.replace(card + b"2".rjust(20), card + str(side).encode().rjust(20))
        path.write_bytes(data)
    elif name == "tif":
        tifffile.imwrite(path, np.zeros((2, 2), "i4"))
        data = bytearray(path.read_bytes())
        for tag in (256, 257):
            kinds = [struct.pack("<HHI", tag, kind, 1) for kind in (3, 4)]
            place = max(data.find(kind) for kind in kinds)
            assert place > 0
            data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, side)
        path.write_bytes(data)
    else:
        file = pydicom.dcmread(get_testdata_file("MR_small_RLE.dcm", download=False))
        file.Rows = file.Columns = 65535
        file.save_as(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["nii", "h5", "mat", "fits", "tif", "dcm"])
def test_what_a_header_promises_is_refused_undecoded(tmp_path, name):
    path = tmp_path / f"a.{name}"
    immense(name, path)
    warm()
    with guarded(tmp_path / "out"), pytest.raises(BadInputError) as caught:
        pictures.load(path)
    said = one_line(caught.value)
    refused = ("more than 50 million", "ends before the numbers", "DecompressionBombError")
    assert any(words in said for words in refused)


def test_objects_of_matlab_are_left_alone(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"c": np.array([{"a": 1}], object), "s": {"x": 1.0}})
    with pytest.raises(BadInputError, match="holds no array of numbers"):
        pictures.load(tmp_path / "a.mat")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A pipe has no end; neither it nor what is hidden, nor a folder named as a file, is taken out
    of a folder, whatever its name says; a link to a file that is gone is told."""
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    Image.new("L", (8, 8)).save(tmp_path / ".hidden.png")
    (tmp_path / "round.png").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    for name in ("pipe.png", "pipe.npy", "pipe.dcm", "pipe"):
        os.mkfifo(tmp_path / name)
        for read in (pictures.load, lambda path: pictures.raw(path, "y")):
            with pytest.raises(BadInputError, match=f"{name} is no file: it is a pipe"):
                read(tmp_path / name)
    found = pictures.load(tmp_path)
    assert found.names == ["a"]
    assert list(found.skipped) == ["gone.png"]
