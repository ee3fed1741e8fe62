"""The terminal: what is said on which stream, and words that plugins give their meaning."""

import json

import pytest
from PIL import Image

from priorkit.cli.words import split
from priorkit.errors import BadInputError


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
    words = ["--priors", "dct,[red]x", "--m", "20", "--shape", "3", "8", "8"]
    done = command_line("compare", *words, "--out", tmp_path / "out")
    assert done.code == 0
    assert "Unknown prior '[red]x'" in done.out


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
    assert "1 file(s) could not be read" in done.err
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert [image["name"] for image in record["images"]] == ["0", "1"]
    assert "cut.png" in record["skipped"]
    for path in folder.iterdir():
        path.write_bytes(b"nothing")
    done = command_line("recover", folder, *words)
    assert done.code == 2
    assert "0.png is not a picture" in done.err
