"""Bad input on the command line: exit code 2, one line, and no file written."""

from pathlib import Path

import pytest

from priorkit.errors import BadInputError
from tests.bad_files import one_line

pytestmark = pytest.mark.usefixtures("no_compute")

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
    "shape": (
        f"{RECOVER} --prior tiny.safetensors --shape 3 16 16",
        "Got --shape 3 16 16. Try: no --shape, or another prior",
    ),
    "channels": (f"{RECOVER} --shape 2 8 8", "can't be brought to the shape 2×8×8"),
    "half a shape": (
        f"{RECOVER} --shape 8",
        "Got --shape 8, of vectors. Try: --shape 3 64 64, or --shape 1 64 64 in gray",
    ),
    "option of a command": (
        "guide --sigma -3",
        "--sigma: Input should be greater than or equal to 0. Got '-3'. Run: priorkit guide --help",
    ),
    "option of words": (
        "recover --batch x",
        "--batch: Input should be a valid integer",
        "Got 'x'. Run: priorkit recover --help",
    ),
    "option of other words": (
        "recover --engine x",
        "--engine: 'x' is not one of 'processes', 'dask'. Got 'x'. Run: priorkit recover --help",
    ),
    "space of a check": (
        "check tv --space middle",
        "--space: 'middle' is not one of 'latent', 'pixel'. Got 'middle'. Run: priorkit check",
    ),
    "folder of an audit": (
        "audit a=face.png --priors dct --op mask --out face.png",
        "face.png is a file. Try: another folder",
    ),
    "picture in place of a folder": (
        RECOVER.replace("--out out", "--out x.png"),
        "and this is the name of a file. Got x.png. Try: the folder x\n",
    ),
    "picture in place of the folder of a comparison": (
        "compare face.png --priors none --op mask --out x.jpg",
        "and this is the name of a file. Got x.jpg. Try: the folder x\n",
    ),
    "picture in place of the folder of a training": (
        "train glow --data empty --out x.png",
        "and this is the name of a file. Got x.png. Try: the folder x\n",
    ),
    "port": (
        "app --port 99999",
        "--port: Input should be less than or equal to 65535. Got '99999'",
    ),
    "option of no command": ("guide --foo", "No such option: --foo. Run: priorkit guide --help"),
    "required option": ("compare", "Missing option '--priors'. Run: priorkit compare --help"),
    "required argument": ("sweep", "Missing argument 'study'. Run: priorkit sweep --help"),
    "option of a trainer that is no number": (
        "train glow --data empty --out out --iterations x",
        "--iterations: Input should be a valid integer",
        "Got 'x'. Try: --iterations ",
    ),
    "option of a trainer that is true": (
        "train glow --data empty --out out --iterations true",
        "--iterations: it is a number, and neither true nor false. Got True. Try: --iterations",
    ),
    "training data that aren't there": (
        "train glow --data emty --out out",
        "There is no training data there. Got emty. Did you mean 'empty'?",
    ),
    "device of another name": (
        f"{RECOVER} --device gpu",
        "'gpu' isn't available: this machine has ",
        "Got a name that is none of cpu, cuda of a GPU (cuda:1 of the second), or mps of a Mac.",
        " --device ",
    ),
    "percents": (
        f"{RECOVER} --op mask --mask random --fraction 70%",
        "Got '70%'. Try: --fraction 0.7",
    ),
    "m below 1": (f"{RECOVER} --op gaussian --m 0", "greater than or equal to 1. Got 0"),
    "negative m": (
        f"{RECOVER} --op gaussian --m -5",
        "greater than or equal to 1. Got -5. Try: --m 5",
    ),
    "m above n": (f"{RECOVER} --op gaussian --m 193", "at most n = 192", "Got 193"),
    "m of words": (f"{RECOVER} --op gaussian --m many", "valid integer", "Got 'many'"),
    "x and y": (f"{RECOVER} --y y.npy", "or measurements y, not both", "Try: no --y, where x"),
    "neither yes nor no": (f"{RECOVER} --resize maybe", "Got 'maybe'. Try: --resize true or false"),
    "folder as a mask": (
        f"{RECOVER} --op mask --mask run-without-y",
        "A mask is one file. Got the folder run-without-y. Try: run-without-y/",
        ", which is in it",
    ),
    "photons of what has a gain": (
        f"{RECOVER} --noise poisson --photons 100",
        "it is an option of noise 'transmission'. Options here: of noise 'poisson': black (c, "
        "what is read without light, in units of y), gain (g, what one count adds to y; 1/g is the "
        "number of photons at white), read_noise (r, ",
    ),
    "y of the wrong length": (
        "recover --prior none --op gaussian --m 5 --y short.npy --shape 3 8 8 --out out",
        "y must be (5,), or a batch of these. Got (7,)",
    ),
    "y with NaN": (
        "recover --prior none --op identity --y nan-y.npy --shape 3 8 8 --out out",
        "y has values that are NaN",
    ),
    "both noises": (f"{RECOVER} --sigma 0.1 --noise-norm 0.1", "sigma or noise_norm, not both"),
    "negative gamma": (f"{RECOVER} --penalty tv --gamma -0.1", "Setting gamma:", "Got -0.1"),
    "gamma without penalty": (f"{RECOVER} --gamma 0.1", "gamma weighs a penalty"),
    "gamma that isn't finite": (f"{RECOVER} --penalty tv --gamma NaN", "Setting gamma:"),
    "nll without a density": (f"{RECOVER} --penalty nll --gamma 1", "to be a Density"),
    "latent space without a decoder": (f"{RECOVER} --space latent", "to be a Decoder"),
    "a kink for a smooth solver": (
        f"{RECOVER} --penalty l1 --gamma 1 --solver lbfgs",
        "requires a smooth penalty",
        "Try: --solver adam or ",
    ),
    "matrix": (f"{RECOVER} --op matrix --path text.npy", "not an array that can be read"),
    "matrix of other columns": (f"{RECOVER} --op matrix --path narrow.npy", "has 192 columns"),
    "no config": (
        f"{RECOVER} --config qqqqqqq",
        "qqqqqqq can't be read",
        "Try: the path of a TOML or JSON file",
    ),
    "study that isn't there": (
        "sweep brokn.toml --out out.parquet",
        "brokn.toml can't be read. Got No such file or directory. Did you mean 'broken.toml'",
    ),
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
    "a file as folder": (f"{RECOVER} --out face.png", "face.png is a file"),
    "replay of nothing": ("replay empty", "empty holds no run"),
    "replay of half a run": (
        "replay run-without-y",
        "is no whole run: y.npy and x.npy are missing",
    ),
    "show": ("show gausian", "Unknown name 'gausian'. Did you mean 'gaussian'?"),
    "command": ("recovr face.png", "No such command 'recovr'"),
    "trainer": ("train glo --data face.png --out out", "Did you mean 'glow'?"),
    "no trainer": ("train --data face.png --out out", "Say which trainer"),
    "training without data": ("train glow --out out", "needs --data"),
    "no training data": ("train glow --data nowhere --out out", "no training data there"),
    "option of a trainer": ("train glow --data empty --out out --iteratons 3", "'iterations'?"),
    "import over": ("import-glow model.pt --out tiny.safetensors", "is there already"),
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
    assert "can't be written. Got Not a directory. Try: another folder" in one_line(caught.value)
