"""Saved runs that somebody edited, and names that no file can have: refused, and said why."""

import hashlib
import json
import shutil
from importlib.metadata import version

import numpy as np
import pytest
import torch

import priorkit
from priorkit.errors import BadInputError, PriorkitError
from priorkit.io import manifest
from priorkit.io.folders import replacing, require_place
from priorkit.settings.files import from_file

SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run of two pictures."""
    x = np.linspace(0, 1, 384).reshape(2, *SHAPE)
    place = tmp_path_factory.mktemp("saved") / "run"
    return priorkit.recover(x, prior="none", op="mask", budget=2, out=place), place


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of it that nothing vouches for."""
    copy = shutil.copytree(saved[1], tmp_path / "run")
    (copy / "manifest.json").unlink()
    return copy


def edit(folder, change):
    record = json.loads((folder / "record.json").read_text())
    change(record)
    (folder / "record.json").write_text(json.dumps(record))


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">f8", "g"])
def test_numbers_of_another_type_are_the_same_run(saved, folder, dtype):
    """Of another byte order, or long ones: as a program on another machine may write them."""
    for name in ("y", "x", "truth"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy").astype(dtype))
    again = priorkit.replay(folder)
    assert bool((again.x == saved[0].x).all())
    assert bool((again.psnr == saved[0].psnr).all())


COUNTS = {
    "fewer names": lambda record: record["images"].pop(),
    "more names": lambda record: record["images"].append(record["images"][0]),
    "no names": lambda record: record["images"].clear(),
}


@pytest.mark.parametrize("case", COUNTS)
def test_another_number_of_names(folder, case):
    edit(folder, COUNTS[case])
    with pytest.raises(BadInputError, match=r"are not of the same images\. Got \d images?, and"):
        priorkit.replay(folder)


def test_a_record_says_what_rounds_its_sums_and_what_reads_files():
    pytest.importorskip("tifffile")  # loaded from here on, as where a file of it is read
    found = priorkit.recover(np.full(SHAPE, 0.5), prior="none", op="mask", budget=1).record
    assert found["versions"]["tifffile"] == version("tifffile")
    assert found["versions"]["pillow"] == version("pillow")
    assert found["machine"]["threads"] == torch.get_num_threads()
    assert found["machine"]["processor"].endswith(torch.backends.cpu.get_cpu_capability())


@pytest.mark.parametrize("names", [["y"], ["x"], ["truth"], ["y", "x"]])
def test_what_is_missing_of_a_run_is_named(saved, tmp_path, names):
    """Of a truth it had been overlooked: y had been taken for one that was measured elsewhere."""
    copy = shutil.copytree(saved[1], tmp_path / "run")
    for name in names:
        (copy / f"{name}.npy").unlink()
    told = " and ".join(f"{name}.npy" for name in names)
    are = "is" if len(names) == 1 else "are"
    words = (
        rf"is no whole run: {told} {are} missing\. Try: priorkit recover --config \S+config.toml"
    )
    with pytest.raises(BadInputError, match=words):
        priorkit.replay(copy)
    (copy / "config.toml").unlink()
    with pytest.raises(BadInputError, match=r"missing\. Try: the whole folder"):
        priorkit.replay(copy)


@pytest.mark.parametrize("broken", [None, "", "{}", '{"made_by": "priorkit", "files": 3}'])
def test_a_run_that_nothing_vouches_for_says_so(folder, broken, caplog):
    """What the other files hold for the eye isn't read."""
    if broken is not None:
        (folder / "manifest.json").write_text(broken)
    for name in ("trace.json", "config.toml"):
        (folder / name).write_text("broken")
    priorkit.replay(folder)
    assert "no manifest.json that can be read: whether its files are those that" in caplog.text


ARRAYS = {
    "truth of another shape": ("truth", (2, 3, 8, 9), "f4", "truth.npy .* of shape .2, 3, 8, 8."),
    "truth of another count": ("truth", (1, *SHAPE), "f4", "must hold real images of shape"),
    "complex truth": ("truth", (2, *SHAPE), "c8", "real images .* Got complex64 of shape"),
    "x of another count": ("x", (3, *SHAPE), "f4", "are not of the same images"),
    "x without a batch": ("x", (192,), "f4", "are not of the same images"),
    "y of another count": ("y", (1, *SHAPE), "f4", "are not of the same images"),
    "y of another shape": ("y", (2, 3, 9, 8), "f4", "y must be .3, 8, 8., or a batch"),
    "y of no shape": ("y", (), "f4", "are not of the same images"),
    "a start of another shape": ("start", (5, 5), "f4", "The start must be"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_of_another_shape(folder, case):
    name, shape, dtype, said = ARRAYS[case]
    np.save(folder / f"{name}.npy", np.zeros(shape, dtype))
    with pytest.raises(BadInputError, match=said):
        priorkit.replay(folder)


def test_a_mark_in_front_of_a_text_file(tmp_path):
    """The byte order mark that some editors write."""
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfprior = 'none'\n")
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + b'{"prior": "none"}')
    for name in ("a.toml", "a.json"):
        assert from_file(tmp_path / name) == {"prior": "none"}


def test_a_mark_in_front_of_a_record(saved, folder):
    text = (folder / "record.json").read_bytes()
    (folder / "record.json").write_bytes(b"\xef\xbb\xbf" + text)
    assert priorkit.replay(folder).names == saved[0].names


LONG = ["a" * 256, "a" * 300, "é" * 130, "\U0001f600" * 70, "a" * 5000, "a\0b"]


@pytest.mark.parametrize("name", LONG, ids=lambda name: f"{len(name.encode())} bytes")
@pytest.mark.parametrize("ending", ["", ".npy", ".png", ".safetensors"])
def test_names_that_no_file_can_have(name, ending, tmp_path, monkeypatch):
    """Wherever a path may be given: one error of ours, before any compute."""
    monkeypatch.chdir(tmp_path)
    name += ending
    x = np.full(SHAPE, 0.5)
    with pytest.raises(BadInputError, match=r"holds no run|takes a path"):
        priorkit.replay(name)
    roles = {
        "out": {"out": name},
        "config": {"config": name},
        "y": {"x": None, "y": name, "shape": SHAPE},
        "x": {"x": name},
        "start": {"start": name},
        "prior": {"prior": name},
        "mask": {"op": "mask", "mask": name},
        "kernel": {"op": "blur", "kernel": name},
        "matrix": {"op": {"name": "matrix", "path": name}},
    }
    for given in roles.values():
        settings = {"x": x, "prior": "none", "op": "identity", "budget": 1} | given
        with pytest.raises(PriorkitError):
            priorkit.recover(settings.pop("x"), **settings)
    assert not list(tmp_path.iterdir())


def test_names_that_are_nearly_too_long(tmp_path):
    """A folder whose name leaves no room for that of its unfinished run is refused at once; one
    that does takes results, its letters of four bytes too."""
    with pytest.raises(BadInputError, match="File name too long"):
        require_place(tmp_path / ("a" * 250))
    for name in ("a" * 244, "\U0001f600" * 60):
        with replacing(tmp_path / name) as stage:
            (stage / "a.txt").write_text("here")
        assert (tmp_path / name / "a.txt").read_text() == "here"


@pytest.mark.parametrize("several", [False, True], ids=["recover", "compare"])
def test_arrays_are_hashed_as_they_are_written(monkeypatch, tmp_path, several):
    """The manifest has the sha256 of every file, and no array is read again for it."""
    read, whole = [], manifest.file_sha256
    monkeypatch.setattr(
        manifest, "file_sha256", lambda path: read.append(path.suffix) or whole(path)
    )
    x, settings = np.full((1, 3, 16, 16), 0.5), {"op": "fourier", "budget": 2}
    if several:
        priorkit.compare(x, priors=["none", "dct"], **settings).save(tmp_path / "out")
    else:
        priorkit.recover(x, prior="none", **settings).save(tmp_path / "out")
    assert ".png" in read
    assert ".npy" not in read
    listed = manifest.listed_in(tmp_path / "out")
    arrays = [name for name in listed if name.endswith("x.npy")]
    assert len(arrays) == 1 + several
    for name, digest in listed.items():
        assert digest == hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest()
