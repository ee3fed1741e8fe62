"""Every command that the guide prints is accepted, by files of its kind; nothing is computed."""

import itertools
import json
import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from priorkit.cli import guide
from priorkit.cli.guide import MEASURED, NOISE, SHOWS, advice
from priorkit.cli.words import split as words_of
from priorkit.errors import BadInputError
from priorkit.io.pictures import raw_from
from priorkit.settings.config import split
from priorkit.verbs.alone import denoised
from priorkit.verbs.prepare import prepare

ROOT = Path(__file__).parents[2]
STARTS = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")


def every():
    """All answers that go together, and all that don't."""
    good, bad = [], []
    for answers in itertools.product(MEASURED, NOISE, SHOWS):
        try:
            advice(*answers)
        except BadInputError:
            bad.append(answers)
        else:
            good.append(answers)
    return good, bad


GOOD, BAD = every()
ONCE = {advice(*answers).command: answers for answers in GOOD}  # answers with distinct commands
# The first of what each question can be answered with, and then the others.
FIRST = {answers[k]: answers for answers in reversed(ONCE.values()) for k in range(3)}.values()
ANSWERS = [
    pytest.param(each, marks=[] if each in FIRST else pytest.mark.slow) for each in ONCE.values()
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder for each that a picture can show, with a file of every kind of measurement."""
    root, rng = tmp_path_factory.mktemp("guide"), np.random.default_rng(0)
    for shows in SHOWS:
        folder = root / shows
        folder.mkdir()
        side = 64 if shows == "face" else 48
        picture = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        for name in ("noisy", "blurred", "shaken"):
            Image.fromarray(picture).save(folder / f"{name}.png")
        Image.fromarray(picture[: side // 2, : side // 2]).save(folder / "small.png")
        picture[4:9] = (255, 0, 0)
        Image.fromarray(picture).save(folder / "scratched.png")
        Image.fromarray(picture[..., 1]).save(folder / "raw.png")
        with h5py.File(folder / "scan.h5", "w") as file:
            file["kspace"] = rng.normal(size=(4, 48, 48)) + 1j * rng.normal(size=(4, 48, 48))
        np.save(folder / "sinogram.npy", rng.poisson(500, (95, 60)).astype(np.float32))
        np.save(folder / "y.npy", rng.random(20))
        np.save(folder / "A.npy", rng.normal(size=(20, 3 * 64 * 64)).astype(np.float32))
        np.save(folder / "volume.npy", rng.random((5, 32, 32), dtype=np.float32))
        np.save(folder / "signal.npy", rng.random((1, 480), dtype=np.float32))
    return root


@pytest.mark.parametrize("answers", ANSWERS, ids="-".join)
def test_a_command_is_accepted(answers, files, monkeypatch):
    monkeypatch.chdir(files / answers[2])
    own = f"{answers[2]}.npy" if answers[2] in ("volume", "signal") else None
    command = shlex.split(advice(*answers, file=own).command)
    assert command[:2] == ["priorkit", "recover"]
    positional, settings = words_of(command[2:])
    config, extra = split(settings)
    if positional:
        (path,) = positional
        config, y = denoised(path, config, extra), path
        assert config is not None
    else:
        y = settings["y"]
    y = raw_from(y, "The measurement y", kind=config.kind).numbers
    setup, _ = prepare(None, y, config, extra)
    assert setup.problem.gamma >= 0


def test_there_is_advice_for_most_and_what_is_refused_is_said():
    """Answers that don't go together name what does, or say that nothing is to be done."""
    assert len(GOOD) > 100
    assert {measured for measured, _, _ in GOOD} == set(MEASURED)
    assert {noise for _, noise, _ in GOOD} == set(NOISE)
    assert {shows for _, _, shows in GOOD} == set(SHOWS)
    assert len({advice(*answers).command for answers in GOOD}) == len(ONCE) > 60
    for answers, said in {
        ("ct", "known", "face"): "no advice for a sinogram, of a face.* Try: --measured noisy or h",
        ("noisy", "little", "face"): "needs no recovery",
        ("mri", "counts", "flat"): "noise of k-space is Gaussian. Try: --noise known",
        ("noisy", "counts", "volume"): "no advice for such noise of slices",
        ("noisi", "known", "face"): "What was measured.* Got 'noisi'. Try: Did you mean 'noisy'",
        ("noisy", "x", "face"): "Try: one of known, unknown, little",
    }.items():
        with pytest.raises(BadInputError, match=said):
            advice(*answers)


def test_it_says_what_the_documentation_says():
    """The operators of its files are those of the table of docs/start.md."""
    rows = re.findall(r"`priorkit recover --y (\S+) (.+?)`", STARTS)
    told = {name.split("::")[0]: words for name, words in rows}
    for measured in ("holes", "shaken", "small", "mosaic", "mri", "ct"):
        choice = MEASURED[measured]
        row = told[{"shaken": "blurred.png"}.get(measured, choice.file.split("::")[0])]
        said = choice.words.replace("{file}", choice.file)
        assert said.split()[:2] == row.split()[:2] == ["--op", said.split()[1]]
        options = set(re.findall(r"--[a-z-]+", said))
        assert options <= set(re.findall(r"--[a-z-]+", row)), measured
    assert f"`{advice('noisy', 'unknown', 'photograph', file='photo.jpg').command}`" in STARTS


def test_answers_are_options(command_line):
    done = command_line("guide", "--measured", "blurred", "--noise", "known", "--shows", "face",
                        "--file", "my face.png", "--sigma", "0.05")  # fmt: skip
    assert done.code == 0
    first, *why = done.out.splitlines()
    assert first == (
        "priorkit recover --y 'my face.png' --op blur --kernel gaussian --width 1.5 "
        "--sigma 0.05 --prior diffusion-celeba"
    )
    assert any("a network that knows such faces" in line for line in why)
    assert why[-1].strip() == "examples, to be replaced by yours: --width"
    words = ["guide", "--measured", "ct", "--shows", "flat", "--sigma", "3", "--json"]
    told = json.loads(command_line(*words).out)
    assert "--sigma 3 " in told["command"]
    refused = command_line("guide", "--measured", "ct", "--noise", "none")
    assert refused.code == 2
    assert "What is known of its noise?" in refused.err


def test_what_is_not_said_is_asked(command_line, monkeypatch):
    """By name or number, on stderr; without a terminal an error names the options."""
    asked = command_line("guide", "--measured", "noisy")
    assert asked.code == 2
    assert "--noise known|unknown|little|counts|outliers" in asked.err
    monkeypatch.setattr(guide.sys.stdin, "isatty", lambda: True, raising=False)
    answers = iter(["7", "nothing", "2", " photograph "])
    monkeypatch.setattr(guide.typer, "prompt", lambda *_, **__: next(answers))
    done = command_line("guide", "--measured", "noisy")
    assert done.out.splitlines()[0] == "priorkit recover noisy.png"
    assert done.err.count("A number from 1 to 5, or a name.") == 2
    assert "What does the picture show?" in done.err
