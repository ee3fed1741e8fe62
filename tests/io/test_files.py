"""Names are data, and file names are made from them."""

import hashlib
import io
import json
import os
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from priorkit_operators.matrix import Matrix

import priorkit
from priorkit.errors import BadInputError, PriorkitError
from priorkit.io import saved, weights
from priorkit.io.arrays import write_array
from priorkit.io.files import file_names, require_writable, write_atomic
from priorkit.io.listing import is_folder
from priorkit.settings.files import from_file
from priorkit.studies.study import Study


@given(st.lists(st.text(), max_size=6))
def test_a_file_name_is_one(names):
    made = file_names(names)
    assert len(set(made)) == len(names)
    for name in made:
        assert name
        assert not set(name) & set("/\\\0\n")
        assert not name.startswith(".")
        assert len(name.encode()) <= 110


def test_what_another_process_makes_meanwhile_stays(tmp_path, monkeypatch):
    """Processes of one training prove the same place; one that comes later must not remove it."""
    run = tmp_path / "a" / "run"
    prove = tempfile.TemporaryFile

    def begun_meanwhile(dir):
        run.mkdir(parents=True, exist_ok=True)
        return prove(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", begun_meanwhile)
    require_writable(run)
    assert run.is_dir()
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_proving_a_place_leaves_no_trace(tmp_path):
    require_writable(tmp_path / "a" / "b")
    require_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "file/run", "link", "link/run", "n" * 300, "a/" + "n" * 300, "a\x00b"):
        with pytest.raises(BadInputError, match="can't be written"):
            require_writable(tmp_path / name)
    assert {p.name for p in tmp_path.iterdir()} == {"file", "link"}


def test_a_record_cannot_write_elsewhere(tmp_path):
    """A name in a stranger's record that climbs out of the folder stays in it."""
    x = np.full((1, 1, 16, 16), 0.5, dtype=np.float32)
    folder = priorkit.recover(x, prior="none", op="identity", budget=2).save(tmp_path / "a" / "run")
    record = json.loads((folder / "record.json").read_text())
    for name in ("../../climbed", str(tmp_path / "absolute"), "..", "a\x00b", "n" * 300):
        record["images"][0]["name"] = name
        (folder / "record.json").write_text(json.dumps(record))
        target = priorkit.replay(folder).save(tmp_path / "b" / "again")
        (picture,) = (target / "images").iterdir()
        assert picture.suffix == ".png"
    left = {p.relative_to(tmp_path).parts[0] for p in tmp_path.rglob("*")}
    assert left == {"a", "b"}


@pytest.mark.parametrize("moved", [True, False])
def test_a_file_that_is_written_as_ctrl_c_comes(monkeypatch, tmp_path, moved):
    """It says Ctrl-C, before and after the file has its name, and leaves no part of one."""
    move = os.replace

    def cut(partial, path):
        if moved:
            move(partial, path)
        raise KeyboardInterrupt

    monkeypatch.setattr("priorkit.io.files.os.replace", cut)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == (["a"] if moved else [])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.zeros((0, 3), np.complex64),
        np.array(True),
    ],
    ids=["floats", "transposed", "empty", "one"],
)
def test_an_array_is_written_as_numpy_does(tmp_path, array):
    """And what it gives is the sha256 of that."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(array, order="C"))
    digest = write_array(tmp_path / "a.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == buffer.getvalue()
    assert digest == hashlib.sha256(buffer.getvalue()).hexdigest()


def test_an_array_is_written_without_a_copy(tmp_path):
    array = np.zeros((16, 1 << 18), np.float32)  # 16 MiB
    tracemalloc.start()
    try:
        write_array(tmp_path / "a.npy", array)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < array.nbytes / 4


PLACES = (
    "photo.png",
    "photo.py",
    "PHOTOS.SH",
    "measured.npy",
    "scan.nii.gz",
    "weights.safetensors",
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("phto.png", ["photo.png", "photos"]),
        ("photo.jpg", ["photo.png", "photos"]),
        ("photo", ["photo.png", "photos"]),
        ("measured.png", ["measured.npy"]),
        ("scam.nii.gz", ["scan.nii.gz"]),
        ("nothing.png", []),  # its suffix alone is like that of another
        ("weights.npy", []),
    ],
)
def test_pictures_and_measurements_are_what_a_missing_one_is_likened_to(name, meant, tmp_path):
    """Neither scripts nor what holds no picture; by the path that would be typed."""
    (tmp_path / "photos").mkdir()
    for file in PLACES:
        (tmp_path / file).touch()
    with pytest.raises(BadInputError) as raised:
        is_folder(tmp_path / name)
    assert raised.value.what == f"There is no file {tmp_path / name}."
    said = " or ".join(repr(str(tmp_path / file)) for file in meant)
    assert raised.value.try_ == (f"Did you mean {said}?" if meant else None)


def test_what_else_is_missing_is_likened_to_its_own_kind(tmp_path):
    for file in ("faces.safetensors", "faces.png", "faces.npy"):
        (tmp_path / file).touch()
    (tmp_path / "face").mkdir()
    for read, name, kept in (
        (weights.read, "fces.safetensors", "faces.safetensors"),
        (saved.read, "fac", "face"),
        (from_file, "faces.toml", ""),  # no settings are here
        (lambda path: Matrix(path=str(path)), "fces.npy", "faces.npy"),
        (lambda path: Study.read({"settings": {"y": str(path)}}).cells(), "fces.npy", "faces.npy"),
    ):
        with pytest.raises(PriorkitError) as raised:
            read(tmp_path / name)
        asked = repr(str(tmp_path / kept))
        assert (f"Did you mean {asked}" in str(raised.value)) == bool(kept)
