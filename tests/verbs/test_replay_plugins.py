"""A saved run knows whose components it used, and says so where they are missing."""

import importlib
import json
import shutil
import sys

import pytest
import torch

import priorkit
from priorkit.errors import BadInputError, UnknownNameError
from priorkit.registry import registry
from priorkit.settings.files import from_file

SOURCE = """
from priorkit import hookimpl
from priorkit.interfaces import LinearOperator

class Half(LinearOperator):
    def A(self, x):
        return x / 2

    def A_adjoint(self, y):
        return y / 2

@hookimpl
def register_operators(register):
    register("half", Half)
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """``lab("0.1.0")`` installs the package priorkit-lab in that version, ``lab()`` removes it."""
    monkeypatch.delenv("PRIORKIT_PLUGINS", raising=False)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(version=None):
        sys.modules.pop("lab_half", None)
        shutil.rmtree(site)
        site.mkdir()
        if version is not None:
            (site / "lab_half.py").write_text(SOURCE)
            info = site / f"priorkit_lab-{version}.dist-info"
            info.mkdir()
            head = f"Metadata-Version: 2.1\nName: priorkit-lab\nVersion: {version}\n"
            (info / "METADATA").write_text(head)
            (info / "entry_points.txt").write_text("[priorkit]\nlab = lab_half\n")
        importlib.invalidate_caches()
        registry.cache_clear()

    yield install
    install()


def test_a_run_says_whose_components_it_used(lab, tmp_path, caplog):
    lab("0.1.0")
    first = priorkit.recover(torch.rand(1, 1, 8, 8), prior="none", op="half", budget=3)
    folder = first.save(tmp_path / "run")
    known = {"priorkit-lab": {"version": "0.1.0", "names": ["operator half"]}}
    record = json.loads((folder / "record.json").read_text())
    assert record["plugins"] == known
    assert from_file(folder / "config.toml")["plugins"] == known
    assert torch.equal(priorkit.replay(folder).x, first.x)
    assert "priorkit-lab" not in caplog.text
    lab("0.2.0")
    assert torch.equal(priorkit.replay(folder).x, first.x)
    assert "made with priorkit-lab 0.1.0, and 0.2.0 is installed" in caplog.text
    lab()
    with pytest.raises(
        UnknownNameError,
        match=r"Unknown operator 'half': it was of priorkit-lab 0\.1\.0, which isn't installed",
    ):
        priorkit.replay(folder)
    for damaged in (3, {"version": "0.1.0", "names": ["half"]}, {"names": []}):
        said = json.dumps(record | {"plugins": {"priorkit-lab": damaged}})
        (folder / "record.json").write_text(said)
        with pytest.raises(BadInputError, match="not a record of a run"):
            priorkit.replay(folder)
    del record["plugins"]  # of an earlier priorkit
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(UnknownNameError, match="Unknown operator 'half'"):
        priorkit.replay(folder)
    lab("0.1.0")
    assert torch.equal(priorkit.replay(folder).x, first.x)


def test_its_config_says_them_too(lab, tmp_path, caplog, command_line):
    lab("0.1.0")
    y = torch.rand(1, 1, 8, 8)
    settings = {"prior": "none", "op": "half", "sigma": 0.1, "shape": (1, 8, 8), "budget": 3}
    first = priorkit.recover(y=y, **settings)
    config = first.save(tmp_path / "run") / "config.toml"
    assert torch.equal(priorkit.recover(config=config).x, first.x)
    assert "plugins" not in priorkit.recover(config=config, op="identity").record
    assert "priorkit-lab" not in caplog.text
    lab("0.2.0")
    assert torch.equal(priorkit.recover(config=config).x, first.x)
    assert "made with priorkit-lab 0.1.0, and 0.2.0 is installed" in caplog.text
    lab()
    said = "Unknown operator 'half': it was of priorkit-lab 0.1.0, which isn't installed."
    done = command_line("recover", "--config", config, "--out", tmp_path / "out")
    assert done.code == 2
    assert said in done.err
    with pytest.raises(UnknownNameError, match=said):
        priorkit.recover(config=from_file(config), op=None)
    # What nobody uses any more isn't needed.
    assert priorkit.recover(config=config, op={"name": "identity"}).x.shape == y.shape
    for damaged in (3, {"priorkit-lab": 3}, {"priorkit-lab": {"version": "1", "names": ["half"]}}):
        with pytest.raises(BadInputError, match="plugins of a config is the table"):
            priorkit.recover(config=from_file(config) | {"plugins": damaged})


def test_a_package_that_registers_the_name_no_more(lab, tmp_path, monkeypatch):
    """As one that PRIORKIT_PLUGINS leaves out."""
    lab("0.1.0")
    settings = {"prior": "none", "op": "half", "penalty": ["tv", "l2"], "gamma": [0.1, 0.1]}
    folder = priorkit.recover(torch.rand(1, 1, 8, 8), **settings, budget=3).save(tmp_path / "run")
    monkeypatch.setenv("PRIORKIT_PLUGINS", "")
    registry.cache_clear()
    with pytest.raises(UnknownNameError, match=r"and priorkit-lab 0\.1\.0 doesn't register it"):
        priorkit.replay(folder)


def test_weights_of_ones_own_are_no_name(monkeypatch, tiny_weights, face):
    """A path, whose card says the family; what registers that is known all the same."""
    status = registry().plugin(registry().get("prior", "glow").plugin)
    monkeypatch.setattr(status, "distribution", "priorkit-lab")
    run = priorkit.recover(face, prior=str(tiny_weights), op="mask", budget=2)
    assert run.record["plugins"] == {"priorkit-lab": {"version": status.version, "names": []}}


def test_nothing_is_needed_beside_priorkit(tmp_path):
    run = priorkit.recover(torch.rand(1, 1, 8, 8), prior="none", op="mask", budget=3)
    assert "plugins" not in run.record
