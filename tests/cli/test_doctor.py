"""``priorkit doctor``: every set of kernels is named, with where it runs or why not."""

import json
import sys

import torch
from typer.testing import CliRunner

from priorkit import cuda
from priorkit.cli import doctor
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


def test_a_torchvision_of_another_build_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda package: "0.28.0")
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    said = doctor.findings()["torchvision"]
    assert said.startswith(f"0.28.0 can't be imported beside torch {torch.__version__}")
    assert "from the same place" in said


def test_a_cuda_core_that_is_too_old_is_said(monkeypatch):
    monkeypatch.setattr(cuda, "version", lambda package: "0.4.2")
    said = doctor.findings()["cuda.core"]
    assert said == "cuda.core is 0.4.2, and 1.2 is needed: pip install -U 'priorkit[cuda]'"
