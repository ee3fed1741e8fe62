"""A y in other units than x, or of another operator: no result of it is plainly converged, and a
right one is."""

import json

import numpy as np
import pytest
import torch

import priorkit
from priorkit.io.pictures import astronaut, load
from priorkit.results.views import summary

DISC = (np.hypot(*np.mgrid[-1:1:24j, -1:1:24j]) < 0.6).astype(float)[None]
LOST, AWAY = "y isn't explained", "values far outside [0, 1]"
TV = {"prior": "none", "penalty": "tv", "gamma": 0.02}
ANGLES = {"op": "radon", "angles": 12, "shape": (1, 24, 24)}


def sinogram():
    return priorkit.recover(torch.from_numpy(DISC).float(), **ANGLES, **TV, budget=1).y


def shuffled(y):
    order = np.random.default_rng(0).permutation(y.numel())
    return y.flatten()[torch.from_numpy(order)].view_as(y)


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (lambda: 1e4 * torch.exp(-sinogram()), TV),  # counts
        (lambda: sinogram() + 10, TV | {"sigma": 0.01}),
        (lambda: shuffled(sinogram()), TV | {"sigma": 0.01}),
        (lambda: 1e4 * torch.exp(-sinogram()), TV | {"sigma": 0.01}),
    ],
)
def test_not_plainly_converged(y, settings, caplog, tmp_path):
    found = priorkit.recover(y=y(), **ANGLES, **settings, out=tmp_path / "out")
    assert found.explained == [False]
    assert LOST in found.doubts[0]
    assert f", {LOST}" in found.reason[0]
    assert LOST in repr(found)
    assert LOST in summary(found)
    assert "The measurement isn't explained: its misfit is" in caplog.text
    assert LOST in (tmp_path / "out" / "report.html").read_text().replace("&#x27;", "'")
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["images"][0]["reason"] == found.reason[0]


def test_how_many_of_a_batch_are_not_explained(caplog):
    y = torch.cat([sinogram(), 10 + sinogram(), 20 + sinogram()])
    found = priorkit.recover(y=y, **ANGLES, **TV, sigma=0.01)
    assert found.explained == [True, False, False]
    said = "2 of 3 measurements aren't explained, and least number 3: its misfit is"
    assert said in caplog.text


@pytest.mark.parametrize("m", [1, 10, 30, 300])
def test_a_gamma_that_holds_a_right_y_back_is_no_wrong_y(m, caplog):
    """Of few measurements the dct's own leaves thousands of times the noise: of y a tenth."""
    x, rng = load(astronaut(), (3, 32, 32)).x.numpy().ravel(), np.random.default_rng(0)
    matrix = rng.normal(size=(m, x.size)) / m**0.5
    y = matrix @ x + 0.01 * rng.normal(size=m)
    found = priorkit.recover(y=y, op=matrix, prior="dct", shape=(3, 32, 32), sigma=0.01)
    assert float(found.misfit[0]) > 100 * found.noise.energy
    assert found.doubts == [[]]
    assert "isn't explained" not in caplog.text
    assert "Is γ too large" in caplog.text


@pytest.mark.parametrize(
    ("op", "unit", "prior"),
    [
        ("radon", 100, {"prior": "denoiser-photos", "solver": {"name": "diffpir", "draws": 1}}),
        ("mask", 255, TV),
        ("identity", 255, TV),
        ("blur", 255, TV),
        ("downsample", 255, TV),
        ({"name": "gaussian", "m": 300}, 100, {"prior": "dct"}),
    ],
)
def test_a_y_that_is_followed_out_of_its_range(op, unit, prior, caplog, tmp_path):
    """In other units, and explained; said before the run, and where its result is seen."""
    said = {"op": op, "shape": (1, 24, 24), "sigma": 0.05, **prior}
    y = unit * priorkit.recover(torch.from_numpy(DISC)[None].float(), **said, budget=1).y
    assert "y suggests" not in caplog.text
    found = priorkit.recover(y=y, **said, out=tmp_path / "out")
    assert "y suggests pictures with values of about" in caplog.text
    assert AWAY in found.doubts[0]
    assert AWAY in found.reason[0]
    assert AWAY in repr(found)
    assert AWAY in summary(found)
    assert AWAY in (tmp_path / "out" / "report.html").read_text()
    ranged = priorkit.recover(y=y, range=(0, unit), **said | {"sigma": 0.05 * unit})
    assert ranged.doubts == [[]]


@pytest.mark.parametrize("settings", [TV, {"prior": "denoiser-photos"}])
def test_the_other_sign(settings):
    """It is explained by the negative of the picture: no value is one of brightness."""
    picture = torch.from_numpy(0.2 + 0.6 * DISC).float().expand(3, -1, -1)
    y = priorkit.recover(picture, op="gaussian", m=1500, sigma=0.01, prior="none", budget=1).y
    said = {"op": "gaussian", "m": 1500, "shape": (3, 24, 24), "sigma": 0.01, **settings}
    assert priorkit.recover(y=y, **said).doubts == [[]]
    found = priorkit.recover(y=-y, **said)
    assert AWAY in found.reason[0]
    assert found.expected_psnr is None


def test_values_a_little_outside_are_no_doubt():
    """As noise has them, half of a black background, or a picture twice as bright as white."""
    y = 2.5 * DISC + 0.3 * np.random.default_rng(5).standard_normal(DISC.shape)
    found = priorkit.recover(y=y, op="identity", prior="none", sigma=0.3)
    assert found.outside[0] > found.x.numel() / 2
    assert found.doubts == [[]]


@pytest.mark.parametrize("noise", [{}, {"sigma": 0.2}])
def test_what_is_explained_is_not_doubted(noise, caplog):
    y = sinogram()
    y = y + 0.2 * torch.from_numpy(np.random.default_rng(5).standard_normal(y.shape))
    found = priorkit.recover(y=y, **ANGLES, **TV, **noise)
    assert found.explained == [True]
    assert LOST not in found.reason[0] + repr(found) + summary(found)
    assert "isn't explained" not in caplog.text


def test_one_of_two_images():
    """The other's reason is its own."""
    y = sinogram()
    found = priorkit.recover(y=torch.cat([y, 1e4 * torch.exp(-y)]), **ANGLES, **TV)
    assert found.explained == [True, False]
    assert LOST not in found.reason[0]
    assert f"{LOST} of 1 image" in summary(found)


def test_a_comparison_says_it_of_each_prior():
    priors = [TV | {"label": "flat", "gamma": 1.0}, TV | {"label": "tv"}]
    found = priorkit.compare(y=sinogram(), priors=priors, sigma=0.01, **ANGLES)
    assert [row["explained"] for row in found.table()] == [False, True]
    assert [cells[0] for cells in found.cells()[1]] == [f"flat ({LOST})", "tv"]
    found = priorkit.compare(y=100 * sinogram(), priors=[TV | {"label": "tv"}], sigma=1, **ANGLES)
    assert found.cells()[1][0][0] == f"tv ({AWAY})"


def test_nothing_is_said_of_what_was_cut_short(caplog):
    def interrupt(now, done):
        raise KeyboardInterrupt

    found = priorkit.recover(y=1e4 * torch.exp(-sinogram()), **ANGLES, **TV, progress=interrupt)
    assert found.interrupted
    assert found.explained == [True]
    assert found.doubts == [[]]
    assert "isn't explained" not in caplog.text + repr(found)
