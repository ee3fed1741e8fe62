"""Bad input: one line that says what, got and what to try, before anything is computed."""

import json

import numpy as np
import pytest
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
from priorkit.interfaces import IdentityOperator
from priorkit.io.pictures import load
from tests.bad_files import a_record, one_line

pytestmark = pytest.mark.usefixtures("no_compute")


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
    "operator's alias": ({"op": "denoisin"}, UnknownNameError, "Did you mean 'denoising'"),
    "penalty": ({"penalty": "l22"}, UnknownNameError, "Unknown penalty 'l22'", "'l2'"),
    "solver": ({"solver": "lbgfs"}, UnknownNameError, "Unknown solver 'lbgfs'", "'lbfgs'"),
    "start": ({"start": "zeros"}, UnknownNameError, "Unknown start 'zeros'", "'zero'"),
    "a class": (
        {"op": lambda files: IdentityOperator},
        BadInputError,
        "The operator is an object, and this is its class. Got class IdentityOperator.",
        "Try: IdentityOperator()",
    ),
    "number that is none": ({"sigma": float("nan")}, BadInputError, "Got nan. Try: sigma=0.1"),
    "number above the greatest": ({"averaging": 2000}, BadInputError, "Try: averaging=1000"),
    "neither yes nor no": ({"resize": "maybe"}, BadInputError, "Try: resize=True or False"),
    "number below the least": (
        {"op": "gaussian", "m": -5},
        BadInputError,
        "Got -5. Try: m=5",
    ),
    "a range that holds next to nothing": (
        {"x": lambda files: np.full((3, 8, 8), 200, np.uint8), "range": (0, 1), "clip": True},
        BadInputError,
        "clip leaves next to nothing of it: 192 of 192 values lie outside of (0, 1).",
        "Try: range=(0, 255) and no clip",
    ),
    "number with a fraction": ({"budget": 2.5}, BadInputError, "Try: budget=2"),
    "word for a level": ({"sigma": "lots"}, BadInputError, "Try: sigma=0.1, or sigma='auto'"),
    "option below 0": ({"op": "blur", "width": -1}, BadInputError, "Got -1. Try: width=1"),
    "option below a small number": (
        {"op": "identity", "noise": "poisson", "gain": 0},
        BadInputError,
        "greater than or equal to 1e-15. Got 0. Try: priorkit show poisson",
    ),
    "option that isn't finite": (
        {"op": "blur", "width": float("nan")},
        BadInputError,
        "Got nan. Try: width=1",
    ),
    "factor larger than the image": (
        {"op": "downsample", "factor": 100},
        BadInputError,
        "multiples of factor = 100. Got 8×8. Try: factor=2",
    ),
    "factor that divides no side": (
        {"x": np.zeros((3, 9, 11), np.float32), "op": "downsample", "factor": 2},
        BadInputError,
        "multiples of factor = 2. Got 9×11. Try: shape=(3, 8, 10)",
    ),
    "factor larger than sides that nothing divides": (
        {"x": np.zeros((3, 11, 13), np.float32), "op": "downsample", "factor": 100},
        BadInputError,
        "Got 11×13. Try: a smaller factor",
    ),
    "mask that isn't there": (
        {"op": "mask", "mask": "nowhere.png"},
        BadInputError,
        "There is no file nowhere.png.",
    ),
    "y of nobody knows what": (
        {"x": None, "op": None, "prior": None, "y": np.zeros((1, 3, 64, 64), np.float32)},
        BadInputError,
        "Nobody says which operator measured y. Try: op='identity'",
    ),
    "option": ({"budgt": 5}, UnknownNameError, "Unknown option 'budgt'. Did you mean 'budget'?"),
    "option that is near nothing": (
        {"op": "mask", "qqqq": 0.2},
        UnknownNameError,
        "Unknown option 'qqqq'. Options here: averaging, budget, clip, ",
        "; of operator 'mask': cut, fraction, grow, mask, missing",
    ),
    "option of a component": (
        {"op": "mask", "fracton": 0.2},
        UnknownNameError,
        "Unknown option 'fracton'. Did you mean 'fraction'?",
    ),
    "option of another component": (
        {"angles": 60, "op": "mask"},
        UnknownNameError,
        "Unknown option 'angles' here: it is an option of operator 'radon'. Options here: ",
    ),
    "option of several others": (
        {"m": 5},
        UnknownNameError,
        "'m' here: it is an option of operator 'gaussian', operator 'rademacher', operator 'srht'.",
    ),
    "option of a kind that is chosen later": (
        {"history": 5, "solver": "fista", "penalty": "tv", "gamma": 0.1},
        UnknownNameError,
        "Unknown option 'history' here: it is an option of solver 'lbfgs'. Try: solver='lbfgs'",
    ),
    "option of many others": (
        {"tilt": 0.5},
        UnknownNameError,
        "it is an option of prior ",
        " and others. Options here: ",
    ),
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
    # a noise that nobody knows
    "sigma in a word": (
        {"sigma": "atuo"},
        BadInputError,
        "Setting sigma: it is a number or 'auto'. Got 'atuo'. Did you mean 'auto'?",
    ),
    "gamma in a word": (
        {"penalty": "tv", "gamma": "shure"},
        BadInputError,
        "it is a number or 'sure' or 'discrepancy'. Got 'shure'.",
    ),
    "sigma of a simulation": (
        {"sigma": "auto"},
        BadInputError,
        "estimates the noise of a measurement that was given",
        "y=… instead of the picture",
    ),
    "sigma of simulated counts": (
        {"noise": "poisson", "sigma": "auto", "op": "identity"},
        BadInputError,
        "The noise 'poisson' has no sigma. Try: black=…, gain=…, read_noise=…",
    ),
    "sigma of simulated outliers": (
        {"noise": "laplace", "sigma": "auto", "op": "identity"},
        BadInputError,
        "sigma says how much noise is added. Try: sigma=0.1",
    ),
    "sigma of no picture": (
        {"x": None, "y": np.ones(20), "op": "gaussian", "m": 20, "shape": (1, 8, 8)}
        | {"sigma": "auto"},
        MismatchError,
        "a measurement that is itself a picture, and that of operator 'gaussian' isn't",
        "the difference of two measurements of the same, over √2",
    ),
    "sigma of counts": (
        {"x": None, "y": np.ones((1, 16, 16)), "noise": "poisson", "sigma": "auto"},
        MismatchError,
        "of Gaussian noise. Got noise 'poisson'. Try: noise='gaussian'",
    ),
    "sigma of a few pixels": (
        {"x": None, "y": np.random.default_rng(0).random((1, 12, 12)), "sigma": "auto"},
        BadInputError,
        "too few pixels in one piece to estimate its noise. Got 49 differences",
    ),
    "sigma of single pixels": (
        {"x": None, "y": np.random.default_rng(0).random((1, 64, 64)), "sigma": "auto"}
        | {"op": "mask", "mask": "random"},
        BadInputError,
        "too few pixels in one piece",
    ),
    "sigma of none": (
        {"x": None, "y": np.full((1, 32, 32), 0.3), "sigma": "auto"},
        BadInputError,
        "y shows no noise",
    ),
    "sigma of pictures that differ": (
        {"x": None, "sigma": "auto"}
        | {"y": np.random.default_rng(0).random((2, 1, 32, 32)) * [[[[0.2]]], [[[1.0]]]]},
        BadInputError,
        "one σ for all images, and these differ. Got estimates from 0.0",
        "one run for each",
    ),
    "Stein's estimate of what isn't the picture": (
        {"op": "blur", "width": 0.5, "penalty": "tv", "gamma": "sure"},
        MismatchError,
        "is for a y that is the whole picture with Gaussian noise. Got operator 'blur'",
        "Try: gamma='discrepancy'",
    ),
    "a rule without sigma": (
        {"x": None, "y": np.ones((1, 16, 16)), "penalty": "tv", "gamma": "discrepancy"},
        BadInputError,
        "gamma='discrepancy' needs to know how much noise there is. Got no sigma.",
        "sigma='auto' where y is a picture",
    ),
    "a rule without noise": (
        {"op": "mask", "penalty": "tv", "gamma": "discrepancy", "sigma": 0},
        BadInputError,
        "Got no noise.",
    ),
    "a rule without a penalty": (
        {"gamma": "sure"},
        BadInputError,
        "gamma weighs a penalty, and none is chosen.",
    ),
    "a rule for a solver without one": (
        {"prior": "denoiser-photos", "gamma": "sure"},
        MismatchError,
        "solver 'denoise' weighs no penalty",
    ),
    # pictures
    "no file": ({"x": "nowhere.png"}, BadInputError, "There is no file nowhere.png."),
    "not a picture": (
        {"x": lambda f: f.folder / "notes.png"},
        BadInputError,
        "notes.png is not a picture that can be read",
        "such as PNG or JPEG",
    ),
    "truncated picture": (
        {"x": lambda f: f.folder / "truncated.png"},
        BadInputError,
        "truncated.png is not a picture that can be read",
    ),
    "numbers": ({"x": lambda f: f.folder / "deep.tiff"}, BadInputError, "Got int32", "range="),
    "empty folder": ({"x": lambda f: f.folder / "empty"}, BadInputError, "No pictures in the"),
    "pictures of several sizes": (
        {"x": lambda f: f.folder / "sizes"},
        BadInputError,
        "need one size",
        "Got 2 pictures of 2 sizes, 3×8×8 and 3×12×12.",
        "Try: a run for each: of a folder engine='processes' (recover_folder in Python), in a "
        "study its pictures on the grid; or shape",
        "shape=(3, 64, 64)",
    ),
    "pictures of many sizes": (
        {"x": [np.zeros((1, side, 9)) for side in (20, 8, 8, 12)]},
        BadInputError,
        "Got 4 pictures of 3 sizes, such as 1×8×9 and 1×20×9.",
        "resize=True where they are arrays",
    ),
    "measured pictures of several sizes": (
        {"x": None, "y": lambda f: f.folder / "sizes"},
        BadInputError,
        "Got 2 pictures of 2 sizes, 3×8×8 and 3×12×12. Try: a run for each",
    ),
    "a list of measured pictures of several sizes": (
        {"x": None, "y": lambda f: sorted((f.folder / "sizes").iterdir())},
        BadInputError,
        "Got 2 pictures of 2 sizes",
    ),
    "no pictures": ({"x": []}, BadInputError, "No pictures given", "an empty list"),
    "empty array": (
        {"x": np.zeros((0, 3, 8, 8))},
        BadInputError,
        "No pictures given. Got shape (0, 3, 8, 8)",
    ),
    "dimensions": ({"x": np.zeros(8)}, BadInputError, "2, 3 or 4 dimensions", "Got shape (8,)"),
    "NaN": (
        {"x": np.full((3, 8, 8), np.nan)},
        BadInputError,
        "A picture has values that are NaN or infinite. Got 192 of 192, the first at (0, 0, 0, 0).",
    ),
    "NaN in what was measured": (
        {"x": None, "y": np.where(np.arange(64).reshape(8, 8) == 11, np.nan, 0.5)},
        BadInputError,
        "The measurement y has values that are NaN or infinite. Got 1 of 64, the first at "
        '(0, 0, 1, 3). Try: op="mask", mask=numpy.isfinite(y)',
    ),
    "infinite numbers": (
        {"x": None, "y": np.array([1.0, np.inf]), "op": "gaussian", "m": 2, "shape": (1, 8, 8)},
        BadInputError,
        "Got 1 of 2, the first at (0, 1).",
    ),
    "infinite": ({"x": torch.full((3, 8, 8), torch.inf)}, BadInputError, "NaN or infinite"),
    "0 to 255": (
        {"x": np.linspace(0, 255, 64).reshape(8, 8)},
        BadInputError,
        "must lie in [0, 1]",
        "from 0 to 255",
        "range=(0, 255)",
    ),
    "−1 to 1": (
        {"x": np.linspace(-1, 1, 64).reshape(8, 8)},
        BadInputError,
        "from -1 to 1",
        "range=(-1, 1)",
    ),
    "integers": (
        {"x": np.zeros((8, 8), dtype=np.int64)},
        BadInputError,
        "uint16, or float",
        "int64",
    ),
    "complex": (
        {"x": np.zeros((8, 8), dtype=complex), "kind": "picture"},
        BadInputError,
        "uint16, or float",
    ),
    "letters": (
        {"x": np.array([["a", "b"]])},
        BadInputError,
        "A picture is an array of numbers. Got <U1 of shape (1, 2)",
    ),
    "not a picture at all": ({"x": 5}, BadInputError, "A picture is a path", "Got a single number"),
    "wrong size": (
        {"x": np.zeros((3, 16, 16)), "prior": lambda f: f.weights},
        BadInputError,
        "must be 3×8×8 here",
        "Got 3×16×16",
        "resize=True, to crop and resize it",
    ),
    "bands that can't be resized": (
        {"x": np.zeros((8, 16, 16)), "shape": (8, 8, 8), "prior": "none", "resize": True},
        BadInputError,
        "must be 8×8×8 here",
        "Got 8×16×16",
        "an array of 8×8×8",
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
        "is for images of shape (3, 8, 8). Got shape=(3, 16, 16). Try: no shape, or another prior",
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
        "The measurement y is empty: it holds no number. Got shape (0, 5).",
    ),
    "a y of no numbers": (
        {"x": None, "y": np.zeros(0), "shape": (3, 64, 64)},
        BadInputError,
        "The measurement y is empty: it holds no number. Got shape (0,).",
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
        "The measurement y is an array of numbers. Got <U1 of shape (1,)",
    ),
    "no file of y": (
        {"x": None, "y": "nowhere.npy", "shape": (3, 8, 8)},
        BadInputError,
        "There is no file nowhere.npy",
    ),
    # the operator
    "m below 1": (
        {"op": "gaussian", "m": 0},
        BadInputError,
        "m: Input should be greater than or equal to 1. Got 0",
    ),
    "m above n": (
        {"op": "gaussian", "m": 193},
        BadInputError,
        "m must be at most n = 192",
        "Got 193",
    ),
    "mask": (
        {"op": "mask", "mask": "centre"},
        BadInputError,
        "A mask is center, random, left, bottom, outliers, a file or an array. Got 'centre'. "
        "Did you mean 'center'?",
    ),
    "mask that is near nothing": (
        {"op": "mask", "mask": "qqq.npy"},
        BadInputError,
        "There is no file qqq.npy.",
    ),
    "kernel": (
        {"op": "blur", "kernel": "gausian"},
        BadInputError,
        "A kernel is gaussian, motion, a file or an array. Got 'gausian'. Did you mean 'gaussian'?",
    ),
    "mask of words": ({"op": "mask", "mask": np.array([["a"]])}, BadInputError, "of numbers"),
    "dark mask": ({"op": "mask", "mask": np.zeros((8, 8))}, BadInputError, "no pixel is seen. Got"),
    "size of a mask": ({"op": "mask", "mask": np.ones((4, 4))}, BadInputError, "must be 8×8"),
    "fraction": ({"op": "mask", "fraction": 1.5}, BadInputError, "less than 1. Got 1.5"),
    "matrix or path": ({"op": "matrix"}, BadInputError, "needs one of path and matrix"),
    "matrix of words": (
        {"op": {"name": "matrix", "matrix": "A"}},
        BadInputError,
        "a linear operator",
        "Got str",
    ),
    "matrix of letters": (
        {"op": {"name": "matrix", "matrix": np.array([["a"]])}},
        BadInputError,
        "A matrix is an array of numbers",
        "Got <U1",
    ),
    **{
        f"matrix file: {name}": ({"op": lambda f, name=name: matrix(f, name)}, BadInputError, *said)
        for name, said in {
            "nowhere.npy": ["There is no matrix file"],
            "text.npy": ["text.npy is not an array that can be read", "numpy.save"],
            "pickle.npy": ["pickle.npy is not an array that can be read", "allow_pickle=False"],
            "letters.npy": ["must hold one array of numbers"],
            "dense.npz": ["dense.npz is not a matrix that can be read", "save_npz"],
            "narrow.npy": ["has 192 columns", "shape (5, 7). Try: shape=… of images of 7 numbers"],
            "turned.npy": ["Got shape (192, 5). Try: the transpose of the matrix"],
            "narrow.npz": ["of shape (3, 8, 8) has 192 columns", "Got shape (7, 7)"],
            "nan.npy": ["NaN or infinite"],
            "cube.npy": ["two dimensions, (m, n). Got (2, 2, 2)"],
        }.items()
    },
    # settings
    "both noises": (
        {"sigma": 0.1, "noise_norm": 0.1},
        BadInputError,
        "Say sigma or noise_norm, not both. Got sigma=0.1, noise_norm=0.1. Try: sigma=0.1 and no ",
    ),
    "a range without a square": (
        {"range": (0, 1e300), "op": "mask", "m": None},
        BadInputError,
        "a range are from -1e+150 to 1e+150. Got range=(0.0, 1e+300).",
    ),
    "noise that float32 can't square": (
        {"sigma": 1e16},
        BadInputError,
        "sigma is from 0 to 1e+15. Got 1e+16",
    ),
    "such noise in a range": (
        {"sigma": 2e17, "range": (0, 100)},
        BadInputError,
        "sigma is from 0 to 1e+15 times the range. Got 2e+17",
    ),
    "a range that clip needs": ({"clip": True}, BadInputError, "clip brings values into the range"),
    "negative noise": ({"sigma": -1}, BadInputError, "Setting sigma:", "Got -1. Try: sigma=1"),
    "infinite noise": ({"sigma": float("inf")}, BadInputError, "Setting sigma:", "finite"),
    "negative gamma": (
        {"penalty": "tv", "gamma": -1.0},
        BadInputError,
        "Got -1. Try: gamma=1",
    ),
    "gamma without penalty": ({"gamma": 0.1}, BadInputError, "none is chosen", "penalty='l2'"),
    "penalty without gamma": ({"penalty": "tv"}, BadInputError, "needs its weight", "gamma="),
    "budget": ({"budget": 0}, BadInputError, "Setting budget:", "Got 0"),
    "restarts": ({"restarts": 0}, BadInputError, "Setting restarts:", "Try: restarts=1"),
    "averaging": ({"averaging": 0}, BadInputError, "Setting averaging:", "Try: averaging=1"),
    "spaces": ({"space": "pixels"}, BadInputError, "Setting space:", "Did you mean 'pixel'?"),
    "a type": ({"precision": "flaot64"}, BadInputError, "Did you mean 'float64'?"),
    "seed": ({"seed": -1}, BadInputError, "Setting seed:"),
    "space": ({"space": "fourier"}, BadInputError, "Setting space:", "'latent' or 'pixel'"),
    "precision": ({"precision": "float16"}, BadInputError, "Setting precision:", "'float32'"),
    "device": (
        {"device": "abacus"},
        BadInputError,
        "'abacus' isn't available: this machine has ",
        "Got a name that is none of cpu, cuda of a GPU",
        "device='cpu'",
    ),
    "true of several weights": (
        {"penalty": ["tv", "l2"], "gamma": [0.1, True]},
        BadInputError,
        "gamma holds a number for each penalty. Got [0.1, True]. Try: gamma=[0.1, 0.1]",
    ),
    "true as a weight": (
        {"penalty": [{"name": "tv", "gamma": True}, {"name": "l2", "gamma": 1}]},
        BadInputError,
        "The weight of a penalty is a number from 0 on. Got True. Try: 0.1",
    ),
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
        "space='pixel'",
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
            ("value.toml", BadInputError, "Setting gamma:", "Got -1"),
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
            ("deep-architecture.safetensors", WeightsError, "more parameters than the file's"),
            ("edited-card.safetensors", WeightsError, "was changed: it isn't what its sha256"),
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


@pytest.mark.parametrize("case", ["option", "option of a component", "option in a table"])
def test_a_near_name_is_all_that_is_said(case, face):
    """Not the names of everything else too."""
    given = {"prior": "none", "op": "identity"} | CASES[case][0]
    with pytest.raises(UnknownNameError, match=r"Did you mean '\w+'\?$"):
        priorkit.recover(face, **given)


@pytest.mark.parametrize("case", ["both noises", "a range that clip needs"])
def test_what_is_about_several_settings_is_a_sentence(case, face):
    """Where one is named, it is "Setting sigma: …"."""
    with pytest.raises(BadInputError) as caught:
        priorkit.recover(face, prior="none", op="identity", **CASES[case][0])
    assert str(caught.value).startswith(CASES[case][2])


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
        ("run-without-y", "is no whole run: y.npy and x.npy are missing"),
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
        record = json.loads(a_record(1))
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


def test_a_config_is_a_table_or_a_file(face):
    for config in (["dct"], 3, [("prior", "dct")]):
        with pytest.raises(BadInputError, match="config is a table of settings, or a TOML file"):
            priorkit.recover(face, config=config)


def test_noise_so_faint_that_its_energy_is_0_has_no_rule_for_gamma(face):
    settings = {"prior": "none", "penalty": "tv", "op": "mask", "gamma": "discrepancy"}
    with pytest.raises(BadInputError, match=r"needs to know how much noise.* Got no noise"):
        priorkit.recover(face, **settings, sigma=1e-170)


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
