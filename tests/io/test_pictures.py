"""Pictures in, of every kind, and out again."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from priorkit.errors import BadInputError
from priorkit.io import pictures


def photograph():
    rows, columns = np.mgrid[0:30, 0:40]
    values = np.stack([rows * 8, columns * 6, rows + columns], -1).astype(np.uint8)
    return Image.fromarray(values)


def test_every_kind_of_picture_is_the_same(tmp_path):
    """A file, PIL, and numpy or torch in either layout and dtype."""
    image = photograph()
    image.save(tmp_path / "a.png")
    array = np.asarray(image)
    kinds = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        tmp_path,
        image,
        array,
        array.astype(np.float32) / 255,
        array.transpose(2, 0, 1),
        array[None],
        torch.from_numpy(array.transpose(2, 0, 1).copy())[None],
        [image],
    ]
    expected = pictures.load(image).x
    assert expected.shape == (1, 3, 30, 40)
    for kind in kinds:
        torch.testing.assert_close(pictures.load(kind).x, expected)


def test_framing_is_a_centred_square_with_antialiased_bilinear():
    x = pictures.load(photograph(), (3, 10, 10)).x
    by_hand = photograph().crop((5, 0, 35, 30)).resize((10, 10), Image.Resampling.BILINEAR)
    expected = torch.from_numpy(np.asarray(by_hand).transpose(2, 0, 1).copy()).float() / 255
    torch.testing.assert_close(x[0], expected)


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path):
    image = photograph()
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "a.png", exif=exif)
    assert pictures.load(tmp_path / "a.png").x.shape == (1, 3, 40, 30)


def test_pictures_come_out_as_they_went_in():
    x = pictures.load(photograph()).x
    assert np.array_equal(np.asarray(pictures.to_pil(x[0])), np.asarray(photograph()))


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (np.full((4, 4, 3), 200.0), r"range=\(0, 255\)"),
        (np.full((4, 4, 3), -0.5), r"Try: range=\(lo, hi\), or"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.zeros((2, 2, 2, 2, 2, 2)), "dimensions"),
        (np.zeros((0, 4, 3)), "No pictures given"),
        (np.zeros((4, 4, 3), dtype=np.int64), "uint16, or float"),
    ],
)
def test_values_that_are_no_picture(values, hint):
    with pytest.raises(BadInputError, match=hint):
        pictures.load(values)


def test_nothing_is_lost_of_16_bits(tmp_path):
    """Files and arrays of 16 bits, and masks of one."""
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(values).save(tmp_path / "deep.png")
    for source in (tmp_path / "deep.png", values, values.astype(">u2")):
        x = pictures.load(source).x
        assert np.allclose(x[0, 0].numpy() * 65535, values, atol=1e-2)
    assert pictures.load(tmp_path / "deep.png", (3, 4, 4)).x.shape == (1, 3, 4, 4)
    (tmp_path / "deep.pgm").write_bytes(b"P5\n8 8\n65535\n" + values.astype(">u2").tobytes())
    for source in (tmp_path / "deep.pgm", Image.open(tmp_path / "deep.pgm")):  # of mode I
        assert np.allclose(pictures.load(source).x[0, 0].numpy() * 65535, values, atol=1e-2)
    source.getexif()[0x0112] = 3  # half a turn
    turned = pictures.load(source).x[0, 0].numpy() * 65535
    assert np.allclose(turned, values[::-1, ::-1], atol=1e-2)
    assert set(pictures.load(np.eye(4, dtype=bool)).x.flatten().tolist()) == {0.0, 1.0}


def test_what_is_transparent_is_said(tmp_path, caplog):
    """Over white, with a word; an alpha that hides nothing needs none."""
    rgba = np.zeros((8, 8, 4), dtype=np.uint8)
    rgba[:4, :, 3] = 255
    Image.fromarray(rgba).save(tmp_path / "half.png")
    for source in (tmp_path / "half.png", rgba, Image.fromarray(rgba)):
        caplog.clear()
        x = pictures.load(source).x
        assert x.shape == (1, 3, 8, 8)
        assert x[0, :, :4].max() == 0
        assert x[0, :, 4:].min() == 1
        assert "partly transparent" in caplog.text
    caplog.clear()
    rgba[..., 3] = 255
    assert pictures.load(rgba).x.shape == (1, 3, 8, 8)
    assert caplog.text == ""


def test_gray_and_colour_are_brought_to_each_other():
    """With resize=True, arrays are treated as files are."""
    gray, colour = np.random.default_rng(0).random((30, 40)), np.asarray(photograph()) / 255
    assert pictures.load(gray, (3, 10, 10), resize=True).x.shape == (1, 3, 10, 10)
    made = pictures.load(colour.astype(np.float32), (1, 10, 10), resize=True).x
    file = pictures.load(photograph(), (1, 10, 10)).x
    assert float((made - file).abs().max()) < 0.01


@pytest.mark.parametrize(
    ("values", "shape"),
    [(np.zeros(5), (1, 5)), (np.zeros((2, 5)), (2, 5)), (np.zeros((4, 2, 5)), (2, 5))],
)
def test_signals(values, shape):
    x = pictures.load(values, shape).x
    assert tuple(x.shape[1:]) == shape
    with pytest.raises(BadInputError, match="Signals must be"):
        pictures.load(values, (3, 7))


def test_one_channel_needs_no_axis(tmp_path):
    """Where the kind says what an array is; what can't be is told with what could."""
    np.save(tmp_path / "ecg.npy", np.arange(5.0))
    for source in (np.arange(5.0), tmp_path / "ecg.npy"):
        assert pictures.load(source, kind="signal").x.tolist() == [[[0, 1, 2, 3, 4]]]
    assert pictures.load(tmp_path / "ecg.npy", kind="signal").names == ["ecg"]
    assert pictures.load(np.zeros((4, 6, 5)), kind="volume").x.shape == (1, 1, 4, 6, 5)
    for values, kind, said in (
        (np.float64(3), "signal", r"Got a single number. Try: an array of signals \(C, N\)"),
        (np.zeros(0), "signal", r"Got shape \(0,\). Try: an array of signals"),
        (np.float64(3), None, "or a torch tensor. Got a single number"),
        (np.zeros(5), None, r"Try: kind='signal', or shape=\(1, 5\)$"),
    ):
        with pytest.raises(BadInputError, match=said):
            pictures.load(values, kind=kind)


@pytest.mark.parametrize(
    ("low", "high", "hint"),
    [
        (0, 255, r"range=\(0, 255\), or range='auto'"),
        (0, 1000, r"range=\(0, 1023\), or range='auto'"),
        (0, 4095, r"range=\(0, 4095\), or range='auto'"),
        (0, 16383, r"range=\(0, 16383\), or range='auto'"),
        (0, 65535, r"range=\(0, 65535\), or range='auto'"),
        (0, 1e6, r"range=\(0, 1e\+06\), or range='auto'"),
        (0, 1.5, r"range=\(0, 1.5\), or range=\(0, 1\) and clip=True"),
        (-1, 1, r"range=\(-1, 1\), or range='auto'"),
        (-1000, 3000, r"range=\(-1000, 3000\), or range='auto'"),
    ],
)
def test_how_to_bring_values_to_the_range(low, high, hint, tmp_path):
    """By the bits that they were stored in, also those of a file; what is tried is a picture."""
    x = np.linspace(low, high, 64).reshape(8, 8)
    np.save(tmp_path / "x.npy", x)
    for source in (x, tmp_path / "x.npy"):
        with pytest.raises(BadInputError, match=f"Try: {hint}$") as caught:
            pictures.load(source)
        for tried in caught.value.try_.split(", or "):
            said = eval(f"dict({tried.replace(' and ', ', ')})")
            found = pictures.load(source, **said).x
            assert 0 <= float(found.min()) < 0.3 < 0.7 < float(found.max()) <= 1


def test_what_a_folder_holds_besides_is_told(tmp_path, caplog):
    """Files that can't be read by their name, and pictures of kinds that aren't read."""
    photograph().save(tmp_path / "a.png")
    photograph().save(tmp_path / "b.gif")
    photograph().save(tmp_path / "c.PPM")
    (tmp_path / "d.avif").write_bytes(b"...")
    (tmp_path / "notes.txt").write_text("no picture, and nobody thinks so")
    Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(tmp_path / "e.tif")
    found = pictures.load(tmp_path)
    assert found.names == ["a"]
    assert sorted(found.skipped) == ["b.gif", "c.PPM", "d.avif", "e.tif"]
    (said,) = caplog.messages
    assert said.startswith(f"Left out, 4 of the 5 files of {tmp_path}: e.tif: Pictures are bool, ")
    assert "(int32, values from 70000 to 70000); b.gif: .gif files are not read out of a" in said
    assert "Got int32, values from 70000 to 70000. Try: range=" in found.skipped["e.tif"]
    assert pictures.load(tmp_path / "b.gif").x.shape == (1, 3, 30, 40)  # by itself it is read
    (tmp_path / "a.png").unlink()
    (tmp_path / "e.tif").unlink()
    with pytest.raises(
        BadInputError,
        match=r"No pictures .* Got b.gif, c.PPM, d.avif. Try: .png .*formats\] .dcm .* .fits",
    ):
        pictures.load(tmp_path)


def test_a_picture_has_three_dimensions():
    """A shape of two is that of a signal: no picture file is one, and no array by accident."""
    said = (
        r"is \(channels, height, width\). Got shape=\(128, 128\), of signals. Try: shape=\(3, 128"
    )
    for source in (pictures.astronaut(), photograph()):
        with pytest.raises(BadInputError, match=said):
            pictures.load(source, (128, 128))
    with pytest.raises(BadInputError, match=r"of vectors. Try: shape=\(3, 64, 64\)"):
        pictures.load(photograph(), (100,))
    square = np.full((16, 20), 0.5)
    with pytest.raises(BadInputError, match=r"Try: shape=\(1, 16, 20\) for a picture, or x\[None"):
        pictures.load(square, (16, 20))
    assert pictures.load(square, (1, 16, 20)).x.shape == (1, 1, 16, 20)
    assert pictures.load(square[None], (16, 20)).x.shape == (1, 16, 20)
    assert pictures.load(square[:2], (2, 20)).x.shape == (1, 2, 20)  # no picture has two rows
    with pytest.raises(BadInputError, match=r"Signals are real numbers. Got complex"):
        pictures.load(np.zeros((2, 5), complex), (2, 5))


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA", "LAB", "HSV", "YCbCr", "CMYK", "P", "RGBX"])
def test_every_mode_of_pillow(mode):
    """White in any mode is white; what Pillow can't convert is refused."""
    image = Image.new(mode, (4, 4), 255 if mode == "P" else None)
    try:
        x = pictures.load(image).x
    except BadInputError as error:
        assert mode == "LAB"
        assert "The PIL image can't be read. Got mode LAB" in str(error)  # noqa: PT017
    else:
        assert x.shape[1] in (1, 3)
        assert 0 <= float(x.min()) <= float(x.max()) <= 1


def test_pillow_s_images_that_can_t_be_decoded():
    """Empty ones, and those of a file that ends early, which is found when they are used."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    cut = Image.open(io.BytesIO(buffer.getvalue()[:1000]))
    with pytest.raises(BadInputError, match=r"The PIL image can't be read. Got mode L, OSError"):
        pictures.load(cut)
    for mode in ("RGBA", "L"):
        with pytest.raises(BadInputError, match=r"The picture is empty. Got 0×0"):
            pictures.load(Image.new(mode, (0, 0)))


def test_a_picture_of_a_phone(tmp_path, monkeypatch):
    """HEIC is read alone and out of a folder; without its reader an error says what to install."""
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    Image.new("RGB", (40, 30), (200, 30, 60)).save(tmp_path / "a.HEIC", format="HEIF", quality=95)
    found = pictures.load(tmp_path / "a.HEIC").x
    assert found.shape == (1, 3, 30, 40)
    assert (found.mean((2, 3)) * 255 - torch.tensor([200.0, 30.0, 60.0])).abs().max() < 5
    assert pictures.load(tmp_path).names == ["a"]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadInputError, match=r"pillow-heif reads. Try: pip install 'priorkit\[form"):
        pictures.load(tmp_path / "a.HEIC")
