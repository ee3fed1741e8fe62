"""The terminal: what is said on which stream, and words that plugins give their meaning."""

import json

import pytest

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
