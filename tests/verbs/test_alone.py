"""Picture files of which nothing is said are denoised, and the run says so."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.errors import BadInputError
from priorkit.io.pictures import astronaut
from priorkit.registry import registry
from priorkit.settings.config import RunConfig, split
from priorkit.verbs.alone import denoised

PRIOR, OPERATOR = registry().any_size("prior").name, registry().any_size("operator").name
NOISE = 0.1


@pytest.fixture
def photo(tmp_path):
    """A smooth picture of 40×52, and the same with noise in a file."""
    ramp = torch.linspace(0.25, 0.75, 52).expand(3, 40, 52)
    noise = NOISE * torch.randn(3, 40, 52, generator=torch.Generator().manual_seed(0))
    levels = (255 * (ramp + noise)).round().clamp(0, 255).byte()
    path = tmp_path / "photo.png"
    Image.fromarray(levels.permute(1, 2, 0).numpy()).save(path)
    return path, ramp


def taken(x, **settings):
    """Prior, operator and σ that a picture gets; None where it is measured as ever."""
    found = denoised(x, *split(settings))
    return found and (found.prior, found.op, found.sigma)


def test_a_picture_alone_is_denoised_at_its_own_size(photo, command_line, tmp_path):
    """Its error falls to a third at the least, and the console says what was done to it."""
    path, ramp = photo
    done = command_line("recover", path, "--out", tmp_path / "out")
    assert done.code == 0
    said = f"photo.png: denoised, since nothing else is said: prior {PRIOR}, op {OPERATOR}"
    assert f"{said}, sigma auto" in done.err
    assert "σ estimated: 0.1" in done.err or "σ estimated: 0.09" in done.err
    x = torch.from_numpy(np.load(tmp_path / "out" / "x.npy"))[0]
    assert (x - ramp).square().mean().sqrt() < NOISE / 3
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["config"]["y"] == str(path)
    assert record["estimated"] == ["sigma"]
    alike = priorkit.recover(path)
    assert torch.equal(alike.x[0], x)
    assert torch.equal(priorkit.replay(tmp_path / "out").x, alike.x)


def test_what_is_said_of_it_besides_is_kept(photo, tmp_path):
    path, _ = photo
    assert taken(path) == taken(str(path), seed=3, budget=9) == (PRIOR, OPERATOR, "auto")
    assert taken(path, sigma=0.2) == (PRIOR, OPERATOR, 0.2)
    (tmp_path / "photo.JPG").write_bytes(path.read_bytes())
    assert taken(tmp_path / "photo.JPG") == (PRIOR, OPERATOR, "auto")
    assert taken(astronaut()) == (PRIOR, OPERATOR, "auto")


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": "none"},
        {"op": "mask"},
        {"m": 500},
        {"penalty": "tv"},
        {"solver": "lbfgs"},
        {"start": "zero"},
        {"noise": "poisson"},
        {"space": "latent"},
        {"shape": (3, 64, 64)},
        {"resize": True},
        {"gamma": 0.1},
        {"noise_norm": 0.1},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_who_says_how_it_is_measured_or_recovered_gets_that(photo, settings):
    assert taken(photo[0], **settings) is None


def test_what_is_no_picture_file_is_measured_as_ever(photo, tmp_path, monkeypatch):
    path, ramp = photo
    np.save(tmp_path / "x.npy", ramp.numpy())
    (tmp_path / "empty").mkdir()
    for other in (
        tmp_path / "empty",
        [],
        tmp_path / "x.npy",
        tmp_path / "none.png",
        ramp,
        Image.open(path),
    ):
        assert taken(other) is None
    monkeypatch.setattr(registry(), "_any_size", {})
    assert taken(path) is None


def test_a_folder_and_several_files_are_pictures_too(photo, caplog):
    path, ramp = photo
    assert taken(path.parent) == taken([path, path]) == (PRIOR, OPERATOR, "auto")
    with caplog.at_level("INFO", "priorkit"):
        found = priorkit.recover([path, path])
    assert "2 pictures: denoised, since nothing else is said" in caplog.text
    assert torch.equal(found.x[0], found.x[1])
    assert (found.x[0] - ramp).square().mean().sqrt() < NOISE / 3


def test_settings_that_say_otherwise_are_settings():
    from priorkit.verbs.alone import OTHERWISE

    assert set(OTHERWISE) <= set(RunConfig.model_fields)


def test_a_picture_without_noise_is_asked_about(tmp_path):
    Image.new("RGB", (32, 32), "gray").save(tmp_path / "flat.png")
    with pytest.raises(BadInputError, match=r"no noise that could be estimated. Try: sigma="):
        priorkit.recover(tmp_path / "flat.png")
