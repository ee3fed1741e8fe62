"""A folder of which some files can't be read: the others are recovered, and what is left out is
said once."""

import json
from html import escape

import numpy as np
import pytest
from PIL import Image

import priorkit
from priorkit.errors import BadInputError
from priorkit.io.pictures import load, raw
from priorkit.io.places import Files
from tests.bad_files import one_line

SETTINGS = {"op": "identity", "sigma": 0.1, "prior": "none", "penalty": "tv", "gamma": 0.02}
SETTINGS |= {"budget": 3}


@pytest.fixture
def folder(tmp_path):
    """Two pictures, and four files that are none."""
    place = tmp_path / "scans"
    place.mkdir()
    for name, seed in (("a.png", 0), ("d.png", 1)):
        values = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(values).save(place / name)
    (place / "b.png").write_bytes((place / "a.png").read_bytes()[:40])
    (place / "c.jpg").touch()
    (place / "e.png").symlink_to("gone.png")
    (place / "f.gif").write_bytes(b"GIF89a")
    return place


def test_measurements_of_which_some_are_damaged(folder, tmp_path, caplog):
    """They are left out as they are of a folder of images, which is said in one line, before
    anything is computed."""
    heard = []
    settings = {"out": tmp_path / "out", "progress": lambda *_: heard.append(caplog.messages)}
    found = priorkit.recover(y=folder, **settings, **SETTINGS)
    (said,) = [line for line in heard[0] if line.startswith("Left out")]
    assert said.startswith(f"Left out, 4 of the 6 files of {folder}: b.png is not a picture ")
    for words in ("c.jpg is not a picture that can be read (an empty file); ", "no file e.png; "):
        assert words in said
    assert "f.gif: .gif files are not read out of a folder. The run goes on with " in said
    assert found.names == ["a", "d"]
    assert list(found.skipped) == ["f.gif", "b.png", "c.jpg", "e.png"]
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["skipped"] == found.skipped
    whole = priorkit.recover(y=[folder / "a.png", folder / "d.png"], **SETTINGS)
    np.testing.assert_array_equal(found.x.numpy(), whole.x.numpy())


def test_a_folder_alone_is_denoised_all_the_same(folder, monkeypatch):
    """Of which nothing is said: then it is its own measurement."""
    ended = {}

    def solved(task, *_, **__):
        ended["names"] = task.names
        raise KeyboardInterrupt

    monkeypatch.setattr("priorkit.verbs.recover.solved", solved)
    with pytest.raises(KeyboardInterrupt):
        priorkit.recover(folder, sigma=0.1)
    assert ended["names"] == ["a", "d"]


def test_a_comparison_says_what_it_left_out(folder, tmp_path, caplog):
    settings = {name: value for name, value in SETTINGS.items() if name not in ("prior", "gamma")}
    found = priorkit.compare(y=folder, priors=["none"], gamma=0.02, **settings)
    assert list(found.skipped) == ["f.gif", "b.png", "c.jpg", "e.png"]
    assert "its result has the whole reasons" in caplog.text
    page = (found.save(tmp_path / "out") / "report.html").read_text()
    assert [reason for reason in found.skipped.values() if escape(reason) not in page] == []


def test_a_list_is_of_what_is_wanted(folder):
    """One file of it that can't be read is an error, and so is one of a start."""
    files = [str(folder / name) for name in ("a.png", "b.png", "d.png")]
    for read in (load, lambda source: raw(source, "The measurement y")):
        with pytest.raises(BadInputError, match=r"b\.png is not a picture that can be read"):
            read(files)
    assert load(Files(files)).names == ["a", "d"]
    with pytest.raises(BadInputError, match=r"b\.png is not a picture that can be read"):
        raw(folder, "A start")


def test_where_nothing_can_be_read_all_is_named(folder):
    for name in "ad":
        (folder / f"{name}.png").unlink()
    for given in ({"x": folder}, {"y": folder}):
        with pytest.raises(BadInputError) as caught:
            priorkit.recover(**given, **SETTINGS)
        said = one_line(caught.value)
        assert said.startswith(f"None of the 3 files of {folder} can be read. Got b.png is not a ")
        assert "c.jpg is not a picture that can be read (an empty file); There is no file" in said
        assert [name in reason for name, reason in caught.value.each.items()] == [True] * 3


def test_a_setting_that_no_file_takes_is_one_error(folder):
    for name in ("b.png", "c.jpg", "e.png"):
        (folder / name).unlink()
    with pytest.raises(BadInputError, match=r"^A picture file can't be brought to the shape 5×8×8"):
        load(folder, (5, 8, 8))


def test_what_is_advised_of_a_range_is_for_all_files(tmp_path, caplog):
    """Of each by itself it would leave out the others."""
    for name, (low, high) in {"a": (-3, 10), "b": (-5, 7), "c": (-1, 20)}.items():
        np.save(tmp_path / f"{name}.npy", np.linspace(low, high, 192).reshape(3, 8, 8))
    files = [str(tmp_path / f"{name}.npy") for name in "abc"]

    def loaded(**how):
        return load(Files(files), **how)

    with pytest.raises(BadInputError, match=r"from -5 to 20. Try: range=\(-5, 20\), or range='au"):
        loaded()
    assert len(loaded(range=(-5, 20)).x) == 3
    with pytest.raises(
        BadInputError, match=r"None of the 3 .* Try: range=\(-5, 20\), range='auto'"
    ):
        loaded(range=(0, 1))
    assert len(loaded(range=(-3, 10)).x) == 1
    assert "To have these too, say range=(-5, 20), range='auto', or clip=True" in caplog.text
