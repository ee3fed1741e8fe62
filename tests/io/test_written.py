"""Results go back into the format of their file, where its pixels lie."""

import nibabel
import numpy as np
import pydicom
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image
from pydicom.data import get_testdata_file

import priorkit
from priorkit.io import pictures

RNG = np.random.default_rng(0)
CT = "CT_small.dcm"


def written(source, folder, shape=None, values=None, **how):
    """A loaded picture, changed in nothing but what ``values`` makes of it, written like its
    source."""
    found = pictures.load(source, shape, **how)
    x = found.range.outside(found.x[0].double())
    found.sources[0].write(folder, "out", x if values is None else values(x))
    (path,) = folder.iterdir()
    return x, path


def ct():
    return get_testdata_file(CT, download=False)


def test_a_slice_of_a_ct(tmp_path):
    """A derived image of its own, whose numbers are right to half a step of 16 bits."""
    x, path = written(ct(), tmp_path, range=(-1024, 3071))
    made, source = pydicom.dcmread(path), pydicom.dcmread(ct())
    values = made.pixel_array * float(made.RescaleSlope) + float(made.RescaleIntercept)
    step = float(x.max() - x.min()) / 65534
    assert np.abs(values - x[0].numpy()).max() < 0.51 * step
    for name in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "PatientID"):
        assert made[name].value == source[name].value, name
    assert made.ImageType == ["DERIVED", "SECONDARY"]
    assert made.SOPClassUID == source.SOPClassUID
    assert made.SOPInstanceUID != source.SOPInstanceUID
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert pictures.raw(path, "y").shape == (1, 1, 128, 128)


@pytest.mark.parametrize(
    ("modality", "told", "unit"),
    [("CT", None, "HU"), ("CT", "HU_MOD", "HU_MOD"), ("MR", None, "US"), ("PT", "HU", "HU")],
)
def test_units_of_a_slice(tmp_path, modality, told, unit):
    """As the source states them; a CT's are Hounsfield's."""
    source = pydicom.dcmread(ct())
    source.Modality = modality
    if told is not None:
        source.RescaleType = told
    elif "RescaleType" in source:
        del source.RescaleType
    source.save_as(tmp_path / "a.dcm")
    (tmp_path / "out").mkdir()
    _, path = written(tmp_path / "a.dcm", tmp_path / "out", range=(-1024, 3071))
    assert pydicom.dcmread(path).RescaleType == unit


@pytest.mark.parametrize("shown", ["MONOCHROME1", "MONOCHROME2"])
def test_a_slice_is_shown_as_its_source_is(tmp_path, shown):
    """Whose numbers it has: of a MONOCHROME1 the least is white."""
    source = pydicom.dcmread(ct())
    source.PhotometricInterpretation = shown
    source.save_as(tmp_path / "a.dcm")
    (tmp_path / "out").mkdir()
    x, path = written(tmp_path / "a.dcm", tmp_path / "out", range=(-1024, 3071))
    assert pydicom.dcmread(path).PhotometricInterpretation == shown
    assert np.allclose(pictures.raw(path, "y")[0].numpy(), x, atol=0.1)


@pytest.mark.parametrize("values", [lambda x: x * 0 + 40.25, lambda x: x * 1e6, lambda x: x / 1e6])
def test_any_numbers_fit_into_a_slice(tmp_path, values):
    x, path = written(ct(), tmp_path, range=(-1024, 3071), values=values)
    x = values(x)
    found = pictures.raw(path, "y")[0, 0].double()
    assert float((found - x[0]).abs().max()) < 0.51 * float(x.max() - x.min()) / 65534 + 1e-9


def test_a_crop_of_a_slice_lies_where_it_was(tmp_path):
    """Half as many pixels, of the middle square's width: C.7.6.2.1.1 of the standard's part 3."""
    _, path = written(ct(), tmp_path, (1, 64, 32), range=(-1024, 3071))
    made, source = pydicom.dcmread(path), pydicom.dcmread(ct())
    assert (made.Rows, made.Columns) == (64, 32)
    spacing = [float(n) for n in source.PixelSpacing]
    assert np.allclose([float(n) for n in made.PixelSpacing], [2 * n for n in spacing])
    place = np.array([float(n) for n in source.ImagePositionPatient])
    place += np.array([32.5 * spacing[1], 0.5 * spacing[0], 0])  # 32 columns are cut, and a half
    assert np.allclose([float(n) for n in made.ImagePositionPatient], place, atol=1e-4)


def test_a_slice_of_a_scan(tmp_path):
    """Its affine map puts every voxel where it was, cropped and resized or not."""
    affine = np.array([[0, 2, 0.1, -30], [1.5, 0, 0, 7], [0, 0.2, 3, 4], [0, 0, 0, 1.0]])
    nibabel.Nifti1Image(RNG.random((8, 12, 5)).astype("f4"), affine).to_filename(
        tmp_path / "scan.nii.gz"
    )
    (tmp_path / "out").mkdir()
    x, path = written(f"{tmp_path}/scan.nii.gz::slice=3", tmp_path / "out", range=(0, 1))
    made = nibabel.load(path)
    assert np.allclose(made.get_fdata()[:, :, 0], x[0], atol=1e-6)
    for voxel in ((0, 0), (7, 11)):
        there = made.affine @ [*voxel, 0, 1]
        assert np.allclose(there, affine @ [*voxel, 3, 1])
    path.unlink()
    _, path = written(f"{tmp_path}/scan.nii.gz::slice=3", tmp_path / "out", (1, 4, 4), range=(0, 1))
    made = nibabel.load(path).affine
    assert np.allclose(made @ [0, 0, 0, 1], affine @ [0.5, 2.5, 3, 1])  # two by two of the middle
    assert np.allclose(made @ [3, 3, 0, 1], affine @ [6.5, 8.5, 3, 1])
    path.unlink()
    x, path = written(tmp_path / "scan.nii.gz", tmp_path / "out", kind="volume", range=(0, 1))
    assert np.allclose(np.moveaxis(nibabel.load(path).get_fdata(), 2, 0), x[0], atol=1e-6)
    assert np.allclose(nibabel.load(path).affine, affine)


def test_the_sky_is_where_it_was(tmp_path):
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = 210.0, 54.0
    header["CRPIX1"], header["CRPIX2"] = 6.5, 4.0
    header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = -1e-3, 1e-4, 2e-4, 1e-3
    header["OBJECT"], header["BUNIT"] = "M101", "adu"
    unit = fits.PrimaryHDU(RNG.integers(0, 60000, (8, 12)).astype("u2"), header)
    unit.writeto(tmp_path / "sky.fits")
    before = WCS(fits.getheader(tmp_path / "sky.fits"))
    (tmp_path / "out").mkdir()
    for shape, pixels in (
        (None, [((0, 0), (0, 0)), ((11, 7), (11, 7))]),
        ((1, 4, 4), [((0, 0), (2.5, 0.5)), ((3, 3), (8.5, 6.5))]),  # column, row
    ):
        x, path = written(tmp_path / "sky.fits", tmp_path / "out", shape, range=(0, 65535))
        made = fits.open(path)[0]
        assert np.allclose(made.data, x[0], rtol=1e-6)
        assert made.header["BITPIX"] == -32
        assert "BZERO" not in made.header
        assert (made.header["OBJECT"], made.header["BUNIT"]) == ("M101", "adu")
        for new, old in pixels:
            sky = WCS(made.header).pixel_to_world_values(*new)
            assert np.allclose(sky, before.pixel_to_world_values(*old), atol=1e-9)
        path.unlink()


def test_a_run_writes_what_it_read(tmp_path):
    """A y of an instrument, and x of a picture: beside the PNG in the folder of the run."""
    values = RNG.random((8, 8)).astype("f4")
    fits.PrimaryHDU(values).writeto(tmp_path / "sky.fits")
    Image.fromarray(values).save(tmp_path / "a.tif")
    how = {"prior": "none", "budget": 2}
    priorkit.recover(y=tmp_path / "sky.fits", op="identity", out=tmp_path / "one", **how)
    made = fits.getdata(tmp_path / "one" / "images" / "sky.fits")
    assert np.allclose(made, np.load(tmp_path / "one" / "x.npy")[0, 0])
    sources = [tmp_path / "a.tif", tmp_path / "sky.fits"]
    priorkit.recover(sources, op="mask", out=tmp_path / "two", **how)
    names = sorted(path.name for path in (tmp_path / "two" / "images").iterdir())
    assert names == ["a.png", "a.tiff", "sky.fits", "sky.png"]
    priorkit.recover(y=sources, op="mask", out=tmp_path / "three", **how)
    assert sorted(path.name for path in (tmp_path / "three" / "images").iterdir()) == names


def test_a_measurement_is_called_as_its_file(tmp_path):
    """As x is: a slice by what was picked, one array, several files; of a batch the numbers."""
    nibabel.Nifti1Image(RNG.random((8, 8, 3)).astype("f4"), np.eye(4)).to_filename(
        tmp_path / "scan.nii"
    )
    np.save(tmp_path / "one.npy", RNG.random((1, 8, 8)))
    np.save(tmp_path / "two.npy", RNG.random((2, 1, 8, 8)))
    for given, names in (
        (f"{tmp_path}/scan.nii::slice=2", ["scan-slice2"]),
        (tmp_path / "one.npy", ["one"]),
        ([tmp_path / "one.npy"] * 2, ["one", "one-2"]),
        (tmp_path / "two.npy", ["0000", "0001"]),
        (RNG.random((8, 8)), ["image"]),
    ):
        how = {"op": "mask", "prior": "none", "budget": 2}
        assert priorkit.recover(y=given, **how).names == names
        if not isinstance(given, list):
            assert priorkit.recover(given, **how).names == names


def test_slices_are_settings(tmp_path):
    """Of a run, of its record and of a comparison."""
    nibabel.Nifti1Image(RNG.random((8, 8, 3)).astype("f4"), np.eye(4)).to_filename(
        tmp_path / "scan.nii"
    )
    how = {"op": "mask", "slice": 2}
    found = priorkit.recover(tmp_path / "scan.nii", prior="none", budget=2, **how)
    expected = nibabel.load(tmp_path / "scan.nii").get_fdata()[:, :, 2]
    assert np.allclose(found.truth[0, 0], expected, atol=1e-6)
    assert found.record["config"]["slice"] == 2
    assert found.names == ["scan-slice2"]
    for other in (found.record["config"], f"{tmp_path}/scan.nii::slice=2"):
        config = other if isinstance(other, dict) else {"prior": "none", "op": "mask", "budget": 2}
        x = None if isinstance(other, dict) else other
        assert np.array_equal(priorkit.recover(x, config=config).truth, found.truth)
    both = priorkit.compare(tmp_path / "scan.nii", priors=["none", "dct"], budget=2, **how)
    assert np.allclose(both.truth[0, 0], expected, atol=1e-6)


def test_what_can_t_be_written_is_said(tmp_path, caplog, monkeypatch):
    """The run isn't lost by an odd header: its numbers are in x.npy."""
    found = pictures.load(ct(), range=(-1024, 3071))

    def refuse(*_):
        raise ValueError("an odd header")

    monkeypatch.setattr(type(found.sources[0].format), "encode", refuse)
    found.sources[0].write(tmp_path, "out", found.x[0])
    assert list(tmp_path.iterdir()) == []
    assert "out.dcm was not written, x.npy has its numbers: ValueError: an odd" in caplog.text
    colour = get_testdata_file("SC_rgb_rle.dcm", download=False)
    found = pictures.load(colour)
    found.sources[0].write(tmp_path, "out", found.x[0])  # three channels have no place in one
    assert list(tmp_path.iterdir()) == []


def test_brightness_is_not_written_as_other_units(tmp_path):
    """Whole numbers that were taken for brightness would come back 65,535 times as small."""
    source = get_testdata_file("MR_small.dcm", download=False)
    image = pydicom.dcmread(source)
    image.PixelRepresentation, image.BitsStored, image.HighBit = 0, 16, 15
    image.save_as(tmp_path / "slice.dcm")
    said = {"op": "identity", "prior": "none", "penalty": "tv", "gamma": 1e-3, "budget": 3}
    for name, range in (("bright", None), ("own", (0, 5000))):
        priorkit.recover(tmp_path / "slice.dcm", out=tmp_path / name, range=range, **said)
    assert not list((tmp_path / "bright" / "images").glob("*.dcm"))
    assert list((tmp_path / "own" / "images").glob("*.dcm"))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_a_tiff_of_brightness_has_no_units_either(tmp_path, dtype):
    """Whoever reads it: numbers of Pillow's gray TIFF are brightness too, its floats are not."""
    values = np.arange(48).reshape(6, 8) / 48
    values = values if dtype == "f4" else values * np.iinfo(dtype).max
    Image.fromarray(values.astype(dtype)).save(tmp_path / "gray.tiff")
    for how in ({}, {"shape": (1, 4, 4)}):
        (source,) = pictures.load(tmp_path / "gray.tiff", **how).sources
        assert source.whole is (dtype != "f4")
