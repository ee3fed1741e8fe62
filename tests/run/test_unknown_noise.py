"""Who doesn't know the noise: σ from y, γ by a rule, the error without the truth."""

import json
import logging
import math

import numpy as np
import pytest
import torch
from priorkit_operators.blur import Blur
from priorkit_operators.pointwise import Identity, Mask
from skimage import data, transform
from skimage.restoration import estimate_sigma

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Denoiser
from priorkit.run.level import estimate

SIGMA = 0.1
TV = {"op": "identity", "prior": "none", "penalty": "tv"}


def photograph(side):
    picture = transform.resize(data.camera() / 255.0, (side, side), anti_aliasing=True)
    return torch.from_numpy(picture).float()[None, None]


def noisy(x, sigma, seed=0):
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def psnr(found, x):
    return float(-10 * (found.x - x).square().mean().log10())


# --- sigma="auto" -----------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_sigma_is_that_of_scikit_image_and_nearly_the_truth(sigma):
    x = torch.from_numpy(data.astronaut() / 255.0).permute(2, 0, 1)[None]
    y = noisy(x, sigma)
    found = estimate(y, Identity().bind((3, 512, 512)))
    theirs = estimate_sigma(y[0].numpy(), channel_axis=0, average_sigmas=True)
    assert found == pytest.approx(theirs, rel=1e-9)
    assert found == pytest.approx(sigma, rel=0.1)


def test_sigma_of_what_isnt_the_picture_but_one():
    """A blurred picture has its noise per pixel as any; pixels that are missing have none."""
    x = photograph(256)
    blur = Blur().bind((1, 256, 256))
    assert estimate(noisy(blur.A(x), 0.02), blur) == pytest.approx(0.02, rel=0.1)
    mask = torch.ones(256, 256)
    mask[40:201, 31:190] = 0
    operator = Mask(mask=mask).bind((1, 256, 256))
    y = noisy(x, SIGMA)
    found = estimate(y * mask, operator)
    assert found == pytest.approx(SIGMA, rel=0.1)
    assert estimate(torch.where(mask > 0, y, 1000.0 * y), operator) == found


def test_sigma_of_several_images_is_the_median():
    x = photograph(128)
    y = torch.cat([noisy(x, sigma, i) for i, sigma in enumerate([0.09, 0.1, 0.11])])
    operator = Identity().bind((1, 128, 128))
    assert estimate(y, operator) == estimate(y[1:2], operator)


def test_sigma_is_recorded_as_the_number_that_it_became(tmp_path, caplog):
    y = noisy(photograph(64), SIGMA)
    found = priorkit.recover(y=y, **TV, sigma="auto", gamma=0.1, budget=5, out=tmp_path / "a")
    sigma = found.record["config"]["sigma"]
    assert f"σ estimated: {sigma:.3g}." in caplog.text
    said = priorkit.recover(y=y, **TV, sigma=sigma, gamma=0.1, budget=5)
    assert torch.equal(said.x, found.x)
    assert torch.equal(priorkit.replay(tmp_path / "a").x, found.x)


# --- the error that a denoiser expects ----------------------------------------------------


class Shrink(Denoiser):
    """D(v; σ) = 0.8·v, of divergence 0.8·n."""

    def denoise(self, x, sigma):
        return 0.8 * x


def test_the_expected_error_is_steins():
    y = noisy(photograph(32), SIGMA)
    found = priorkit.recover(y=y, prior=Shrink(), op="identity", solver="denoise", sigma=SIGMA)
    right = 0.04 * float(y.double().square().mean()) - SIGMA**2 + 2 * SIGMA**2 * 0.8
    assert float(found.expected_error) == pytest.approx(right, rel=1e-4)
    assert found.evaluations == [2]


def test_when_the_error_is_estimated(tmp_path):
    """Where nobody knows the truth but σ is known, or where the user says so; it costs a call."""
    x = photograph(32)
    own = {"prior": Shrink(), "op": "identity", "solver": "denoise"}
    for kw, calls in (
        ({"x": x, "sigma": SIGMA}, 1),
        ({"x": x, "sigma": SIGMA, "estimate": True}, 2),
        ({"y": noisy(x, SIGMA), "sigma": SIGMA, "estimate": False}, 1),
        ({"y": noisy(x, SIGMA), "sigma": SIGMA, "budget": 1}, 1),
        ({"y": noisy(x, SIGMA), "sigma": "auto"}, 1),
    ):
        found = priorkit.recover(**own, **kw)
        assert found.evaluations == [calls]
        assert (found.expected_psnr is None) == (calls == 1)
    shipped = {"prior": "denoiser-photos", "op": "identity", "sigma": "auto"}
    priorkit.recover(y=noisy(x, SIGMA), **shipped, out=tmp_path / "a")
    again = priorkit.replay(tmp_path / "a")
    assert again.expected_psnr is None
    assert again.evaluations == [1]


def test_an_error_that_isnt_above_0_is_not_told():
    y = torch.zeros(1, 1, 8, 8)
    found = priorkit.recover(y=y, prior=Shrink(), op="identity", solver="denoise", sigma=1.0)
    assert found.expected_error > 0  # 2·0.8 − 1
    kept = {"op": "identity", "solver": "denoise", "sigma": 1.0}
    assert priorkit.recover(y=y, prior=Nothing(), **kept).expected_error is None


class Nothing(Denoiser):
    """D(v; σ) = 0."""

    def denoise(self, x, sigma):
        return torch.zeros_like(x)


def test_the_shipped_network_knows_its_error():
    """The mean over draws of the noise, of which each alone is off by σ²√(2/n)."""
    x = photograph(64).expand(6, 1, 64, 64)
    y = noisy(x, SIGMA)
    found = priorkit.recover(y=y, prior="denoiser-photos", op="identity", sigma=SIGMA)
    right = float((found.x - x).square().mean())
    assert float(found.expected_error.mean()) == pytest.approx(right, rel=0.15)


# --- gamma="sure", gamma="discrepancy" ----------------------------------------------------


def test_sure_finds_the_gamma_that_is_best_for_the_truth(tmp_path):
    x = photograph(64)
    y = noisy(x, SIGMA)
    found = priorkit.recover(y=y, **TV, sigma=SIGMA, gamma="sure", out=tmp_path / "a")
    grid = np.geomspace(0.08, 0.4, 5)
    best = max(psnr(priorkit.recover(y=y, **TV, sigma=SIGMA, gamma=g), x) for g in grid)
    assert psnr(found, x) > best - 0.1
    assert float(found.expected_psnr) == pytest.approx(psnr(found, x), abs=1)
    gamma = found.record["config"]["gamma"]
    assert 0.08 < gamma < 0.4
    assert found.record["weight"]["by"] == "sure"
    assert gamma in [tried for tried, _ in found.record["weight"]["tried"]]
    assert found.record["images"][0]["expected_psnr"] == float(found.expected_psnr)
    again = priorkit.replay(tmp_path / "a")
    assert torch.equal(again.x, found.x)
    assert torch.equal(again.expected_psnr, found.expected_psnr)
    assert again.record["weight"] == found.record["weight"]
    assert again.record["images"] == found.record["images"]


def test_what_sure_said_of_images_that_are_not_there_is_refused(tmp_path):
    y = noisy(photograph(16), SIGMA)
    own = {**TV, "sigma": SIGMA, "budget": 2, "gamma": "sure"}
    priorkit.recover(y=y, **own, out=tmp_path / "a")
    path = tmp_path / "a" / "record.json"
    record = json.loads(path.read_text())
    for wrong in ([0.1, 0.1], ["much"], 0.1):
        path.write_text(json.dumps(record | {"weight": {"by": "sure", "expected": wrong}}))
        with pytest.raises(BadInputError, match="not a record of a run"):
            priorkit.replay(tmp_path / "a")


def test_what_sure_says_of_each_gamma_is_steins_estimate():
    """R = ‖x‖² gives x̂ = y/(1 + γ), of divergence n/(1 + γ)."""
    y = noisy(photograph(32), 0.3).double()
    own = {"op": "identity", "prior": "none", "penalty": "l2-squared", "precision": "float64"}
    found = priorkit.recover(y=y, **own, sigma=0.3, gamma="sure")
    mean = float(y.square().mean())
    for gamma, told in found.record["weight"]["tried"]:
        right = mean * (gamma / (1 + gamma)) ** 2 - 0.09 + 2 * 0.09 / (1 + gamma)
        assert told == pytest.approx(right, rel=1e-3)
    best = 0.09 / (mean - 0.09)
    assert found.record["config"]["gamma"] == pytest.approx(best, rel=0.2)


@pytest.mark.parametrize("op", ["identity", "blur"])
def test_the_discrepancy_gives_the_noises_misfit(op):
    x = photograph(48)
    y = noisy(x, SIGMA) if op == "identity" else noisy(Blur().bind((1, 48, 48)).A(x), 0.02)
    sigma = SIGMA if op == "identity" else 0.02
    found = priorkit.recover(y=y, **TV | {"op": op}, sigma=sigma, gamma="discrepancy")
    assert float(found.misfit) == pytest.approx(y.numel() * sigma**2, rel=0.02)
    assert found.expected_psnr is None


def test_a_misfit_that_no_gamma_reaches_is_said(caplog):
    """R = ‖x‖² takes x̂ to 0, whose misfit is ‖y‖²: here less than is said of the noise."""
    y = noisy(torch.zeros(1, 1, 16, 16), 0.01)
    own = {"op": "identity", "prior": "none", "penalty": "l2-squared", "sigma": 0.5}
    found = priorkit.recover(y=y, **own, gamma="discrepancy")
    assert "No γ gives a misfit like that of the noise" in caplog.text
    assert math.isfinite(found.record["config"]["gamma"])


def test_one_gamma_for_all_images_of_simulated_runs_too():
    x = torch.cat([photograph(32), photograph(32).flip(-1)])
    found = priorkit.recover(x, **TV, sigma=SIGMA, gamma="discrepancy")
    assert float(found.misfit.mean()) == pytest.approx(32 * 32 * SIGMA**2, rel=0.05)


def test_a_search_that_is_interrupted_keeps_what_it_was_at(tmp_path):
    calls = []

    def stop(now, done):
        calls.append(now)
        if len(calls) == 4:
            raise KeyboardInterrupt

    y = noisy(photograph(32), SIGMA)
    settings = {**TV, "sigma": SIGMA, "gamma": "sure", "out": tmp_path / "a"}
    cut = priorkit.recover(y=y, **settings, progress=stop)
    assert cut.interrupted
    assert torch.equal(cut.y, y)
    assert isinstance(cut.record["config"]["gamma"], float)
    whole = priorkit.recover(y=y, **settings)
    assert not whole.interrupted


def test_a_run_that_was_cut_after_its_search_doesnt_search_again(tmp_path, caplog):
    """The γ that was found is kept with the rows that are finished: that of 0 at once."""
    y = torch.cat([noisy(photograph(24), SIGMA), torch.zeros(1, 1, 24, 24)])
    settings = {**TV, "sigma": SIGMA, "gamma": "discrepancy", "out": tmp_path / "a"}
    whole = priorkit.recover(y=y, **TV, sigma=SIGMA, gamma="discrepancy")
    noted = tmp_path / "a.unfinished" / "weight.json"

    def stop(now, done):
        if noted.exists() and int(now.evaluations.max()) > 20:
            raise KeyboardInterrupt

    cut = priorkit.recover(y=y, **settings, progress=stop)
    assert cut.interrupted
    assert noted.exists()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        again = priorkit.recover(y=y, **settings, resume=True)
    assert "γ by" not in caplog.text
    assert torch.equal(again.x, whole.x)


def test_contestants_may_have_a_rule():
    own = {"prior": "none", "penalty": "tv", "gamma": "sure"}
    found = priorkit.compare(photograph(32), priors=[own], op="identity", sigma=SIGMA)
    assert found.rows[0].recovery.record["weight"]["by"] == "sure"
