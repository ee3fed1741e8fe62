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
from typer.main import get_command

from priorkit.cli import guide
from priorkit.cli.advice import MEASURED, NOISE, QUESTIONS, SHOWS, advice, offered
from priorkit.cli.application import application
from priorkit.cli.known import known_options
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
    """Answers that don't go together name what does, or say that nothing is to be done; what was
    measured is kept, and the later answer is the one to change."""
    assert len(GOOD) > 100
    assert {measured for measured, _, _ in GOOD} == set(MEASURED)
    assert {noise for _, noise, _ in GOOD} == set(NOISE)
    assert {shows for _, _, shows in GOOD} == set(SHOWS)
    assert len({advice(*answers).command for answers in GOOD}) == len(ONCE) > 60
    for answers, said in {
        ("ct", "known", "face"): "There is no advice for a face, aligned as in CelebA, 64×64, from "
        "a sinogram (CT). Got --measured ct --noise known --shows face. Try: --shows photograph or "
        "flat or scan",
        ("mri", "known", "volume"): "Try: --shows flat or scan",
        ("noisy", "little", "face"): "A whole picture next to without noise needs no recovery. "
        "Got --measured noisy --noise little. Try: --noise known or unknown or counts or outliers",
        ("mri", "counts", "flat"): "The noise of k-space is Gaussian. Got --measured mri --noise "
        "counts. Try: --noise known or unknown or little",
        ("noisy", "counts", "volume"): "There is no advice for such noise of slices behind one "
        "another. Got --measured noisy --noise counts --shows volume. Try: --shows photograph or "
        "face or flat or scan",
        ("noisi", "known", "face"): "What was measured? Got 'noisi'. Did you mean 'noisy'?",
        ("noisy", "x", "face"): "Try: one of known, unknown, little",
    }.items():
        with pytest.raises(BadInputError) as refused:
            advice(*answers)
        assert said in str(refused.value)


def test_a_hint_that_is_followed_leads_to_a_command():
    """Of all answers that don't go together."""
    assert BAD
    for answers in BAD:
        said = dict(zip(QUESTIONS, answers, strict=True))
        with pytest.raises(BadInputError) as refused:
            advice(**said)
        key, words = re.fullmatch(r"--(\w+) (.+)", refused.value.try_).groups()
        assert key != "measured"
        for other in words.split(" or "):
            left = said | {key: other}
            assert said["measured"] == left["measured"]
            for last in [left["shows"]] if key == "shows" else offered("shows", left):
                assert advice(**left | {"shows": last})


def test_a_slice_of_a_scanner_is_recovered_from_its_measurement():
    """In units of its own, said once."""
    for measured, noise in (("mri", "known"), ("ct", "known"), ("blurred", "outliers")):
        command = advice(measured, noise, "scan").command
        assert command.count("--range auto") == 1
        assert "--prior denoiser-photos" in command or noise == "outliers"


@pytest.fixture(scope="module")
def recover():
    """The command ``recover`` as the command line has it."""
    return get_command(application()).commands["recover"]


def at_a_terminal(monkeypatch, *answers):
    """A terminal at which these are answered in turn."""
    left = iter(answers)
    monkeypatch.setattr(guide.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(guide.typer, "prompt", lambda *_, **__: next(left))


def test_every_path_through_the_questions_ends_in_a_command(recover, monkeypatch, capsys, tmp_path):
    """What is offered is numbered from 1; the command has options that its parser and the
    components on its line know."""
    monkeypatch.setenv("PRIORKIT_CACHE_DIR", str(tmp_path))
    read = {}  # the options of each component, read once

    def known_once(entry):
        if str(entry) not in read:
            read[str(entry)] = known_options(entry)
        return read[str(entry)]

    monkeypatch.setattr("priorkit.cli.offers.known_options", known_once)
    ended, commands = set(), set()
    for measured in MEASURED:
        for noise in offered("noise", {"measured": measured}):
            shown = offered("shows", {"measured": measured, "noise": noise})
            assert shown
            for number, shows in enumerate(shown, 1):
                number_of_noise = 1 + offered("noise", {"measured": measured}).index(noise)
                at_a_terminal(monkeypatch, measured, str(number_of_noise), str(number))
                guide.guide()
                ended.add((measured, noise, shows))
                commands.add(capsys.readouterr().out.splitlines()[0])
    assert ended == set(GOOD)
    for command in commands:
        program, name, *words = shlex.split(command)
        assert (program, name) == ("priorkit", "recover")
        context = recover.make_context("recover", list(words))
        known = recover.offers(context, begun=False)
        positional, options = words_of(list(context.args))
        assert len(positional) <= 1
        assert options.keys() <= known.keys(), words


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
    """By name or number, on stderr; without a terminal an error names the options that go with
    what was said."""
    asked = command_line("guide", "--measured", "noisy")
    assert asked.code == 2
    assert "--noise known|unknown|counts|outliers" in asked.err
    at_a_terminal(monkeypatch, "7", "nothing", "outlier", "2", " photograph ")
    done = command_line("guide", "--measured", "noisy")
    assert done.out.splitlines()[0] == "priorkit recover noisy.png"
    assert done.err.count("A number from 1 to 4, or a name.") == 3
    assert done.err.count("or a name. Did you mean 'outliers'?") == 1
    assert "What does the picture show?" in done.err


def test_what_does_not_fit_is_asked_again(command_line, monkeypatch):
    """At a terminal; elsewhere, and where a program asks, it is an error."""
    words = ("guide", "--measured", "mri", "--noise", "nown", "--shows", "face")
    refused = command_line(*words)
    assert (refused.code, refused.out) == (2, "")
    at_a_terminal(monkeypatch, "known", "scan")
    done = command_line(*words)
    assert done.code == 0
    assert "--op fourier" in done.out
    assert "Got 'nown'. Did you mean 'known'" in done.err
    assert "Got --measured mri --shows face. Try: --shows flat or scan" in done.err
    at_a_terminal(monkeypatch)
    assert command_line(*words, "--json").code == 2


def test_the_only_answer_is_not_asked(command_line):
    done = command_line("guide", "--noise", "known", "--shows", "volume", "--file", "a.npy")
    assert done.out.startswith("priorkit recover --y a.npy --op identity --sigma 0.02 --kind vol")


def test_answers_stand_in_columns(monkeypatch, capsys):
    """With a gap, at 80 columns and at 50, where what doesn't fit goes on below."""
    for width in (80, 50):
        monkeypatch.setattr(guide.err, "_width", width)
        at_a_terminal(monkeypatch, "mri", "known", "scan")
        guide.guide()
        lines = [line.rstrip() for line in capsys.readouterr().err.splitlines()]
        assert max(map(len, lines)) <= width
        assert "  4  shaken   a picture that was shaken" in lines
        assert any(line.startswith("  2  scan  a slice of a scanner") for line in lines)
        assert any(line.startswith(" " * 11) for line in lines) == (width == 50)
