"""Files that are good or bad in one way each, and what tests of them share."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from PIL import Image

from priorkit.io.files import json_sha256


@pytest.fixture
def no_compute(monkeypatch, tmp_path):
    """Whatever gets as far as the solver fails the test; nor is a cache or hub asked."""

    def solve(*_, **__):
        raise AssertionError("reached the solver")

    monkeypatch.setattr("priorkit.verbs.recover.solved", solve)
    monkeypatch.setenv("PRIORKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PRIORKIT_HUB", raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_weights):
    """Paths of files that are good or bad in one way each; ``files.folder`` holds them all."""
    folder = tmp_path_factory.mktemp("files")
    _pictures(folder)
    _weights(folder, tiny_weights)
    _arrays(folder)
    texts = {
        "broken.toml": "prior = none",
        "list.json": "[1, 2]",
        "unknown.toml": 'priors = "none"',
        "value.toml": "gamma = -1.0",
        "option.toml": 'prior = "none"\nop = {name = "mask", fracton = 0.2}',
        "both.toml": "sigma = 0.1\nnoise_norm = 0.1",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name, record in {"broken": "{", "foreign": "{}", "future": a_record(2)}.items():
        (folder / f"run-{name}").mkdir()
        (folder / f"run-{name}" / "record.json").write_text(record)
    (folder / "run-without-y").mkdir()
    (folder / "run-without-y" / "record.json").write_text(a_record(1))
    return SimpleNamespace(folder=folder, weights=str(folder / "tiny.safetensors"))


def _pictures(folder):
    Image.new("RGB", (8, 8), "gray").save(folder / "face.png")
    (folder / "notes.png").write_text("not a picture")
    whole = (folder / "face.png").read_bytes()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((8, 8), 70_000, dtype=np.int32)).save(folder / "deep.tiff")
    (folder / "empty").mkdir()
    (folder / "sizes").mkdir()
    for side in (8, 12):
        Image.new("RGB", (side, side)).save(folder / "sizes" / f"{side}.png")


def _weights(folder, tiny_weights):
    card = json.loads(tiny_weights.with_suffix(".json").read_text())
    data = tiny_weights.read_bytes()
    changed = data[:-1] + bytes([data[-1] ^ 1])

    def write(name, data=data, text=None, **changes):
        (folder / f"{name}.safetensors").write_bytes(data)
        if text is not False:
            values = card | {"name": name} | changes
            sound = json_sha256([values["family"], values["architecture"]])
            text = text or json.dumps(values | {"architecture_sha256": sound})
            (folder / f"{name}.json").write_text(text)

    write("tiny")
    write("truncated", data[: len(data) // 2])
    write("tampered", changed)
    write("no-card", text=False)
    write("bad-card", text="{'name': 'tiny'}")
    write("incomplete-card", text='{"name": "tiny", "family": "glow"}')
    write("foreign", family="stylegan")
    write("pixels", family="none")
    (folder / "folder.safetensors").mkdir()
    shutil.copy(folder / "tiny.json", folder / "folder.json")
    (folder / "card-folder.safetensors").write_bytes(data)
    (folder / "card-folder.json").mkdir()
    write("other-architecture", architecture=card["architecture"] | {"width": [5, 5]})
    deep = {"steps": [8192] * 2}
    write("deep-architecture", architecture=card["architecture"] | deep)
    edited = json.dumps(card | {"architecture": card["architecture"] | {"n_bits": 8}})
    write("edited-card", text=edited)
    write("odd-architecture", architecture={"layers": 3})
    words = b"not tensors"
    write("words", words, sha256=hashlib.sha256(words).hexdigest())
    (folder / "model.pt").write_bytes(b"PK")


def _arrays(folder):
    rng = np.random.default_rng(0)
    np.save(folder / "y.npy", rng.random((3, 8, 8)))
    np.save(folder / "short.npy", rng.random(7))
    np.save(folder / "nan-y.npy", np.full((3, 8, 8), np.nan))
    np.save(folder / "matrix.npy", rng.random((5, 192)))
    np.save(folder / "narrow.npy", rng.random((5, 7)))
    np.save(folder / "turned.npy", rng.random((192, 5)))
    np.save(folder / "nan.npy", np.full((5, 192), np.nan))
    np.save(folder / "cube.npy", rng.random((2, 2, 2)))
    np.save(folder / "complex.npy", rng.random((5, 192)) * 1j)
    np.save(folder / "pickle.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.save(folder / "letters.npy", np.array(["a", "b"]))
    (folder / "text.npy").write_text("1 2 3")
    scipy.sparse.save_npz(folder / "narrow.npz", scipy.sparse.csr_array(np.eye(7)))
    np.savez(folder / "dense.npz", a=np.eye(3))


def a_record(version):
    components = {key: {"name": "none"} for key in ("prior", "penalty")}
    record = {"format": version, "config": components, "weights": {}, "files": {}}
    return json.dumps(record | {"images": [{"name": "a"}]})


def one_line(error):
    """The message of an error that was checked to be one line."""
    message = str(error)
    assert message
    assert len(message.splitlines()) == 1
    return message
