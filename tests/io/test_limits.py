"""What a small file may cost: refused before it is unpacked, within seconds and a gigabyte."""

import io
import json
import zipfile

import numpy as np
import pytest
import scipy.sparse
from PIL import Image
from priorkit_operators.matrix import Matrix

import priorkit
from priorkit.errors import BadInputError, PriorkitError, WeightsError
from priorkit.io import pictures
from priorkit.io.arrays import read_array
from priorkit.io.files import json_sha256
from priorkit.training.dataset import TrainingPictures
from tests.fuzz.case import warm
from tests.fuzz.guard import guarded


@pytest.fixture
def bounded(tmp_path):
    """The time and memory that a fuzzed case may take."""
    warm()
    with guarded(tmp_path / "out"):
        yield


@pytest.fixture(scope="module")
def bombs(tmp_path_factory, tiny_weights):
    """Small files that promise much."""
    folder = tmp_path_factory.mktemp("bombs")
    Image.new("1", (10_000, 10_000)).save(folder / "square.png", compress_level=1)
    Image.new("L", (7_000, 7_000)).save(folder / "large.png", compress_level=1)
    Image.new("RGBA", (7_000, 7_000), (9, 9, 9, 100)).save(folder / "clear.png", compress_level=1)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    (folder / "long.npy").write_bytes(head.getvalue())
    n = 9_000_000
    zeros = scipy.sparse.csr_array((np.zeros(n), np.zeros(n, np.int32), [0, n]), shape=(1, 4))
    scipy.sparse.save_npz(folder / "zeros.npz", zeros)
    wide = scipy.sparse.coo_array(([1.0], ([0], [0])), shape=(2 * 10**9, 4))
    scipy.sparse.save_npz(folder / "wide.npz", wide)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"{i}.png", bytes(60 << 20))
        archive.write(folder / "square.png", "square.png")
        archive.writestr("good.png", _png(), zipfile.ZIP_STORED)
    card = json.loads(tiny_weights.with_suffix(".json").read_text())
    card["architecture"]["steps"] = [8192, 8192]
    for name in ("edited", "deep"):
        (folder / f"{name}.safetensors").write_bytes(tiny_weights.read_bytes())
        (folder / f"{name}.json").write_text(json.dumps(card))
        card["architecture_sha256"] = json_sha256(["glow", card["architecture"]])
    (folder / "settings.toml").write_bytes(b"#" * (17 << 20))
    return folder


def _png():
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "gray").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.usefixtures("bounded")
@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("shape", [None, (3, 8, 8)])
def test_pictures(bombs, shape):
    with pytest.raises(BadInputError, match=r"million pixels\. Got 10000×10000"):
        pictures.load(bombs / "square.png", shape)
    if shape is None:
        with pytest.raises(BadInputError, match=r"Try: shape=\(3, 64, 64\)"):
            pictures.load(bombs / "large.png", shape)
    else:
        assert pictures.load(bombs / "large.png", shape).x.shape == (1, 3, 8, 8)


@pytest.mark.usefixtures("bounded")
def test_a_large_picture_with_transparency(bombs):
    assert pictures.load(bombs / "clear.png", (3, 8, 8)).x.shape == (1, 3, 8, 8)


@pytest.mark.usefixtures("bounded")
def test_arrays_and_matrices(bombs):
    with pytest.raises(BadInputError, match="the file ends before"):
        read_array(bombs / "long.npy")
    with pytest.raises(BadInputError, match="it would grow to"):
        Matrix(path=bombs / "zeros.npz")
    with pytest.raises(BadInputError, match="at most 50,000,000 rows"):
        Matrix(path=bombs / "wide.npz")


@pytest.mark.usefixtures("bounded")
def test_shapes_and_restarts(monkeypatch):
    monkeypatch.setattr("priorkit.run.room.available", lambda device: 8 << 30)
    with pytest.raises(PriorkitError, match="more than 50 million numbers"):
        priorkit.recover(prior="none", op="mask", shape=(3, 10**6, 10**6))
    with pytest.raises(PriorkitError, match="doesn't fit into memory"):
        priorkit.recover(prior="none", op="mask", shape=(3, 4000, 4000), restarts=1000)


@pytest.mark.usefixtures("bounded")
def test_settings(bombs):
    with pytest.raises(BadInputError, match="larger than 16 MiB"):
        priorkit.recover(config=bombs / "settings.toml")


@pytest.mark.usefixtures("bounded")
@pytest.mark.filterwarnings("ignore:Image size")
def test_zips(bombs):
    """What is sound in it is used, the rest named."""
    found = TrainingPictures(bombs / "bomb.zip", (8, 8))
    assert found.names == ["good.png"]
    assert len(found.skipped) == 4
    assert "shrunk to less than 1/100" in found.skipped["0.png"]
    assert "100" in found.skipped["square.png"]


@pytest.mark.usefixtures("bounded")
def test_cards(bombs):
    """8,192 steps a level: no network is built that far, though the checksum be made anew."""
    with pytest.raises(WeightsError, match="was changed: it isn't what its sha256 says"):
        priorkit.recover(prior=str(bombs / "edited.safetensors"))
    with pytest.raises(WeightsError, match="more parameters than the file's"):
        priorkit.recover(prior=str(bombs / "deep.safetensors"))
