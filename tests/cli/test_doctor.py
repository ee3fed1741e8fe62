"""``priorkit doctor``: every set of kernels is named, with where it runs or why not."""

import json

import torch
from typer.testing import CliRunner

from priorkit.cli.application import application
from priorkit.registry import registry


def test_it_says_what_there_is():
    done = CliRunner().invoke(application(), ["doctor", "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["torch"] == torch.__version__
    for entry in registry().entries("kernels"):
        said = found[f"kernels: {entry.name}"]
        assert said.startswith("in use") or said == "torch sees no CUDA device"
    assert {"kernels: glow", "kernels: gaussian"} <= set(found)


def test_it_prints_a_table():
    done = CliRunner().invoke(application(), ["doctor"])
    assert done.exit_code == 0
    assert "kernels: glow" in done.stdout
