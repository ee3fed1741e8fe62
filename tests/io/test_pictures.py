"""Pictures in, of every kind, and out again."""

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


@pytest.mark.parametrize(("channels", "rows", "columns"), [(2, 1, 2), (4, 2, 2), (5, 2, 3)])
def test_no_channel_of_a_picture_is_left_out(channels, rows, columns):
    """Each is at its place, found again by slicing; where there are no more it is white."""
    x = torch.arange(channels * 6).view(channels, 2, 3)
    shown = np.asarray(pictures.to_pil(x / 255))
    assert shown.shape == (2 * rows, 3 * columns)
    for k in range(rows * columns):
        top, left = 2 * (k // columns), 3 * (k % columns)
        expected = x[k].numpy() if k < channels else np.full((2, 3), 255)
        assert np.array_equal(shown[top : top + 2, left : left + 3], expected)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (np.full((4, 4, 3), 200.0), "x / 255"),
        (np.full((4, 4, 3), -0.5), r"\(x \+ 1\) / 2"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.zeros((2, 2, 2, 2, 2)), "dimensions"),
        (np.zeros((0, 4, 3)), "dimensions"),
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
