"""A stranger's package for volumes, installed beside priorkit, recovers one by the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from priorkit.testing import check_operator
from tests.third_party.installed import install, known

PACKAGE = Path(__file__).parent / "slabs"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder that holds a volume."""
    root = tmp_path_factory.mktemp("stranger")
    wave = torch.linspace(-1, 1, 12)
    volume = torch.exp(-3 * (wave[:, None, None] ** 2 + wave[:, None] ** 2 + wave**2))
    np.save(root / "volume.npy", volume[None].numpy())
    return root


@pytest.fixture
def here(root, tmp_path_factory, monkeypatch):
    """In that folder, where the names of the package are known."""
    monkeypatch.chdir(root)
    with known(PACKAGE, tmp_path_factory.mktemp("site")):
        yield


def test_it_recovers_a_volume(root):
    """Installed: better than every thick slice shown twice, as pictures and pages of all slices."""
    run = install("slabs", root)
    words = "recover volume.npy --kind volume --op slabs --thickness 3 --prior continuous"
    done = run("priorkit.cli", *words.split(), "--sigma", "0.01", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["config"]["op"] == {"name": "slabs", "thickness": 3}
    assert record["config"]["penalty"] == {"name": "uneven"}
    y, truth = (np.load(root / "out" / f"{name}.npy")[0] for name in ("y", "truth"))
    assert y.shape == (1, 4, 12, 12)
    shown_twice = -10 * np.log10(np.mean((y.repeat(3, axis=1) - truth) ** 2))
    assert record["images"][0]["psnr"] > shown_twice + 3
    assert {p.name for p in (root / "out" / "images").iterdir()} == {"volume.png", "volume.tiff"}


def test_the_shape_follows_from_its_y(here, command_line, tmp_path):
    """y is a batch of volumes, and the operator says how many slices x has."""
    np.save(tmp_path / "y.npy", np.full((1, 1, 4, 6, 6), 0.5))
    words = "--op slabs --thickness 3 --prior continuous --json"
    out = tmp_path / "from-y"
    done = command_line("recover", "--y", tmp_path / "y.npy", *words.split(), "--out", out)
    assert done.code == 0, done.err
    assert np.load(out / "x.npy").shape == (1, 1, 12, 6, 6)


def test_what_lacks_the_capability_is_refused(here, command_line):
    """By the name of the stranger's class, with the stranger's prior as what would fit."""
    words = "recover volume.npy --kind volume --op slabs --prior none --penalty uneven --gamma 1"
    done = command_line(*words.split())
    assert done.code == 2
    said = " ".join(done.err.split())
    assert "penalty 'uneven' requires the prior to be a Smoother" in said
    assert "--prior continuous" in said


def test_its_operator_keeps_its_promises(monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGE))
    from priorkit_slabs.operator import Slabs

    check_operator(Slabs(thickness=2), shape=(2, 6, 5, 4))
