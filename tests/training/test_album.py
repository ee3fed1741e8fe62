"""Decoded pictures beside each other, and the windows that a batch is made of."""

import tempfile

import numpy as np
import pytest
import torch
from PIL import Image

from priorkit.training import album as module
from priorkit.training.album import Album, Framings, made
from priorkit.training.dataset import TrainingPictures
from tests.helpers import smooth_pictures

CPU = torch.device("cpu")
SIZES = [(9, 14), (8, 8), (20, 11)]


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.integers(0, 256, (3, *s), dtype=np.uint8)) for s in SIZES]


def test_windows_are_those_of_the_pictures(pictures):
    """At every place, turned in all eight ways."""
    album = Album(pictures, CPU)
    rng = np.random.default_rng(1)
    numbers = rng.integers(3, size=200)
    tops = rng.integers(album.heights[numbers] - 8 + 1)
    lefts = rng.integers(album.widths[numbers] - 8 + 1)
    turns = rng.random((200, 3)) < 0.5
    found = album.windows(numbers, tops, lefts, (8, 8), turns)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert {tuple(turn) for turn in turns.tolist()} == {tuple(i) for i in np.ndindex(2, 2, 2)}
    for x, number, top, left, turn in zip(found, numbers, tops, lefts, turns, strict=True):
        expected = pictures[number][:, top : top + 8, left : left + 8]
        expected = expected.flip([axis for axis in (1, 2) if turn[axis - 1]])
        assert torch.equal(x, expected.transpose(1, 2) if turn[2] else expected)


def test_windows_need_not_be_square(pictures):
    album = Album(pictures, CPU)
    where = np.array([0]), np.array([1]), np.array([2])
    found = album.windows(*where, (8, 5), np.array([[False, True, False]]))
    assert torch.equal(found[0], pictures[0][:, 1:9, 2:7].flip(2))


def test_there_may_be_none_to_cut(pictures):
    """A process whose share of a batch has none of these."""
    none = np.zeros(0, dtype=np.int64)
    found = Album(pictures, CPU).windows(none, none, none, (8, 8), np.zeros((0, 3), dtype=bool))
    assert found.shape == (0, 3, 8, 8)


@pytest.mark.parametrize(("bytes_free", "home"), [(1 << 20, "meta"), (100, "cpu")])
def test_they_are_on_the_device_where_it_has_room(pictures, bytes_free, home, monkeypatch):
    """Their windows are there in either case."""
    monkeypatch.setattr(module, "room", lambda device: bytes_free)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    album = Album(pictures, torch.device("meta"))
    assert album.pixels.device.type == home
    zero = np.zeros(1, dtype=np.int64)
    found = album.windows(zero, zero, zero, (8, 8), np.zeros((1, 3), dtype=bool))
    assert found.device.type == "meta"


def test_room_is_a_part_of_what_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 5000))
    assert module.room(torch.device("cuda")) == 400


def test_no_room_is_said(pictures, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

        def tell(self):
            return 5 << 20

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(ValueError, match=r"more room than .* more than 5 MiB: set TMPDIR"):
        Album(pictures, CPU)


def test_nothing_stays_in_the_temporary_folder(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    album = Album(pictures, CPU)
    assert not list(tmp_path.iterdir())
    assert torch.equal(album.pixels[:126].T.reshape(3, 9, 14), pictures[0])


def test_framings_are_boxes_near_the_given_one(tmp_path):
    """Each picture as it is, and three times moved by up to the shift; of a ramp the pixels say by
    how much."""
    ramp = np.zeros((40, 40, 3), dtype=np.uint8)
    ramp[..., 0], ramp[..., 1] = 6 * np.arange(40), 6 * np.arange(40)[:, None]
    for i in range(8):
        ramp[..., 2] = 30 * i
        Image.fromarray(ramp).save(tmp_path / f"{i}.png")
    pictures = TrainingPictures(tmp_path, (8, 8), (12, 12, 28, 28))
    framings = Framings(pictures, 8, 3.0, CPU)
    numbers = list(range(8)) * 40
    found = framings.batch(numbers, np.random.default_rng(0)).float()
    assert torch.equal(found[:, 2, 0, 0], 30.0 * torch.tensor(numbers))
    across = (found[:, 0, 4, 3] + found[:, 0, 4, 4]) / 2 - 6 * 19.5
    down = (found[:, 1, 3, 4] + found[:, 1, 4, 4]) / 2 - 6 * 19.5
    assert max(float(across.abs().max()), float(down.abs().max())) <= 6 * 3 + 1
    assert len(torch.stack([across, down], 1).unique(dim=0)) > 20  # of 1 + 8·3, some alike
    assert float((down.abs() < 0.6).float().mean()) == pytest.approx(0.25, abs=0.08)
    mirrored = found[:, 0, 0, 0] > found[:, 0, 0, 7]
    assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.1)
    part = framings.batch(numbers, np.random.default_rng(0), slice(7, 90))
    assert torch.equal(part.float(), found[7:90])


def test_without_a_shift_each_picture_is_there_once(tmp_path):
    pictures = TrainingPictures(smooth_pictures(tmp_path, 6, 12), (8, 8))
    framings = Framings(pictures, 4, 0.0, CPU)
    assert len(framings.album.heights) == 4
    for index, x in enumerate(framings.batch(range(4), np.random.default_rng(2))):
        plain = pictures.crop(index)
        assert torch.equal(x, plain) or torch.equal(x, plain.flip(2))


def test_made_keeps_the_order():
    assert list(made(lambda i: i * i, range(3, 50))) == [i * i for i in range(3, 50)]
