"""A y in other units than x, or of another operator: no result of it is plainly converged."""

import json

import numpy as np
import pytest
import torch

import priorkit
from priorkit.results.views import summary

RNG = np.random.default_rng(5)
DISC = (np.hypot(*np.mgrid[-1:1:24j, -1:1:24j]) < 0.6).astype(float)[None]
LOST = "y isn't explained"
TV = {"prior": "none", "penalty": "tv", "gamma": 0.02}
ANGLES = {"op": "radon", "angles": 12, "shape": (1, 24, 24)}


def sinogram():
    return priorkit.recover(torch.from_numpy(DISC).float(), **ANGLES, **TV, budget=1).y


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (lambda: 1e4 * torch.exp(-sinogram()), TV),  # counts
        (lambda: 100 * sinogram(), {"prior": "denoiser-photos", "solver": "diffpir", "sigma": 0.1}),
        (lambda: 1e4 * torch.exp(-sinogram()), TV | {"sigma": 0.01}),
    ],
)
def test_not_plainly_converged(y, settings, caplog, tmp_path):
    found = priorkit.recover(y=y(), **ANGLES, **settings, out=tmp_path / "out")
    assert found.explained == [False]
    assert found.reason[0].endswith(f", {LOST}")
    assert LOST in repr(found)
    assert LOST in summary(found)
    assert "The measurement isn't explained: its misfit is" in caplog.text
    assert LOST in (tmp_path / "out" / "report.html").read_text().replace("&#x27;", "'")
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["images"][0]["reason"] == found.reason[0]


@pytest.mark.parametrize("noise", [{}, {"sigma": 0.2}])
def test_what_is_explained_is_not_doubted(noise, caplog):
    y = sinogram()
    y = y + 0.2 * torch.from_numpy(RNG.standard_normal(y.shape))
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
    assert summary(found).endswith(f"{LOST} of 1 image.")


def test_a_comparison_says_it_of_each_prior():
    priors = [TV | {"label": "flat", "gamma": 1.0}, TV | {"label": "tv"}]
    found = priorkit.compare(y=sinogram(), priors=priors, sigma=0.01, **ANGLES)
    assert [row["explained"] for row in found.table()] == [False, True]
    assert [cells[0] for cells in found.cells()[1]] == [f"flat ({LOST})", "tv"]


def test_nothing_is_said_of_what_was_cut_short(caplog):
    def interrupt(now, done):
        raise KeyboardInterrupt

    found = priorkit.recover(y=1e4 * torch.exp(-sinogram()), **ANGLES, **TV, progress=interrupt)
    assert found.interrupted
    assert found.explained == [True]
    assert "isn't explained" not in caplog.text + repr(found)
