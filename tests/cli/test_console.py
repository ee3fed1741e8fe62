"""The terminal: what is said on which stream, and words that plugins give their meaning."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from priorkit.cli import console
from priorkit.cli.application import application
from priorkit.cli.words import split
from priorkit.errors import BadInputError
from tests.helpers import PATIENCE


def test_words():
    positional, options = split(
        [
            "a.png",
            "--shape",
            "3",
            "8",
            "8",
            "--mask=center",
            "--noise-norm",
            "0.1",
            "--flag",
            "true",
        ]
    )
    assert positional == ["a.png"]
    assert options == {"shape": [3, 8, 8], "mask": "center", "noise_norm": 0.1, "flag": True}
    with pytest.raises(BadInputError, match="--m needs a value"):
        split(["--m", "--n", "3"])


def test_json_is_all_that_is_on_stdout(command_line, tmp_path):
    words = ["--prior", "none", "--op", "mask", "--shape", "3", "8", "8", "--budget", "2"]
    done = command_line("recover", *words, "--json", "--out", tmp_path / "out")
    record = json.loads(done.out)
    assert record["unit"] == "evaluations"
    assert record["images"][0]["reason"]
    assert done.err == ""


def test_a_table_tells_why_it_ended(command_line, tmp_path):
    words = ["--prior", "none", "--op", "mask", "--shape", "3", "8", "8", "--budget", "2"]
    done = command_line("recover", *words, "--out", tmp_path / "out")
    assert "budget" in done.out
    assert "about" in done.err
    assert "of memory" in done.err


def test_compare_says_what_failed(command_line, tmp_path):
    words = ["--priors", "dct,[red]x.safetensors", "--m", "20", "--shape", "3", "8", "8"]
    done = command_line("compare", *words, "--out", tmp_path / "out")
    assert done.code == 0
    assert "[red]x.safetensors" in done.out  # a file that isn't there


def test_one_unreadable_file_stops_no_folder(command_line, tmp_path):
    """It is listed with its reason, the rest is done, and the exit code says so."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(2):
        Image.new("RGB", (8, 8), "gray").save(folder / f"{i}.png")
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    words = ["--prior", "none", "--op", "mask", "--budget", "2", "--out", tmp_path / "out"]
    done = command_line("recover", folder, *words)
    assert done.code == 1
    assert "cut.png is not a picture that can be read" in done.err
    assert "1 file of the folder was left out" in done.err
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert [image["name"] for image in record["images"]] == ["0", "1"]
    assert "cut.png" in record["skipped"]
    for path in folder.iterdir():
        path.write_bytes(b"nothing")
    done = command_line("recover", folder, *words)
    assert done.code == 2
    assert "0.png is not a picture" in done.err


# --- terminals as they may be ------------------------------------------------------

MASK = "recover --prior none --op mask --shape 3 8 8 --budget 2"


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def in_a_shell(command, cwd):
    """The real command line in a process of its own, through a shell."""
    line = command.replace("priorkit", f"{sys.executable} -m priorkit.cli")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    limits = {"timeout": PATIENCE, "check": False}
    done = subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=environment, capture_output=True, **limits
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("command", "code"),
    [
        slow(f"priorkit {MASK}", 0),
        ("priorkit list >&-", 0),
        ("priorkit list 2>&-", 0),
        ("priorkit plugins >/dev/full", 2),
        slow(f"priorkit {MASK} >/dev/full 2>/dev/full", 2),
        ("set -o pipefail; priorkit list | head -1 | head -1", None),
        slow("priorkit recover $'\\xff.png'", 2),  # here test_names_are_data has such names
        slow("priorkit recover '[bold]x[/bold'", 2),
        slow("priorkit show $'\\x1b[2J'", 2),
    ],
)
def test_no_terminal_is_too_poor(command, code, tmp_path):
    """ASCII only, closed, full, a pipe that broke: an exit code, and never a traceback."""
    done = in_a_shell(command, tmp_path)
    assert code is None or done.returncode == code, done
    assert b"\x1b" not in done.stderr


# priorkit, with a Ctrl-C as a module begins to be imported.
CUT = """
import signal, sys
from priorkit.cli import main
module = sys.argv.pop(1)
class Cut:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Cut())
main()
"""


@pytest.mark.parametrize(
    "module",
    ["typer", slow("torch"), slow("priorkit_operators.pointwise")],
)
def test_ctrl_c_before_anything_began(module, tmp_path):
    """While modules are still imported: no traceback, exit code 130."""
    done = subprocess.run(
        [sys.executable, "-c", CUT, module, *MASK.split()],
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == 130
    # A Ctrl-C that has waited for an operator's import may find the run begun, whose folder is
    # saved, or is one that the next run takes.
    left = {path.name for path in tmp_path.iterdir()}
    begun = {"priorkit-out", "priorkit-out.unfinished"} if module.startswith("priorkit_") else set()
    assert left <= begun


# priorkit, with a Ctrl-C while a class is made in a module that is imported once torch is there:
# before 3.12, Python itself puts another error in its place there.
WRAPPED = """
import signal, sys, types, torch
from priorkit.cli import main
class Field:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)
        for _ in range(100):
            pass
class Loader:
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        type("Owner", (), {"field": Field()})
class Cut:
    def find_spec(self, name, path=None, target=None):
        if name == "priorkit.verbs.recover":
            sys.meta_path.remove(self)
            from importlib.util import spec_from_loader
            import importlib
            sys.modules.pop("late", None)
            late = spec_from_loader("late", Loader())
            importlib._bootstrap._load(late)
sys.meta_path.insert(0, Cut())
main()
"""


def test_ctrl_c_waits_for_an_import(tmp_path):
    """It neither becomes another error nor is lost."""
    done = subprocess.run(
        [sys.executable, "-c", WRAPPED, *MASK.split()],
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == 130, done.stderr


# --- where results go ------------------------------------------------------------------


def test_the_users_own_pictures_stay(command_line, tmp_path, monkeypatch):
    """``recover data/images --out data`` was how they were lost."""
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    Image.new("RGB", (8, 8), "gray").save(images / "a.png")
    before = (images / "a.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    words = ["--prior", "none", "--op", "mask", "--budget", "2"]
    for out in ("data", "data/images"):
        done = command_line("recover", images, *words, "--out", out)
        assert done.code == 2
        assert "holds files that a run like this did not write" in done.err
    assert [p.name for p in images.iterdir()] == ["a.png"]
    assert (images / "a.png").read_bytes() == before
    for _ in range(2):  # without --out, each has a folder of its own
        assert command_line("recover", images, *words).code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "priorkit-out", "priorkit-out-2"]
    done = command_line("recover", "--config", "priorkit-out/config.toml", "--out", "priorkit-out")
    assert "holds an input of this run, config.toml" in done.err
    done = command_line("recover", "priorkit-out/truth.npy", *words, "--out", "priorkit-out")
    assert "holds an input of this run, truth.npy" in done.err


def test_names_are_data(command_line, tmp_path, monkeypatch):
    """Bytes that are no text, markup, 245 bytes, control characters: all are done and saved."""
    images = tmp_path / "in"
    images.mkdir()
    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "gray").save(picture)
    for name in (b"\xff\xfe.png", b"[bold]x.png", b"n" * 241 + b".png", b"\x1b[2J.png", b"a..png"):
        (Path(os.fsdecode(os.fsencode(images) + b"/" + name))).write_bytes(picture.read_bytes())
    Path(os.fsdecode(os.fsencode(images) + b"/\xfd.png")).write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    words = ["--prior", "none", "--op", "mask", "--budget", "2", "--out", "out"]
    done = command_line("recover", images, *words)
    assert done.code == 1, done.err
    assert "\x1b" not in done.out + done.err
    assert len(list((tmp_path / "out" / "images").iterdir())) == 5
    assert command_line("replay", "out").code == 0
    alone = command_line("recover", os.fsdecode(os.fsencode(images) + b"/\xff\xfe.png"), *words)
    assert alone.code == 0, alone.err
    assert command_line("recover", "--config", "out/config.toml", "--out", "again").code == 0


def test_a_replay_reads_its_folder_once(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8), "gray").save("a.png")
    words = ["--prior", "none", "--op", "mask", "--budget", "2", "--out", "out"]
    assert command_line("recover", "a.png", *words).code == 0
    read, whole = [], np.load
    monkeypatch.setattr(
        np, "load", lambda path, **how: read.append(path.name) or whole(path, **how)
    )
    done = command_line("replay", "out")
    assert done.code == 0
    assert "Largest difference of a pixel from the saved result: " in done.out
    assert sorted(read) == ["truth.npy", "x.npy", "y.npy"]


HEADS = ["prior", "m", "PSNR", "SSIM", "error", "evaluations", "seconds", "PSNR at T", "T"]
ROWS = [["glow-celeba", "500", "14.41", "0.160", "3.63e-02", "1230", "1.1", "14.43", "1.4"],
        ["my-prior-with-a-long-name", "2500", "15.45", "0.326", "2.85e-01", "37", "10.2", "9.25",
         "—"]]  # fmt: skip


@pytest.mark.parametrize(("width", "is_table"), [(200, 1), (90, 1), (80, 1), (60, 0), (30, 0)])
def test_no_number_of_a_table_is_broken(width, is_table, capsys, monkeypatch):
    """Heads and names are, and where that isn't enough each row is a line of its own."""
    monkeypatch.setattr(console.out, "width", width)
    console.show_table(HEADS, ROWS)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    words = shown.replace(",", " ").split()
    assert [cell for row in ROWS for cell in row[1:] if cell not in words] == []
    assert words.count("evaluations") == (1 if is_table else 2)
    assert ("my-prior-with-a-long-name" in words) == (width != 80)


def test_what_is_no_terminal_has_no_width(command_line, tmp_path, monkeypatch):
    """A row of a table is one line of a pipe, and each number is whole."""
    code = "from priorkit.cli.console import out; print(out.width)"
    width = int(subprocess.check_output([sys.executable, "-c", code]))
    monkeypatch.setattr(console.out, "width", width)
    name = "a-photograph-with-a-long-name-" * 4
    picture = tmp_path / f"{name}.png"
    Image.new("RGB", (8, 8), "gray").save(picture)
    words = MASK.split()
    found = command_line(words[0], picture, *words[1:], "--out", tmp_path / "out")
    head, row, *_ = found.out.splitlines()
    assert head.split()[:2] == ["image", "PSNR"]
    assert row.split()[0] == name
    assert row.rstrip().endswith("the gradient is zero")


def test_a_comparison_fits_80_columns(command_line, tmp_path, monkeypatch):
    """As it is run; what restarts had is a column where there are any, what all have in common is a
    line below, and the error, which the PSNR says too, is left to results.json."""
    monkeypatch.setattr(console.out, "width", 80)
    settings = "--op gaussian --ms 100 --shape 3 16 16 --budget 30"
    words = ["compare", "--priors", "none,dct", *settings.split()]
    rows = json.loads(command_line(*words, "--out", tmp_path / "a", "--json").out)
    shown = command_line(*words, "--out", tmp_path / "b").out
    for row in rows:
        cells = [row["prior"], f"{row['psnr']:.2f}", f"{row['ssim']:.3f}"]
        assert [cell for cell in cells if cell not in shown.split()] == []
    assert "restarts" not in shown
    table, _, below = shown.partition("The same for all: ")
    assert " T " in f" {below}"
    assert max(map(len, table.splitlines())) <= 80
    words = [*words, "--start", "normal", "--restarts", "2", "--out", tmp_path / "c"]
    assert "restarts" in command_line(*words).out


COMMANDS = get_command(application()).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_word_that_was_written(name, command_line):
    """Of the command and its options: what stands in [brackets] is a word, and no markup."""
    command = COMMANDS[name]
    said = [inspect.getdoc(command.callback), *(option_help(p) for p in command.params)]
    words = [word for text in said for word in text.split()]
    shown = command_line(name, "--help").out
    assert len(words) > 3
    assert [word for word in words if word not in shown] == []


def option_help(parameter):
    """As it was written: escaped once, for the terminal."""
    return (getattr(parameter, "help", "") or "").replace("\\[", "[")


def test_a_name_between_colons_is_no_emoji(command_line):
    done = command_line("recover", "scan:smile:.png")
    assert "scan:smile:.png" in done.err


def test_show_says_how_a_component_is_imported(command_line):
    shown = "from priorkit_operators.mosaic import Mosaic"
    assert shown in command_line("show", "mosaic").out.splitlines()


def test_defaults_are_as_they_are_typed(command_line):
    told = command_line("show", "glow").out
    assert "--reversible true|false  default: false\n" in told
    assert "--steps-per-level INTEGER …  default: 8 8 8 8  " in told
    assert "--box NUMBER …  left" in told
