"""A warning about a file names it, and comes once."""

import logging

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

import priorkit
from priorkit.io.pictures import load

NEARLY_BLACK = "Numbers of 16 bits are brightness up to 65535"
RNG = np.random.default_rng(3)
WAVES = np.sin(np.arange(48) / 7)[:, None] * np.cos(np.arange(48) / 9)
STORED = (1500 + 900 * WAVES + RNG.normal(0, 40, WAVES.shape)).astype(np.uint16)


def dicom(path):
    data = dcmread(get_testdata_file("CT_small.dcm", download=False))
    data.RescaleSlope, data.RescaleIntercept, data.PixelRepresentation = 1, 0, 0
    data.Rows, data.Columns = STORED.shape
    for name in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue"):
        if name in data:
            del data[name]
    data.PixelData = STORED.tobytes()
    data.save_as(path)


def tiff(path):
    Image.fromarray(STORED).save(path)


def npy(path):
    np.save(path, STORED)


def hdf5(path):
    import h5py

    with h5py.File(path, "w") as file:
        file["x"] = STORED


WRITERS = {"slice.dcm": dicom, "slice.tif": tiff, "slice.png": tiff, "s.npy": npy, "s.h5": hdf5}


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", WRITERS)
def test_few_of_16_bits(name, tmp_path, caplog):
    """As images, as a y, and as a y whose noise is estimated first."""
    WRITERS[name](tmp_path / name)
    load(tmp_path / name)
    assert [said.partition(" up to")[0] for said in warnings(caplog)] == [
        f"{name}: {NEARLY_BLACK.partition(' up to')[0]}"
    ]
    for more in ({"sigma": 0.001}, {"sigma": "auto"}):
        caplog.clear()
        settings = {"op": "identity", "prior": "none", "penalty": "tv", "gamma": 1e-5, "budget": 1}
        priorkit.recover(y=tmp_path / name, **settings, **more)
        said = [line for line in warnings(caplog) if NEARLY_BLACK in line]
        assert [line.partition(": ")[0] for line in said] == [name]


def test_few_of_16_bits_of_several_files(tmp_path, caplog):
    """Of a y all of them together, of a start that, of slices as a volume their folder."""
    settings = {"op": "identity", "prior": "none", "penalty": "tv", "gamma": 1e-5, "budget": 1}
    files = [tmp_path / "scan" / f"{k}.dcm" for k in range(5)]
    (tmp_path / "scan").mkdir()
    for file in files:
        dicom(file)
    named = {
        "0.dcm, 1.dcm": {"y": files[:2], "sigma": 0.001},
        "0.dcm, 1.dcm, 2.dcm, 2 more": {"y": tmp_path / "scan", "sigma": 0.001},
        "scan": {"y": tmp_path / "scan", "kind": "volume", "sigma": 0.001},
        "0.dcm": {"x": np.full(STORED.shape, 0.5), "start": str(files[0])},
    }
    for name, given in named.items():
        caplog.clear()
        priorkit.recover(**settings, **given)
        said = [line for line in warnings(caplog) if NEARLY_BLACK in line]
        assert [line.partition(": ")[0] for line in said] == [name]


def test_the_slices_of_a_volume_are_one_y(tmp_path):
    """As they are one x."""
    for k in range(4):
        dicom(tmp_path / f"{k}.dcm")
    how = {"kind": "volume", "range": (0, 4095)}
    settings = {"op": "identity", "prior": "none", "penalty": "tv", "gamma": 1e-5, "budget": 1}
    found = priorkit.recover(y=tmp_path, sigma=10, **how, **settings)
    x = load(tmp_path, **how).x
    assert found.x.shape == x.shape == (1, 1, 4, *STORED.shape)
    assert found.names == [tmp_path.name]
    assert np.allclose(found.y[0, 0, 1].numpy(), STORED, atol=0.01)


def test_what_was_clipped(tmp_path, caplog):
    dicom(tmp_path / "slice.dcm")
    load(tmp_path / "slice.dcm", range=(0, 2000), clip=True)
    (said,) = warnings(caplog)
    assert said.startswith("slice.dcm: clip: ")


def test_an_array_has_no_file(caplog):
    load(STORED)
    (said,) = warnings(caplog)
    assert said.startswith(NEARLY_BLACK)
