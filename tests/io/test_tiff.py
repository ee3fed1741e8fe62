"""TIFF and deep PNG: how they lie, what their pages are, and opacity; frames have a size each."""

import struct
import sys
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

import priorkit
from priorkit.errors import BadInputError
from priorkit.io import pictures
from tests.io.test_formats import deep_png

RNG = np.random.default_rng(6)
DEEP = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("turn", UPRIGHT)
@pytest.mark.parametrize("values", [DEEP, DEEP >> 8, np.stack([DEEP] * 3, 2), DEEP.astype("u4")])
def test_a_tiff_is_turned_upright(tmp_path, turn, values):
    """However deep, packed or not, and whoever reads it: Pillow, tifffile."""
    values = values.astype("u1") if values.max() < 256 else values
    for packed in (None, "zlib"):
        path = tmp_path / "camera.tif"
        photometric = "rgb" if values.ndim == 3 else "minisblack"
        tag = (274, "H", 1, turn, True)
        tifffile.imwrite(path, values, photometric=photometric, compression=packed, extratags=[tag])
        expected = UPRIGHT[turn](values)
        expected = expected.transpose(2, 0, 1) if values.ndim == 3 else expected[None]
        assert np.array_equal(pictures.raw(path, "y")[0].numpy(), expected)
    found = pictures.load(path, range="auto")
    assert found.sources[0].size == expected.shape[1:] == found.x.shape[2:]


def test_a_deep_png_is_turned_upright(tmp_path):
    data = deep_png(np.stack([DEEP] * 3, 2))
    exif = Image.Exif()
    exif[274] = 6
    block = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
    (tmp_path / "phone.png").write_bytes(data[:33] + chunk + data[33:])
    found = pictures.raw(tmp_path / "phone.png", "y")
    assert np.array_equal(found[0, 0].numpy(), np.rot90(DEEP, -1))


def test_numbers_below_0_of_8_bits(tmp_path):
    values = RNG.integers(-128, 128, (6, 9)).astype(np.int8)
    tifffile.imwrite(tmp_path / "change.tif", values)
    assert np.array_equal(pictures.raw(tmp_path / "change.tif", "y")[0, 0].numpy(), values)


@pytest.mark.parametrize("program", ["ImageJ", "OME"])
def test_pages_of_a_microscope_are_what_it_says(tmp_path, program):
    """Slices and colours, which Pillow would take for so many frames."""
    values = RNG.integers(0, 65536, (2, 3, 6, 9)).astype(np.uint16)
    path = tmp_path / "cells.tif"
    how = {"imagej": True} if program == "ImageJ" else {"ome": True}
    tifffile.imwrite(path, values, metadata={"axes": "ZCYX"}, **how)
    with pytest.raises(BadInputError, match="holds 2 slices of 6×9"):
        pictures.load(path)
    found = pictures.load(path, kind="volume", range=(0, 65535)).x
    assert np.allclose(found[0] * 65535, values.swapaxes(0, 1), atol=0.01)


@pytest.mark.parametrize("kind", ["f4", "u2", "f8"])
@pytest.mark.parametrize("last", [False, True])
def test_pages_are_channels_where_the_shape_says_so(tmp_path, kind, last):
    """Whoever reads them, in the layout of either writer; they had been frames, one to be picked.
    A file that says what its axes are isn't asked."""
    values = (RNG.random((5, 9, 12)) * (1 if kind[0] == "f" else 60000)).astype(kind)
    path = tmp_path / "bands.tif"
    tifffile.imwrite(path, values.transpose(1, 2, 0) if last else values)
    words = r"holds \d+ frames of .*kind='volume', or shape=\(5, 9, 12\) where they are channels$"
    for read in (pictures.load, lambda path: pictures.raw(path, "y")):
        with pytest.raises(BadInputError, match=words):
            read(path)
    expected = values / 65535 if kind == "u2" else values
    found = pictures.load(path, (5, 9, 12)).x
    assert np.allclose(found[0].numpy(), expected, atol=1e-6)
    ranged = pictures.load(path, (5, 9, 12), range="auto")
    assert float(ranged.x.min()) == 0.0
    assert float(ranged.x.max()) == 1.0
    raw = pictures.raw(path, "y", shape=(5, 9, 12)).numpy()
    assert np.array_equal(raw, values.transpose(1, 2, 0) if last else values)
    with pytest.raises(BadInputError, match="frames of"):
        pictures.raw(path, "y", shape=(4, 9, 12))
    assert pictures.raw(f"{path}::frame=0", "y", shape=(5, 9, 12)).shape[1] == 1
    if not last:
        volume = pictures.load(path, kind="volume", range="auto")
        assert volume.x.shape == (1, 1, 5, 9, 12)


def test_a_spectrum_in_pages_is_recovered(tmp_path):
    values = RNG.random((5, 16, 12)).astype(np.float32)
    settings = {"prior": "none", "op": "identity", "penalty": "tv", "gamma": 0.01, "budget": 3}
    settings |= {"sigma": 0.1, "shape": (5, 16, 12)}
    expected = priorkit.recover(y=values, **settings).x
    for name, pages in {"first": values, "last": values.transpose(1, 2, 0)}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", pages)
        found = priorkit.recover(y=tmp_path / f"{name}.tif", **settings).x
        assert bool((found == expected).all())


def test_what_is_transparent_has_a_range(tmp_path, caplog):
    """That of its colours over white, in the numbers of the file; where it is opaque, theirs."""
    values = RNG.integers(1000, 60000, (6, 9, 4)).astype(np.uint16)
    values[..., 3] = 65535
    (tmp_path / "opaque.png").write_bytes(deep_png(values))
    found = pictures.load(tmp_path / "opaque.png", range="auto")
    assert (found.range.lo, found.range.hi) == (values[..., :3].min(), values[..., :3].max())
    assert not caplog.records
    values[0, 0, 3] = 0
    (tmp_path / "hole.png").write_bytes(deep_png(values))
    found = pictures.load(tmp_path / "hole.png", range="auto")
    assert found.range.hi == 65535
    assert bool((found.x[0, :, 0, 0] == 1).all())
    assert "partly transparent" in caplog.text


def test_each_frame_has_a_size_of_its_own(tmp_path, monkeypatch):
    """A small page in front of a large one hides nothing, and of a long film one frame is small."""
    monkeypatch.setattr("priorkit.io.frames.MAX_WHOLE", 1000)
    monkeypatch.setattr("priorkit.io.frames.MAX_PIXELS", 2000)
    path = tmp_path / "pages.tif"
    small, large = Image.new("L", (8, 8)), Image.new("L", (60, 50))
    small.save(path, save_all=True, append_images=[large])
    for how in ({}, {"shape": (1, 8, 8)}, {"kind": "volume"}):
        with pytest.raises(BadInputError, match=r"more than 0 million pixels. Got 60×50"):
            pictures.load(f"{path}::frame=1", **how)
    with pytest.raises(BadInputError, match=r"not of one size and type. Try: .*::frame=0"):
        pictures.load(path, kind="volume")
    film = tmp_path / "film.tif"
    small.save(film, save_all=True, append_images=[small.copy() for _ in range(20)])
    with pytest.raises(BadInputError, match="Got 8×8, 21 frames"):
        pictures.load(film, kind="volume")
    assert pictures.load(f"{film}::frame=7", kind="volume").x.shape == (1, 1, 1, 8, 8)


WHITE = {
    "bool": (DEEP > 30000, lambda a: ~a),
    "uint8": ((DEEP >> 8).astype("u1"), lambda a: 255 - a),
    "uint16": (DEEP, lambda a: 65535 - a),
    "uint16, the other way round": (DEEP.astype(">u2"), lambda a: 65535 - a),
    "uint32": (DEEP.astype("u4") << 16, lambda a: 2**32 - 1 - a),
    "float32": ((DEEP / 65535).astype("f4"), lambda a: 1 - a),
    "float64": (DEEP / 65535, lambda a: 1 - a),
}


@pytest.mark.parametrize("kind", WHITE)
def test_white_may_be_zero(tmp_path, kind, caplog):
    """However deep, as Pillow has it of 8 bits: what is bright in the file is bright here."""
    values, positive = WHITE[kind]
    order = ">" if values.dtype.byteorder == ">" else "<"
    how = {"photometric": "miniswhite", "byteorder": order}
    tifffile.imwrite(tmp_path / "negative.tif", values, **how)
    tag = (274, "H", 1, 6, True)
    tifffile.imwrite(tmp_path / "turned.tif", values, **how, extratags=[tag])
    expected = positive(values)
    found = pictures.raw(tmp_path / "negative.tif", "y")[0, 0].numpy()
    assert np.array_equal(found, expected)
    assert np.array_equal(pictures.raw(tmp_path / "turned.tif", "y")[0, 0], np.rot90(expected, -1))
    if kind != "uint32":
        white = 1 if values.dtype.kind in "bf" else 2 ** (8 * values.dtype.itemsize) - 1
        picture = pictures.load(tmp_path / "negative.tif").x[0, 0].numpy()
        assert np.allclose(picture, expected / white, atol=1e-6)
    assert all(record.levelname == "INFO" for record in caplog.records)
    assert ("are turned about" in caplog.text) == (values.dtype.kind == "u" and kind != "uint8")


def test_twelve_bits_of_which_0_is_white_are_said(tmp_path, caplog):
    """Nobody had said that they are turned about by the 16 bits of the file, nor their range."""
    values = (DEEP >> 4).astype("u2")
    values[0, 0] = 4000
    tifffile.imwrite(tmp_path / "plate.tif", values, photometric="miniswhite")
    with pytest.raises(BadInputError, match="The range is"):
        pictures.load(tmp_path / "plate.tif", range=(0, 4095))
    said = caplog.messages[0]
    assert said.startswith("plate.tif says that 0 is white (WhiteIsZero): its numbers v are turned")
    assert "65535 − v, " in said
    assert said.endswith("Try: range=(61440, 65535), if they have 12 bits")
    found = pictures.load(tmp_path / "plate.tif", range=(61440, 65535)).x[0, 0].numpy()
    assert np.allclose(found, 1 - values / 4095, atol=1e-6)


def test_white_may_be_zero_beside_opacity(tmp_path, caplog):
    """Which isn't turned; its colour goes over white."""
    values = np.stack([DEEP, np.full_like(DEEP, 65535)], 2)
    how = {"photometric": "miniswhite", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "layer.tif", values, **how)
    how |= {"planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(values, 2, 0), **how)
    caplog.set_level("INFO", logger="priorkit")
    for name in ("layer.tif", "planes.tif"):
        found = pictures.raw(tmp_path / name, "y")[0, 0].numpy()
        assert np.array_equal(found, 65535 - DEEP)
        assert f"from {65535 - DEEP.max()} to {65535 - DEEP.min()}." in caplog.text
        caplog.clear()


@pytest.mark.parametrize("values", [DEEP.astype("f4"), DEEP.astype("i2")])
def test_nobody_knows_what_black_is_of_some_numbers(tmp_path, values, caplog):
    tifffile.imwrite(tmp_path / "heights.tif", values, photometric="miniswhite")
    assert np.array_equal(pictures.raw(tmp_path / "heights.tif", "y")[0, 0].numpy(), values)
    (said,) = caplog.messages
    assert said.startswith("heights.tif says that 0 is white (WhiteIsZero), and not what black is")


@pytest.mark.parametrize("values", [DEEP, (DEEP / 65535).astype("f4")])
def test_a_file_is_opened_once(tmp_path, values, monkeypatch):
    """To learn whether it held floats, it had been opened again."""
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path)
    opened, whole = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(a) or whole(*a, **k))
    for count, shape in enumerate((None, (1, 4, 4)), 1):
        (source,) = pictures.load(path, shape).sources
        assert source.whole == (values.dtype.kind == "u")
        assert len(opened) == count


@pytest.mark.parametrize("values", [DEEP, (DEEP / 65535).astype("f4")])
def test_white_may_be_zero_without_another_package(tmp_path, values, monkeypatch):
    """Pillow gives such numbers as they are: tifffile had been needed to turn them about."""
    path = tmp_path / "negative.tif"
    Image.fromarray(values).save(path, tiffinfo={262: 0, 274: 6})
    monkeypatch.setitem(sys.modules, "tifffile", None)
    white = 65535 if values.dtype.kind == "u" else 1
    found = pictures.raw(path, "y")[0, 0].numpy()
    assert found.dtype == values.dtype
    assert np.array_equal(found, np.rot90(white - values, -1))
    shown = pictures.load(path).x[0, 0].numpy()
    assert np.allclose(shown, np.rot90(1 - values / white, -1), atol=1e-6)
