"""Training pictures of anybody's: what is used of them and how, and what is named and left out."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_realnvp.basis import matrix
from priorkit_realnvp.data import Patches

from priorkit.io.pictures import load
from priorkit.training.dataset import TrainingPictures


def picture(side=16):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "gray").save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_named_like_a_picture_and_is_none(tmp_path):
    """Counted and named; the rest is used."""
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "b.png").write_bytes(picture()[:-40])
    (tmp_path / "c.png").write_text("words")
    (tmp_path / "d.png").mkdir()
    (tmp_path / "e.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "f.png").symlink_to(tmp_path / "a.png")
    os.mkfifo(tmp_path / "g.png")
    (tmp_path / "h.png").write_bytes(b"")
    (tmp_path / "i.png").symlink_to("/dev/zero")
    found = TrainingPictures(tmp_path, (8, 8))
    assert found.names == ["a.png", "f.png"]
    assert set(found.skipped) == {f"{name}.png" for name in "bcdeghi"}
    assert found.skipped["d.png"] == found.skipped["g.png"] == "not a file"
    assert found.skipped["e.png"] == "a link that leads nowhere"
    assert "not a picture" in found.skipped["b.png"]


def test_a_zip_of_anybodys(tmp_path):
    """Encrypted and damaged members are named; names lead nowhere; one change is noticed."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.png", "../../b.png", "/etc/c.png", "d.png", "e.png"):
            archive.writestr(name, picture())
    data = bytearray(path.read_bytes())
    for name, offset in (("d.png", 8), ("e.png", None)):
        place = data.rfind(name.encode()) - 46  # its entry in the central directory
        if offset is not None:
            data[place + offset] |= 1  # encrypted
        else:
            data[place + 16] ^= 1  # another checksum
    path.write_bytes(data)
    found = TrainingPictures(path, (8, 8))
    assert found.names == ["../../b.png", "/etc/c.png", "a.png"]
    assert found.skipped["d.png"] == "encrypted"
    assert "damaged in the zip" in found.skipped["e.png"]
    digest = found.digest
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.png", "../../b.png", "/etc/c.png"):
            archive.writestr(name, picture())
    assert TrainingPictures(path, (8, 8)).digest == digest
    for nothing in (b"", b"PK\5\6" + bytes(18), bytes(data[:200])):
        path.write_bytes(nothing)
        with pytest.raises(ValueError, match=r"neither a folder nor a zip|No pictures in"):
            TrainingPictures(path, (8, 8))


def test_what_is_left_out_is_said(tmp_path, command_line):
    (tmp_path / "in").mkdir()
    for i in range(6):
        (tmp_path / "in" / f"{i}.png").write_bytes(picture())
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    words = ["--size", "8", "--levels", "1", "--steps", "1", "--width", "4", "--validation", "0"]
    words += ["--iterations", "1", "--batch", "2", "--out", tmp_path / "out"]
    done = command_line("train", "realnvp", "--data", tmp_path / "in", *words)
    assert done.code == 0, done.err
    assert "1 file left out, listed in skipped.json: bad.png: not a picture" in done.err
    assert "bad.png" in json.loads((tmp_path / "out" / "skipped.json").read_text())


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("kind", ["16 bits", "transparent", "palette", "gray", "turned"])
def test_a_picture_is_that_which_is_recovered(kind, suffix, tmp_path):
    """To a grey level, since these are of 8 bits."""
    rng = np.random.default_rng(0)
    path = tmp_path / f"x.{suffix}"
    colours = rng.integers(0, 256, (12, 12, 4), dtype=np.uint8)
    if kind == "16 bits":
        Image.fromarray(rng.integers(0, 1 << 16, (12, 12), dtype=np.uint16)).save(path)
    elif kind == "transparent":
        Image.fromarray(colours).save(path)
    elif kind == "palette":
        Image.fromarray(colours[..., :3]).quantize(16).save(path)
    elif kind == "gray":
        Image.fromarray(colours[..., 0]).save(path)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(colours[..., :3]).save(path, exif=exif)
    found = TrainingPictures(tmp_path, (12, 12)).crop(0).float() / 255
    expected = load(path, (3, 12, 12)).x[0]
    assert float((found - expected).abs().max()) <= 0.5 / 255 + 1e-6
    assert float(found.std()) > 0.1


def test_numbers_without_a_brightness_are_left_out(tmp_path):
    for name, dtype in (("a", np.float32), ("b", np.int32)):
        Image.fromarray(np.ones((9, 9), dtype)).save(tmp_path / f"{name}.tif")
    with pytest.raises(ValueError, match="mode F, and not 8 or 16 bits"):
        TrainingPictures(tmp_path, (8, 8))


def test_smaller_pictures_are_enlarged_with_a_word(tmp_path, caplog):
    for name, side in (("a", 16), ("b", 7), ("c", 8)):
        (tmp_path / f"{name}.png").write_bytes(picture(side))
    TrainingPictures(tmp_path, (8, 8))
    assert "1 of 3 pictures are smaller than 8×8 and enlarged" in caplog.text
    caplog.clear()
    found = TrainingPictures(tmp_path, (8, 8), least=8)
    assert found.skipped == {"b.png": "7×7 pixels, a side shorter than 8"}
    assert not caplog.text
    found = TrainingPictures(tmp_path, (2, 2), (1, 2, 8, 8))
    assert found.skipped == {"b.png": "7×7 pixels, less than the box 1 2 8 8"}


def test_what_is_no_picture_is_said_without_an_address(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.png", picture())
        archive.writestr("b.png", "words")
    found = TrainingPictures(tmp_path / "x.zip", (8, 8))
    assert found.skipped == {"b.png": "not a picture that can be read: of no known kind"}


def test_patches_are_of_their_pictures(tmp_path):
    """None reaches over the edge into the next picture, or into one that is smaller than it."""
    for i, (height, width) in enumerate([(6, 6), (4, 90), (6, 40), (9, 7)]):
        Image.new("RGB", (width, height), (60 * i,) * 3).save(tmp_path / f"{i}.png")
    found = Patches(tmp_path, 6)
    assert found.skipped == {"1.png": "90×4 pixels, a side shorter than 6"}
    rng = np.random.default_rng(0)
    drawn = found.batch([*range(len(found))] * 50, rng) @ matrix(6).float().T
    levels = (256 * drawn).floor()
    assert torch.equal(levels.amax(1).sub(levels.amin(1)) <= 1, torch.ones(len(drawn)) > 0)
    assert set((levels.mean(1) / 60).round().tolist()) == {0.0, 2.0, 3.0}
