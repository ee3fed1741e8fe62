"""Bad input: one line that says what, got and what to try, before anything is computed."""

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image

import priorkit
from priorkit.errors import (
    BadInputError,
    MismatchError,
    PriorkitError,
    UnknownNameError,
    WeightsError,
)
from priorkit.io.pictures import load


@pytest.fixture(autouse=True)
def no_compute(monkeypatch, tmp_path):
    """Whatever gets as far as the solver fails the test; nor is a cache or hub asked."""

    def solve(*_):
        raise AssertionError("reached the solver")

    monkeypatch.setattr("priorkit.engine.recover.solve", solve)
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
    for name, record in {"broken": "{", "foreign": "{}", "future": _record(2)}.items():
        (folder / f"run-{name}").mkdir()
        (folder / f"run-{name}" / "record.json").write_text(record)
    (folder / "run-without-y").mkdir()
    (folder / "run-without-y" / "record.json").write_text(_record(1))
    return SimpleNamespace(folder=folder, weights=str(folder / "tiny.safetensors"))


def _pictures(folder):
    Image.new("RGB", (8, 8), "gray").save(folder / "face.png")
    (folder / "notes.png").write_text("not a picture")
    whole = (folder / "face.png").read_bytes()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32)).save(folder / "deep.tiff")
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
            text = text or json.dumps(card | {"name": name} | changes)
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
    np.save(folder / "nan.npy", np.full((5, 192), np.nan))
    np.save(folder / "cube.npy", rng.random((2, 2, 2)))
    np.save(folder / "complex.npy", rng.random((5, 192)) * 1j)
    np.save(folder / "pickle.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.save(folder / "letters.npy", np.array(["a", "b"]))
    (folder / "text.npy").write_text("1 2 3")
    scipy.sparse.save_npz(folder / "narrow.npz", scipy.sparse.eye_array(7, format="csr"))
    np.savez(folder / "dense.npz", a=np.eye(3))


def _record(version):
    components = {key: {"name": "none"} for key in ("prior", "penalty")}
    record = {"format": version, "config": components, "weights": {}, "files": {}}
    return json.dumps(record | {"images": [{"name": "a"}]})


def one_line(error):
    """The message of an error that was checked to be one line."""
    message = str(error)
    assert message
    assert len(message.splitlines()) == 1
    return message


def matrix(files, name):
    """The table for the user's own matrix in a file."""
    return {"name": "matrix", "path": str(files.folder / name)}


# --- from Python -----------------------------------------------------------------

# Name: what is given besides x = face, prior = none, op = identity (None takes a default
# away; a function is called with the files), the class of the error, phrases of its message.
CASES = {
    # names and options
    "prior": ({"prior": "nome"}, UnknownNameError, "Unknown prior 'nome'. Did you mean 'none'?"),
    "operator": ({"op": "gausian"}, UnknownNameError, "Did you mean 'gaussian'?", "priorkit list"),
    "operator's alias": ({"op": "denoisin"}, UnknownNameError, "Did you mean 'denoising'?"),
    "penalty": ({"penalty": "l22"}, UnknownNameError, "Unknown penalty 'l22'", "'l2'"),
    "solver": ({"solver": "lbgfs"}, UnknownNameError, "Unknown solver 'lbgfs'", "'lbfgs'"),
    "start": ({"start": "zeros"}, UnknownNameError, "Unknown start 'zeros'", "'zero'"),
    "option": ({"budgt": 5}, UnknownNameError, "Unknown option 'budgt'. Did you mean 'budget'?"),
    "option of a component": (
        {"op": "mask", "fracton": 0.2},
        UnknownNameError,
        "Unknown option 'fracton'. Did you mean 'fraction'?",
    ),
    "option of another component": ({"m": 5}, UnknownNameError, "Unknown option 'm'"),
    "option in a table": (
        {"op": {"name": "mask", "fracton": 0.2}},
        UnknownNameError,
        "operator 'mask' has no option 'fracton'. Did you mean 'fraction'?",
    ),
    "option missing": ({"op": "gaussian"}, BadInputError, "'m' is required", "show gaussian"),
    "option of the wrong type": (
        {"op": "gaussian", "m": "many"},
        BadInputError,
        "operator 'gaussian': m:",
        "valid integer",
        "Got 'many'",
    ),
    "table without a name": ({"op": {"m": 5}}, BadInputError, "needs a name", "{'m': 5}"),
    "object of another class": ({"op": 7}, BadInputError, "object of class Operator", "Got 7"),
    "class instead of an object": (
        {"op": lambda _: dict},
        BadInputError,
        "operator",
        "<class 'dict'>",
    ),
    # pictures
    "no file": ({"x": "nowhere.png"}, BadInputError, "There is no file nowhere.png."),
    "not a picture": (
        {"x": lambda f: f.folder / "notes.png"},
        BadInputError,
        "notes.png is not a picture that can be read",
        "a PNG or JPEG file",
    ),
    "truncated picture": (
        {"x": lambda f: f.folder / "truncated.png"},
        BadInputError,
        "truncated.png is not a picture that can be read",
    ),
    "numbers": ({"x": lambda f: f.folder / "deep.tiff"}, BadInputError, "8 or 16", "Got mode F"),
    "empty folder": ({"x": lambda f: f.folder / "empty"}, BadInputError, "No pictures in the"),
    "pictures of several sizes": (
        {"x": lambda f: f.folder / "sizes"},
        BadInputError,
        "need one size",
        "3×12×12, 3×8×8",
        "shape=(3, 64, 64)",
    ),
    "no pictures": ({"x": []}, BadInputError, "No pictures given", "an empty list"),
    "empty array": ({"x": np.zeros((0, 3, 8, 8))}, BadInputError, "Got shape (0, 3, 8, 8)"),
    "dimensions": ({"x": np.zeros(8)}, BadInputError, "2, 3 or 4 dimensions", "Got shape (8,)"),
    "NaN": ({"x": np.full((3, 8, 8), np.nan)}, BadInputError, "NaN or infinite"),
    "infinite": ({"x": torch.full((3, 8, 8), torch.inf)}, BadInputError, "NaN or infinite"),
    "0 to 255": (
        {"x": np.linspace(0, 255, 64).reshape(8, 8)},
        BadInputError,
        "must lie in [0, 1]",
        "from 0 to 255",
        "x / 255",
    ),
    "−1 to 1": (
        {"x": np.linspace(-1, 1, 64).reshape(8, 8)},
        BadInputError,
        "from -1 to 1",
        "(x + 1) / 2",
    ),
    "integers": (
        {"x": np.zeros((8, 8), dtype=np.int64)},
        BadInputError,
        "uint16, or float",
        "int64",
    ),
    "complex": ({"x": np.zeros((8, 8), dtype=complex)}, BadInputError, "uint16, or float"),
    "letters": ({"x": np.array([["a", "b"]])}, BadInputError, "uint16, or float"),
    "not a picture at all": ({"x": 5}, BadInputError, "A picture is a path", "Got int"),
    "wrong size": (
        {"x": np.zeros((3, 16, 16)), "prior": lambda f: f.weights},
        BadInputError,
        "must be 3×8×8 here",
        "Got 3×16×16",
        "resize=True, to crop and resize it",
    ),
    "wrong channels": (
        {"x": np.zeros((1, 8, 8)), "prior": lambda f: f.weights},
        BadInputError,
        "must be 3×8×8 here",
        "Got 1×8×8",
    ),
    "wrong shape": (
        {"prior": lambda f: f.weights, "shape": (3, 16, 16)},
        MismatchError,
        "is for images of shape (3, 8, 8). Got (3, 16, 16)",
    ),
    "channels of a file": (
        {"x": lambda f: f.folder / "face.png", "shape": (2, 8, 8)},
        BadInputError,
        "can't be brought to the shape 2×8×8",
        "an array of that shape",
    ),
    "negative shape": ({"shape": (3, -8, 8)}, BadInputError, "channels, height, width"),
    # measurements
    "x and y": ({"y": np.zeros((3, 8, 8))}, BadInputError, "or measurements y, not both"),
    "y of the wrong length": (
        {"x": None, "op": "gaussian", "m": 5, "y": np.zeros(7), "shape": (3, 8, 8)},
        BadInputError,
        "y must be (5,), or a batch of these",
        "Got (7,)",
    ),
    "no y": (
        {"x": None, "op": "gaussian", "m": 5, "y": np.zeros((0, 5)), "shape": (3, 8, 8)},
        BadInputError,
        "y must be (5,)",
        "Got (0, 5)",
    ),
    "y without a shape": (
        {"x": None, "op": "gaussian", "m": 5, "y": np.zeros(5)},
        BadInputError,
        "shape of the picture isn't known",
        "shape=(3, 64, 64)",
    ),
    "y with NaN": ({"x": None, "y": np.full((3, 8, 8), np.nan)}, BadInputError, "y has values"),
    "y of words": (
        {"x": None, "y": np.array(["a"]), "shape": (3, 8, 8)},
        BadInputError,
        "y is an array, a .npy file or a picture",
    ),
    "no file of y": (
        {"x": None, "y": "nowhere.npy", "shape": (3, 8, 8)},
        BadInputError,
        "nowhere.npy is not an array that can be read",
    ),
    # the operator
    "m below 1": (
        {"op": "gaussian", "m": 0},
        BadInputError,
        "m: Input should be greater than or equal to 1. Got '0'",
    ),
    "m above n": (
        {"op": "gaussian", "m": 193},
        BadInputError,
        "m must be at most n = 192",
        "Got 193",
    ),
    "mask": ({"op": "mask", "mask": "centre"}, BadInputError, "center, random,", "Got 'centre'"),
    "mask of words": ({"op": "mask", "mask": np.array([["a"]])}, BadInputError, "of numbers"),
    "dark mask": ({"op": "mask", "mask": np.zeros((8, 8))}, BadInputError, "sees nothing"),
    "size of a mask": ({"op": "mask", "mask": np.ones((4, 4))}, BadInputError, "must be 8×8"),
    "fraction": ({"op": "mask", "fraction": 1.5}, BadInputError, "less than 1. Got '1.5'"),
    "matrix or path": ({"op": "matrix"}, BadInputError, "needs one of path and matrix"),
    "matrix of words": (
        {"op": {"name": "matrix", "matrix": "A"}},
        BadInputError,
        "A matrix is a numpy array",
        "Got str",
    ),
    "matrix of letters": (
        {"op": {"name": "matrix", "matrix": np.array([["a"]])}},
        BadInputError,
        "real numbers",
        "Got <U1",
    ),
    **{
        f"matrix file: {name}": ({"op": lambda f, name=name: matrix(f, name)}, BadInputError, *said)
        for name, said in {
            "nowhere.npy": ["There is no matrix file"],
            "text.npy": ["text.npy is not a matrix that can be read", "numpy.save"],
            "pickle.npy": ["pickle.npy is not a matrix that can be read", "allow_pickle=False"],
            "letters.npy": ["real numbers. Got <U1"],
            "dense.npz": ["dense.npz is not a matrix that can be read", "save_npz"],
            "narrow.npy": ["of shape (3, 8, 8) has 192 columns", "Got shape (5, 7)"],
            "narrow.npz": ["of shape (3, 8, 8) has 192 columns", "Got shape (7, 7)"],
            "nan.npy": ["NaN or infinite"],
            "cube.npy": ["two dimensions, (m, n). Got (2, 2, 2)"],
            "complex.npy": ["must be real"],
        }.items()
    },
    # settings
    "both noises": ({"sigma": 0.1, "noise_norm": 0.1}, BadInputError, "sigma or noise_norm, not"),
    "negative noise": ({"sigma": -0.1}, BadInputError, "Setting sigma:", "Got '-0.1'"),
    "infinite noise": ({"sigma": float("inf")}, BadInputError, "Setting sigma:", "finite"),
    "negative gamma": ({"penalty": "tv", "gamma": -1.0}, BadInputError, "Setting gamma:", "'-1.0'"),
    "gamma without penalty": ({"gamma": 0.1}, BadInputError, "none is chosen", "penalty='l2'"),
    "penalty without gamma": ({"penalty": "tv"}, BadInputError, "needs its weight", "gamma=0.01"),
    "budget": ({"budget": 0}, BadInputError, "Setting budget:", "Got '0'"),
    "restarts": ({"restarts": 0}, BadInputError, "Setting restarts:"),
    "seed": ({"seed": -1}, BadInputError, "Setting seed:"),
    "space": ({"space": "fourier"}, BadInputError, "Setting space:", "'latent' or 'pixel'"),
    "precision": ({"precision": "float16"}, BadInputError, "Setting precision:", "'float32'"),
    "device": ({"device": "abacus"}, BadInputError, "'abacus' isn't available", "device='cpu'"),
    # components that don't fit
    "nll without a density": (
        {"penalty": "nll", "gamma": 1.0},
        MismatchError,
        "penalty 'nll' requires the prior to be a Density, and 'none' isn't",
        "prior=",
    ),
    "latent space without a decoder": (
        {"space": "latent"},
        MismatchError,
        "space 'latent' requires the prior to be a Decoder, and 'none' isn't",
        "prior=",
    ),
    "a kink for a smooth solver": (
        {"penalty": "l1", "gamma": 0.1, "solver": "lbfgs"},
        MismatchError,
        "solver 'lbfgs' requires a smooth penalty, and 'l1' isn't",
        "solver='adam'",
    ),
    # config files
    "no config": ({"config": "nowhere.toml"}, BadInputError, "nowhere.toml can't be read"),
    **{
        f"config {name}": ({"config": lambda f, name=name: f.folder / name}, error, *said)
        for name, error, *said in [
            ("broken.toml", BadInputError, "broken.toml is not TOML", "line 1"),
            ("list.json", BadInputError, "must hold a table", "Got list"),
            ("unknown.toml", UnknownNameError, "'priors'", "Did you mean 'prior'?"),
            ("value.toml", BadInputError, "Setting gamma:", "Got '-1.0'"),
            ("both.toml", BadInputError, "sigma or noise_norm, not both"),
        ]
    },
    "config option.toml": (
        {"config": lambda f: f.folder / "option.toml", "op": None},
        UnknownNameError,
        "no option 'fracton'. Did you mean 'fraction'?",
    ),
    # weights
    **{
        f"weights: {name}": ({"prior": lambda f, name=name: f.folder / name}, error, *said)
        for name, error, *said in [
            ("nowhere.safetensors", WeightsError, "There is no weights file"),
            ("truncated.safetensors", WeightsError, "damaged or was changed", "download both"),
            ("tampered.safetensors", WeightsError, "tampered.safetensors is not the file", "sha"),
            ("words.safetensors", WeightsError, "words.safetensors is not a safetensors file"),
            ("no-card.safetensors", WeightsError, "has no card", "no-card.json beside it"),
            ("bad-card.safetensors", WeightsError, "bad-card.json is not JSON"),
            ("incomplete-card.safetensors", WeightsError, "is not valid: architecture: Field req"),
            ("foreign.safetensors", UnknownNameError, "family 'stylegan'", "priorkit plugins"),
            ("folder.safetensors", WeightsError, "There is no weights file"),
            ("card-folder.safetensors", WeightsError, "has no card"),
            ("other-architecture.safetensors", WeightsError, "doesn't fit the architecture"),
            ("odd-architecture.safetensors", WeightsError, "doesn't fit the architecture"),
            ("pixels.safetensors", PriorkitError, "none"),
            ("model.pt", WeightsError, "Weights are .safetensors files", "import"),
            ("empty", WeightsError, "Weights are .safetensors files"),
        ]
    },
    "weights of another family": (
        {"prior": lambda f: {"name": "glow", "weights": str(f.folder / "foreign.safetensors")}},
        WeightsError,
        "holds a 'stylegan', not a Glow",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_in_python(case, files, face, monkeypatch):
    """The right class of error, in one line, with what was got and what would work."""
    monkeypatch.chdir(files.folder)
    given, error, *phrases = CASES[case]
    given = {"x": face, "prior": "none", "op": "identity"} | given
    given = {key: v(files) if callable(v) else v for key, v in given.items()}
    with pytest.raises(PriorkitError) as caught:
        priorkit.recover(given.pop("x"), **given)
    assert isinstance(caught.value, error)
    for phrase in phrases:
        assert phrase in one_line(caught.value)


def test_good_input_reaches_the_solver(files, face):
    """So that the test above shows what it claims."""
    for prior in ("none", files.weights):
        with pytest.raises(AssertionError, match="reached the solver"):
            priorkit.recover(face, prior=prior, op="gaussian", m=5)


@pytest.mark.parametrize(
    ("folder", "phrase"),
    [
        ("empty", "empty holds no run. Try: a folder written by --out or save()"),
        ("nowhere", "nowhere holds no run"),
        ("face.png", "face.png holds no run"),
        ("run-broken", "is not a record of a run. Got JSONDecodeError"),
        ("run-foreign", "is not a record of a run. Got KeyError"),
        ("run-future", "has another format. Got 2"),
        ("run-without-y", "y.npy is not an array that can be read"),
    ],
)
def test_replay_of_what_is_not_a_run(files, folder, phrase):
    """A folder that holds no run is refused, with what is wrong with it."""
    with pytest.raises(BadInputError) as caught:
        priorkit.replay(files.folder / folder)
    assert phrase in one_line(caught.value)


def test_replay_of_an_object(tmp_path):
    """A run of components or options that have no name says so, in whichever form."""
    for op in ("<Blur>", {"name": "<Blur>"}, {"name": "matrix", "matrix": "<array>"}):
        record = json.loads(_record(1))
        record["config"]["op"] = op
        (tmp_path / "record.json").write_text(json.dumps(record))
        with pytest.raises(BadInputError, match="This run's op used an object, <"):
            priorkit.replay(tmp_path)


def test_what_is_given_goes_over_the_config(face):
    """A picture or a measurement given directly replaces those that a config names."""
    for named in ("image", "y"):
        config = {"prior": "none", "op": "identity", named: "nowhere.png"}
        for given in ({"x": face}, {"y": face}):
            with pytest.raises(AssertionError, match="reached the solver"):
                priorkit.recover(**given, config=config)
        with pytest.raises(BadInputError, match="no file nowhere"):
            priorkit.recover(config=config | {"shape": (3, 8, 8)})


def test_pictures_of_one_name_are_told_apart(tmp_path):
    """Results are saved under these names, so that no file overwrites another."""
    for suffix in ("png", "bmp"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"face.{suffix}")
    array = np.zeros((8, 8))
    assert load(tmp_path).names == ["face", "face-2"]
    assert load([array, array, array]).names == ["image", "image-2", "image-3"]


def test_options_are_not_taken_from_the_caller(face):
    """The user's own tables are the same afterwards."""
    op = {"name": "gaussian", "m": 193}
    with pytest.raises(BadInputError):
        priorkit.recover(face, prior="none", op=op)
    assert op == {"name": "gaussian", "m": 193}


# --- on the command line -----------------------------------------------------------

RECOVER = "recover face.png --prior none --op identity --out out"
COMMANDS = {
    "prior": (RECOVER.replace("none", "nome"), "Unknown prior 'nome'. Did you mean 'none'?"),
    "option": (f"{RECOVER} --budgt 5", "Unknown option 'budgt'. Did you mean 'budget'?"),
    "option without a value": (f"{RECOVER} --budget", "The option --budget needs a value."),
    "known option without a value": ("recover face.png --out", "requires an argument"),
    "two pictures": (f"{RECOVER} other.png", "One picture or folder at a time"),
    "not a picture": (RECOVER.replace("face", "notes"), "notes.png is not a picture"),
    "no picture": (RECOVER.replace("face", "nowhere"), "There is no file nowhere.png."),
    "empty folder": (RECOVER.replace("face.png", "empty"), "No pictures in the folder empty"),
    "shape": (f"{RECOVER} --prior tiny.safetensors --shape 3 16 16", "Got (3, 16, 16)"),
    "channels": (f"{RECOVER} --shape 2 8 8", "can't be brought to the shape 2×8×8"),
    "half a shape": (f"{RECOVER} --shape 8", "Setting shape:"),
    "m below 1": (f"{RECOVER} --op gaussian --m 0", "greater than or equal to 1. Got '0'"),
    "negative m": (f"{RECOVER} --op gaussian --m -5", "greater than or equal to 1. Got '-5'"),
    "m above n": (f"{RECOVER} --op gaussian --m 193", "at most n = 192", "Got 193"),
    "m of words": (f"{RECOVER} --op gaussian --m many", "valid integer", "Got 'many'"),
    "x and y": (f"{RECOVER} --y y.npy", "or measurements y, not both"),
    "y of the wrong length": (
        "recover --prior none --op gaussian --m 5 --y short.npy --shape 3 8 8 --out out",
        "y must be (5,), or a batch of these. Got (7,)",
    ),
    "y with NaN": (
        "recover --prior none --op identity --y nan-y.npy --shape 3 8 8 --out out",
        "y has values that are NaN",
    ),
    "both noises": (f"{RECOVER} --sigma 0.1 --noise-norm 0.1", "sigma or noise_norm, not both"),
    "negative gamma": (f"{RECOVER} --penalty tv --gamma -0.1", "Setting gamma:", "Got '-0.1'"),
    "gamma without penalty": (f"{RECOVER} --gamma 0.1", "gamma weighs a penalty"),
    "gamma that isn't finite": (f"{RECOVER} --penalty tv --gamma NaN", "Setting gamma:"),
    "nll without a density": (f"{RECOVER} --penalty nll --gamma 1", "to be a Density"),
    "latent space without a decoder": (f"{RECOVER} --space latent", "to be a Decoder"),
    "a kink for a smooth solver": (
        f"{RECOVER} --penalty l1 --gamma 1 --solver lbfgs",
        "requires a smooth penalty",
        "solver='adam'",
    ),
    "matrix": (f"{RECOVER} --op matrix --path text.npy", "not a matrix that can be read"),
    "matrix of other columns": (f"{RECOVER} --op matrix --path narrow.npy", "has 192 columns"),
    "no config": (f"{RECOVER} --config nowhere.toml", "nowhere.toml can't be read"),
    "broken config": (f"{RECOVER} --config broken.toml", "broken.toml is not TOML"),
    "unknown setting": (f"{RECOVER} --config unknown.toml", "Did you mean 'prior'?"),
    **{
        f"weights: {name}": (f"{RECOVER} --prior {name}.safetensors", phrase)
        for name, phrase in {
            "nowhere": "There is no weights file nowhere.safetensors.",
            "truncated": "damaged or was changed",
            "tampered": "damaged or was changed",
            "no-card": "has no card. Try: the file no-card.json beside it",
            "bad-card": "bad-card.json is not JSON",
            "foreign": "family 'stylegan'",
            "words": "is not a safetensors file",
        }.items()
    },
    "unwritable": (f"{RECOVER} --out face.png/out", "can't be written. Got Not a directory"),
    "a file as folder": (f"{RECOVER} --out face.png", "can't be written"),
    "replay of nothing": ("replay empty", "empty holds no run"),
    "replay of half a run": ("replay run-without-y", "y.npy is not an array that can be read"),
    "show": ("show gausian", "Unknown name 'gausian'. Did you mean 'gaussian'?"),
    "command": ("recovr face.png", "No such command 'recovr'"),
    "trainer": ("train glo --data face.png --out out", "Did you mean 'glow'?"),
    "no trainer": ("train --data face.png --out out", "Say which trainer"),
    "training without data": ("train glow --out out", "needs --data"),
    "no training data": ("train glow --data nowhere --out out", "no training data there"),
    "option of a trainer": ("train glow --data empty --out out --iteratons 3", "'iterations'?"),
    "import": ("import-glow nowhere.pt --out out/glow.safetensors", "nowhere.pt"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_on_the_command_line(case, files, monkeypatch, command_line):
    """Exit code 2, one line on stderr, nothing on stdout, and no file written."""
    monkeypatch.chdir(files.folder)
    before = {path for path in files.folder.rglob("*") if path.is_file()}
    command, *phrases = COMMANDS[case]
    done = command_line(*command.split())
    assert done.code == 2, done
    assert done.out == ""
    usage = done.err.startswith("Usage:")  # what the parser itself says of an unknown command
    assert usage or len(done.err.splitlines()) == 1, done.err
    for phrase in phrases:
        assert phrase in done.err
    assert {path for path in files.folder.rglob("*") if path.is_file()} == before


def test_saving_where_nothing_can_be_written(files):
    """The folder of ``Recovery.save`` is checked before any file is written."""
    from priorkit.io.files import require_writable

    with pytest.raises(BadInputError) as caught:
        require_writable(Path(files.folder / "face.png" / "out"))
    assert "can't be written. Got Not a directory. Try: another --out" in one_line(caught.value)
