"""``priorkit doctor``: where kernels of our own are in use, or why not."""

import json
import sys

import pytest
import torch
from typer.testing import CliRunner

from priorkit import cuda
from priorkit.cli import doctor
from priorkit.cli.application import application
from priorkit.errors import PluginError
from priorkit.registry import Entry, registry

no_device = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")


def test_it_says_what_there_is():
    done = CliRunner().invoke(application(), ["doctor", "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["torch"] == torch.__version__
    assert any(name.startswith("kernels") for name in found)


@no_device
def test_without_a_device_the_reason_is_said_once():
    found = doctor.findings()
    about = {name: said for name, said in found.items() if name.startswith("kernels")}
    assert about == {"kernels": "torch sees no CUDA device"}


@no_device
def test_every_component_that_has_kernels_is_asked_for_them(monkeypatch):
    """Once, whatever the number of its names; one that can't be imported is said too."""
    asked = []

    def refuses(sources, index):
        asked.append({path.stem for path in sources})
        raise OSError("no driver")

    monkeypatch.setattr(cuda, "obstacle", lambda: None)
    monkeypatch.setattr(cuda, "_loaded", {})
    monkeypatch.setattr(cuda, "_said", {})
    monkeypatch.setattr(cuda, "_Device", refuses)
    lost = Entry("solver", "lost", "no_such_module:Lost", "somebody")
    monkeypatch.setitem(registry()._words["solver"], "lost", lost)
    with pytest.raises(PluginError):
        lost.load()
    found = doctor.findings()
    assert sorted(asked, key=len) == [{"gaussian"}, {"hidden", "step"}]
    assert found["kernels: glow"] == found["kernels: gaussian"] == "OSError: no driver"
    assert "No module named 'no_such_module'" in found["solver 'lost'"]


def test_it_prints_a_table():
    done = CliRunner().invoke(application(), ["doctor"])
    assert done.exit_code == 0
    assert "kernels" in done.stdout


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
