"""Files of instruments give the numbers that the libraries of their fields give."""

import gzip
import struct
import zlib

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import scipy.io
import scipy.sparse
import tifffile
import torch
from astropy.io import fits
from PIL import Image
from pydicom.data import get_testdata_file

from priorkit.errors import BadInputError, MismatchError
from priorkit.io import pictures

RNG = np.random.default_rng(0)
CUBE = RNG.integers(0, 4096, (5, 6, 7)).astype(np.int16)  # slices, rows, columns


def sample(name):
    """One of pydicom's own test files, which are in its wheel."""
    return get_testdata_file(name, download=False)


def exact(x, values):
    """Whether a picture in [0, 1] or a measurement has these numbers."""
    return np.allclose(np.asarray(x, float), values, rtol=1e-6, atol=1e-6)


@pytest.fixture
def nifti(tmp_path):
    """A volume of numbers that are scaled by the header: half of each, less 100."""
    image = nibabel.Nifti1Image(np.moveaxis(CUBE, 0, 2), np.diag([1.5, 2, 3, 1]))
    image.header.set_slope_inter(0.5, -100)
    path = tmp_path / "scan.nii.gz"
    image.to_filename(path)
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw[:112] + struct.pack("<ff", 0.5, -100) + raw[120:]))
    return path


@pytest.fixture
def fastmri(tmp_path):
    """A file as fastMRI's are: complex k-space of slices and coils, a mask, and text."""
    kspace = (RNG.normal(size=(3, 2, 6, 7)) + 1j * RNG.normal(size=(3, 2, 6, 7))).astype("c8")
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["mask"] = np.arange(7, dtype=np.float32) % 2
        file["reconstruction_rss"] = np.abs(kspace[:, 0])
        file["ismrmrd_header"] = "<xml/>"
    return path, kspace


def test_a_ct_has_hounsfield_units():
    path = sample("CT_small.dcm")
    held = pydicom.dcmread(path)
    expected = held.pixel_array * float(held.RescaleSlope) + float(held.RescaleIntercept)
    assert expected.min() == -896  # not the numbers that are stored
    assert exact(pictures.raw(path, "y")[0, 0], expected)
    found = pictures.load(path, range=(-1024, 3071))
    assert found.names == ["CT_small"]
    assert np.allclose(found.x[0, 0] * 4095 - 1024, expected, atol=1e-3)
    with pytest.raises(BadInputError, match=r"Got values from -896 to 1167. Try: range="):
        pictures.load(path)


@pytest.mark.parametrize("how", ["RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian"])
def test_compressed_slices_are_the_same(how):
    plain = pydicom.dcmread(sample("MR_small.dcm")).pixel_array
    assert exact(pictures.raw(sample(f"MR_small_{how}.dcm"), "y")[0, 0], plain)


def test_colours_of_dicom_and_doses():
    file = pydicom.dcmread(sample("SC_rgb_rle_2frame.dcm"))
    found = pictures.load(f"{sample('SC_rgb_rle_2frame.dcm')}::frame=1")
    assert exact(found.x[0] * 255, file.pixel_array[1].transpose(2, 0, 1))
    dose = pydicom.dcmread(sample("rtdose.dcm"))
    volume = pictures.load(sample("rtdose.dcm"), kind="volume", range="auto")
    values = dose.pixel_array * float(dose.DoseGridScaling)
    assert np.allclose([volume.range.lo, volume.range.hi], [values.min(), values.max()])
    assert np.allclose(volume.range.outside(volume.x[0, 0]), values, atol=1e-5)


def test_several_are_said_never_the_first(nifti, fastmri, tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", CUBE.astype(np.uint16), photometric="minisblack")
    frames = [Image.new("L", (7, 6), 40 * i) for i in range(5)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    said = {
        nifti: r"holds 5 slices of 6×7. Try: \S+scan.nii.gz::slice=2, or kind='volume'$",
        tmp_path / "stack.tif": r"holds 5 frames of 6×7. Try: \S+::frame=2, or kind='volume', "
        r"or shape=\(5, 6, 7\) where they are channels$",
        tmp_path / "film.gif": r"holds 5 frames of 6×7. Try: \S+::frame=2, or kind='volume'$",
        sample("rtdose.dcm"): r"holds 15 frames of 10×10. Try: \S+::frame=7, or kind",
        fastmri[0]: r"2 datasets: kspace \(3×2×6×7 complex64\), reconstruction_rss \(3×6×7 float32"
        r"\). Try: \S+raw.h5::dataset=kspace",
        f"{fastmri[0]}::dataset=reconstruction_rss": r"3×6×7: 3 slices of 6×7, or a picture of as "
        r"many channels. Try: \S+::dataset=reconstruction_rss,slice=1, kind='volume', or shape=",
    }
    for source, words in said.items():
        with pytest.raises(BadInputError, match=words):
            pictures.load(source)
        if "rss" not in str(source):
            with pytest.raises(BadInputError, match=r"5 slices|frames of|datasets: kspace"):
                pictures.raw(source, "y")


def test_slices_of_a_scan(nifti):
    """In the units of its header, whichever way the slice is said."""
    values = nibabel.load(nifti).get_fdata()
    assert values.min() < -50
    assert values.dtype == float
    for given in ({"source": f"{nifti}::slice=3"}, {"source": nifti, "slice": 3}):
        found = pictures.load(**given, range=(-100, 2000))
        assert np.allclose(found.x[0, 0] * 2100 - 100, values[:, :, 3], atol=1e-3)
        assert found.names == ["scan-slice3"]
    volume = pictures.load(nifti, kind="volume", range="auto")
    expected = np.moveaxis(values, 2, 0)
    assert np.allclose(volume.range.outside(volume.x[0, 0]), expected, atol=1e-3)
    with pytest.raises(BadInputError, match=r"holds 5 slices, counted from 0. Got slice=5. Try"):
        pictures.load(f"{nifti}::slice=5")
    with pytest.raises(BadInputError, match="holds no dataset 'kspace'"):
        pictures.load(f"{nifti}::dataset=kspace,slice=1")


def test_datasets_of_hdf5(fastmri):
    path, kspace = fastmri
    whole = pictures.raw(f"{path}::dataset=kspace", "y")
    assert whole.dtype == torch.complex64
    assert np.array_equal(whole, kspace)
    one = pictures.raw(path, "y", dataset="kspace", slice=2)
    assert np.array_equal(one, kspace[2])
    assert np.array_equal(pictures.raw(f"{path}::dataset=mask", "y"), np.arange(7) % 2)
    found = pictures.load(f"{path}::dataset=reconstruction_rss,slice=1", range=(0, 10))
    assert np.allclose(found.x[0, 0] * 10, np.abs(kspace[1, 0]), atol=1e-5)
    with pytest.raises(BadInputError, match=r"no dataset 'kspce'. Did you mean 'kspace'\? Try"):
        pictures.raw(f"{path}::dataset=kspce", "y")


def test_datasets_in_other_files_are_not_followed(tmp_path, fastmri):
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(fastmri[0]), "kspace")
    with pytest.raises(BadInputError, match="holds no array of numbers"):
        pictures.raw(tmp_path / "link.h5", "y")
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("x", (4, 4), "f4", external=[("/etc/passwd", 0, 64)])
    with pytest.raises(BadInputError, match="the numbers of /x are in another file"):
        pictures.raw(tmp_path / "outside.h5", "y")
    with h5py.File(tmp_path / "outside.h5", "a") as file:
        file["own"] = CUBE
        layout = h5py.VirtualLayout((1, 6, 7), "f4")
        layout[0] = h5py.VirtualSource(str(fastmri[0]), "reconstruction_rss", (1, 6, 7))
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(BadInputError, match="the numbers of /virtual are in another file"):
        pictures.raw(f"{tmp_path / 'outside.h5'}::virtual", "y")
    assert np.array_equal(pictures.raw(f"{tmp_path / 'outside.h5'}::own", "y"), CUBE)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matlab(tmp_path, version):
    """Arrays are as MATLAB shows them: the third index is the slice, in either version."""
    image = np.moveaxis(CUBE, 0, 2).astype(float)
    field = image[:, :, 0] + 2j
    path = tmp_path / "scan.mat"
    if version == "5":
        held = {"img": image, "field": field, "name": "a scan", "cell": np.array([{}], object)}
        scipy.io.savemat(path, held, do_compression=True)
    else:
        with h5py.File(path, "w", userblock_size=512) as file:  # what MATLAB writes
            file["img"] = image.T
            pairs = np.zeros(field.T.shape, [("real", "f8"), ("imag", "f8")])
            pairs["real"], pairs["imag"] = field.T.real, field.T.imag
            file["field"] = pairs
            file["name"] = np.frombuffer("a scan".encode("utf-16-le"), "<u2")
            file["name"].attrs["MATLAB_class"] = np.bytes_("char")
            file["#refs#/a"] = np.eye(3)
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(BadInputError, match=r"holds 2 datasets: .*img \(6×7×5 float64\)"):
        pictures.load(path)
    assert np.array_equal(pictures.raw(f"{path}::dataset=img", "y"), image)
    assert np.array_equal(pictures.raw(f"{path}::dataset=field", "y"), field)
    found = pictures.load(f"{path}::dataset=img,slice=4", range=(0, 4095))
    assert np.allclose(found.x[0, 0] * 4095, image[:, :, 4], atol=1e-3)
    volume = pictures.load(f"{path}::dataset=img", kind="volume", range=(0, 4095))
    assert np.allclose(volume.x[0, 0] * 4095, CUBE, atol=1e-3)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_mask_of_matlab_is_white(tmp_path, version):
    """Logical numbers are stored as bytes 0 and 1, which as brightness would be black; what
    MATLAB's newer files keep of empty and sparse arrays are no arrays."""
    seen = RNG.random((6, 7)) > 0.5
    path = tmp_path / "mask.mat"
    if version == "5":
        scipy.io.savemat(path, {"seen": seen, "sparse": scipy.sparse.csr_array(seen * 1.0)})
    else:
        with h5py.File(path, "w") as file:
            file["seen"] = seen.T.astype(np.uint8)
            file["seen"].attrs["MATLAB_class"] = np.bytes_("logical")
            file["empty"] = np.zeros(2, np.uint64)
            file["empty"].attrs["MATLAB_empty"] = np.uint8(1)
            file["sparse/data"], file["sparse/ir"] = np.ones(3), np.arange(3)
            file["sparse"].attrs["MATLAB_sparse"] = np.uint64(6)
    assert np.array_equal(pictures.load(path).x[0, 0], seen)
    assert pictures.raw(path, "y").dtype == torch.bool


def test_spectra_of_matlab(tmp_path):
    """Bands are last, as the shape says that is asked for."""
    bands = RNG.random((6, 7, 20))
    scipy.io.savemat(tmp_path / "pines.mat", {"pines": bands})
    found = pictures.load(tmp_path / "pines.mat", (20, 6, 7))
    assert np.allclose(found.x[0], bands.transpose(2, 0, 1))
    assert found.names == ["pines"]


def test_the_sky(tmp_path):
    """BSCALE and BZERO are applied, what is BLANK is missing, and units have names."""
    path = tmp_path / "sky.fits"
    counts = RNG.integers(0, 65536, (6, 7)).astype(np.uint16)
    masked = np.arange(42, dtype=np.int16).reshape(6, 7)
    blank = fits.ImageHDU(masked, name="BLANKED")
    blank.header["BLANK"] = 0
    units = [fits.PrimaryHDU(), fits.ImageHDU(counts, name="SCI"), blank]
    fits.HDUList(units).writeto(path)
    with pytest.raises(BadInputError, match=r"2 datasets: SCI \(6×7 int16\), BLANKED \(6×7 int16"):
        pictures.load(path)
    found = pictures.raw(f"{path}::dataset=sci", "y")[0, 0]
    assert np.array_equal(found, counts)
    missing = pictures.raw(f"{path}::dataset=BLANKED", "y")[0, 0].numpy()
    assert np.isnan(missing).sum() == 1
    assert np.array_equal(missing.flat[1:], masked.flat[1:])
    with pytest.raises(BadInputError, match=r"NaN or infinite. Got 1 of 42, .* Try: y=…, the same"):
        pictures.load(f"{path}::dataset=BLANKED", range="auto")
    numbers = [fits.PrimaryHDU(), fits.ImageHDU(CUBE[0], name="2"), fits.ImageHDU(CUBE[1])]
    fits.HDUList(numbers).writeto(tmp_path / "numbers.fits")
    for number in (1, 2):  # a name that is a number is no name
        found = pictures.raw(f"{tmp_path / 'numbers.fits'}::{number}", "y")
        assert exact(found[0, 0], CUBE[number - 1])
    fits.PrimaryHDU(CUBE * 0.5).writeto(tmp_path / "cube.fits")
    third = pictures.load(f"{tmp_path / 'cube.fits'}::slice=2", range=(0, 4096))
    assert np.allclose(third.x[0, 0] * 4096, CUBE[2] * 0.5, atol=1e-3)
    stored = fits.ImageHDU(CUBE[0])
    stored.scale("int16", bscale=2.0, bzero=7)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(CUBE[0])]).writeto(tmp_path / "c.fits.fz")
    assert exact(pictures.raw(tmp_path / "c.fits.fz", "y")[0, 0], CUBE[0])


@pytest.mark.parametrize("kind", ["u2 colour", "u4", "i2", "f8", "i4 pages", "zlib", "imagej"])
def test_deep_tiff(tmp_path, kind):
    path = tmp_path / "a.tif"
    colour = RNG.integers(0, 65536, (6, 7, 3)).astype(np.uint16)
    if kind == "imagej":  # pages in one block, which only the first of them describes
        values = RNG.integers(0, 9999, (3, 6, 7)).astype(np.uint16)
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "ZYX"})
        found, expected = pictures.raw(f"{path}::slice=1", "y")[0, 0], values[1]
    elif kind in ("u2 colour", "zlib"):
        how = {"compression": "zlib"} if kind == "zlib" else {}
        tifffile.imwrite(path, colour, photometric="rgb", **how)
        found, expected = pictures.load(path).x[0] * 65535, colour.transpose(2, 0, 1)
    elif kind == "i4 pages":
        values = RNG.integers(-(2**20), 2**20, (3, 6, 7)).astype(np.int32)
        tifffile.imwrite(path, values, photometric="minisblack")
        found, expected = pictures.raw(f"{path}::frame=2", "y")[0, 0], values[2]
    else:
        expected = (1e4 * RNG.random((6, 7)) - (0 if kind == "u4" else 5e3)).astype(kind)
        tifffile.imwrite(path, expected)
        found = pictures.raw(path, "y")[0, 0]
    assert np.allclose(np.asarray(found, float), expected, rtol=1e-6, atol=1e-2)


def deep_png(values, *, interlaced=False):
    """A PNG of 16 bits, by the five filters of its standard in turn."""
    height, width, count = values.shape
    rows = values.astype(">u2").tobytes()
    step, length = 2 * count, 2 * count * width
    before, packed = bytearray(length), bytearray()
    for r in range(height):
        row, how = rows[r * length : (r + 1) * length], r % 5
        packed.append(how)
        for i, byte in enumerate(row):
            a = row[i - step] if i >= step else 0
            b, c = before[i], before[i - step] if i >= step else 0
            p = min((a, b, c), key=lambda q, s=a + b - c: abs(s - q))
            packed.append((byte - (0, a, b, (a + b) // 2, p)[how]) % 256)
        before = bytearray(row)
    kind = {2: 4, 3: 2, 4: 6}[count]
    parts = [b"\x89PNG\r\n\x1a\n"]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(packed))), (b"IEND", b"")):
        parts += [struct.pack(">I", len(data)), name + data]
        parts += [struct.pack(">I", zlib.crc32(name + data))]
    return b"".join(parts)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_of_16_bits(tmp_path, channels):
    """0x12ff stays 0x12ff in colour, and beside an opacity."""
    values = RNG.integers(0, 65536, (11, 7, channels)).astype(np.uint16)
    values[0, 0] = 0x12FF
    path = tmp_path / "deep.png"
    if channels != 3:
        values[..., -1] = 65535
    path.write_bytes(deep_png(values))
    shown = values if channels == 3 else values[..., :-1]
    found = pictures.load(path).x[0] * 65535
    assert np.allclose(found, shown.transpose(2, 0, 1), atol=0.01)
    small = pictures.load(path, (3, 4, 4)).x
    assert small.shape == (1, 3, 4, 4)
    if channels != 3:
        values[..., -1] = 0
        path.write_bytes(deep_png(values))
        assert float(pictures.load(path).x.min()) == 1  # over white


def test_twelve_bits_are_said(tmp_path, caplog):
    """Dark as they are without a range, and with a word; right with one."""
    values = (RNG.random((6, 7)) * 4000).astype(np.uint16)
    values[0, 0] = 4000
    Image.fromarray(values).save(tmp_path / "camera.png")
    for source in (tmp_path / "camera.png", values):
        caplog.clear()
        assert float(pictures.load(source).x.max()) < 0.07
        assert "Try: range=(0, 4095), if it has 12 bits" in caplog.text
        caplog.clear()
        found = pictures.load(source, range=(0, 4095))
        assert np.allclose(found.x[0, 0] * 4095, values, atol=1e-3)
        assert caplog.text == ""
    pictures.load(values * 16)
    assert caplog.text == ""


def test_a_name_with_colons_is_a_name(tmp_path):
    """A file is what its name says; what follows '::' is a pick only where there is no such one."""
    values = np.full((6, 7), 0.5, np.float32)
    np.save(tmp_path / "a::slice=3.npy", values)
    assert pictures.load(tmp_path / "a::slice=3.npy").x.shape == (1, 1, 6, 7)
    with pytest.raises(BadInputError, match=r"After '::' come dataset=NAME.* Got 'slce=3'. Try"):
        pictures.load(f"{sample('rtdose.dcm')}::slce=3")
    for wrong in ("slice=-1", "slice=", "slice=1,slice=2", "slice=1.5", "frame=²", "x,y"):
        with pytest.raises(BadInputError, match="After '::' come"):
            pictures.load(f"{sample('rtdose.dcm')}::{wrong}")
    with pytest.raises(BadInputError, match=r"There is no file .*nowhere.nii"):
        pictures.load(tmp_path / "nowhere.nii::slice=3")
    for source, many in ((values, "a ndarray"), (tmp_path / "a::slice=3.npy", "npy")):
        with pytest.raises(BadInputError, match=rf"pick from a file .*{many}.* Got slice=1"):
            pictures.load(source, slice=1)
    with pytest.raises(BadInputError, match=r"holds no several slices. Got slice=1. Try"):
        pictures.load(f"{sample('CT_small.dcm')}::slice=1")


def test_a_folder_of_slices(tmp_path):
    """As a folder of pictures, or as a volume in the order in which they lie."""
    file = pydicom.dcmread(sample("MR_small.dcm"))
    positions = {"b": 0.0, "a.dcm": 5.0, "c.dcm": 2.5}
    for name, z in positions.items():
        file.ImagePositionPatient = [0, 0, z]
        file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        file.PixelData = np.full((64, 64), int(z * 100) + 1, "<i2").tobytes()
        file.save_as(tmp_path / name)
    found = pictures.load(tmp_path, range=(0, 1000))
    assert found.names == ["a", "b", "c"]
    assert np.allclose(found.x[:, 0, 0, 0] * 1000, [501, 1, 251])
    volume = pictures.load(tmp_path, kind="volume", range=(0, 1000))
    assert volume.x.shape == (1, 1, 3, 64, 64)
    assert np.allclose(volume.x[0, 0, :, 0, 0] * 1000, [1, 251, 501])
    file.SeriesInstanceUID = "1.2.3"
    file.save_as(tmp_path / "other.dcm")
    with pytest.raises(BadInputError, match="holds 2 series of DICOM slices"):
        pictures.load(tmp_path, kind="volume", range=(0, 1000))


def test_ranges():
    """(values − lo)/(hi − lo), of any type of number; what lies outside is counted."""
    for dtype in ("i2", "u2", "i4", "f4", "f8", "i8"):
        values = np.array([[0, 1000], [2000, 4000]], dtype)
        found = pictures.load(values, range=(-1000, 4000))
        assert np.allclose(found.x[0, 0], (values + 1000.0) / 5000)
        assert (found.range.lo, found.range.hi) == (-1000, 4000)
    byte = np.array([[10, 20], [30, 40]], np.uint8)
    assert np.allclose(pictures.load(byte, range=(10, 40)).x[0, 0], (byte - 10.0) / 30)
    assert np.allclose(pictures.load(Image.fromarray(byte), range=(10, 40)).x.max(), 1)
    assert pictures.load(byte).range is None
    with pytest.raises(
        BadInputError,
        match=r"range is \(15, 40\), and 1 of 4 values lie outside. Got values from 10 to 40. Try: "
        r"range=\(10, 40\), range='auto', or clip=True",
    ):
        pictures.load(byte, range=(15, 40))
    clipped = pictures.load(byte, range=(15, 30), clip=True).x
    assert np.allclose(clipped[0, 0], [[0, 1 / 3], [1, 1]])
    auto = pictures.load([byte, byte + 50], range="auto")
    assert (auto.range.lo, auto.range.hi) == (10, 90)  # of all together
    assert float(auto.x[0].max()) == pytest.approx(30 / 80)
    field = pictures.load(np.array([[3 + 4j, 1]]), range="auto")  # of its sizes
    assert (field.range.lo, field.range.hi, field.kind.name) == (0, 5, "complex")
    signal = pictures.load(np.array([[-3.0, 5.0]]), (1, 2), range="auto")
    assert signal.x.tolist() == [[[0, 1]]]
    for given, words in {
        "wide": r"range is \(lo, hi\), two numbers, or 'auto'. Got 'wide'",
        "12": "two numbers",
        (1, 2, 3): r"two numbers, or 'auto'. Got \(1, 2, 3\)",
        (2, 1): "two finite numbers, the lower one first",
        (0, float("nan")): "two finite numbers",
    }.items():
        with pytest.raises(BadInputError, match=words):
            pictures.load(byte, range=given)
    with pytest.raises(BadInputError, match=r"from the least .* Got 7 everywhere. Try: range="):
        pictures.load(np.full((4, 4), 7), range="auto")
    with pytest.raises(BadInputError, match="clip is about values outside of a range"):
        pictures.load(byte, clip=True)
    with pytest.raises(BadInputError, match="needs values that are finite"):
        pictures.load(np.full((4, 4), np.nan), range="auto")


def test_a_package_that_is_missing(nifti, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(
        MismatchError, match=r"A NIfTI file needs the package nibabel. Try: .*priorkit\[formats\]"
    ):
        pictures.load(nifti)
