"""No default loses to what needs no prior, names what nobody chose, or guesses a number."""

import functools

import numpy as np
import pytest
import torch
from priorkit_operators.blur import Blur
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Gray, Identity, Mask
from priorkit_operators.radon import Radon
from priorkit_operators.resampling import Downsample
from scipy.ndimage import gaussian_filter

import priorkit
from benchmarks.defaults import ANSWERS, MARGIN
from priorkit.errors import BadInputError, MismatchError
from priorkit.io.pictures import astronaut, load
from priorkit.metrics import psnr
from priorkit.settings.config import split
from priorkit.settings.select import resolve
from priorkit.verbs.recover import prepare

OPERATORS = {
    "noise": {"op": "identity", "sigma": 0.1},
    "half": {"op": "mask", "mask": "random"},
    "blur": {"op": "blur"},
    "x4": {"op": "downsample"},
    "fourier": {"op": "fourier"},
    "coils": {"op": "fourier", "coils": 4},
    "radon": {"op": "radon"},
    "gray": {"op": "gray"},
    "mixed": {"op": "srht", "m": 400},
    "phase": {"op": "phase"},
}


@functools.cache
def photograph(channels=3, side=64):
    return load(astronaut(), (channels, side, side)).x


def recovered(problem, channels=3, **settings):
    return priorkit.recover(photograph(channels).numpy(), seed=1, **OPERATORS[problem], **settings)


def plain(found, problem):
    """The PSNR of the best plain answer, by scipy, scikit-image and torch alone."""
    settings = OPERATORS[problem]
    each = ANSWERS[settings["op"]].values()
    sigma = settings.get("sigma", 0.01)
    return max(
        float(psnr(f(found.operator, found.y, sigma).clamp(0, 1), found.truth)) for f in each
    )


@pytest.mark.parametrize("problem", ["half", "blur", "x4", "fourier", "coils", "radon", "gray"])
def test_the_baseline_loses_to_no_plain_answer(problem):
    found = recovered(problem, channels=3 if problem == "gray" else 1, prior="none")
    assert float(found.psnr) > plain(found, problem) - MARGIN
    assert found.status == ["converged"]


@pytest.mark.parametrize("problem", ["blur", "x4", "fourier", "coils", "radon"])
def test_cosines_lose_to_no_plain_answer(problem):
    found = recovered(problem, channels=1, prior="dct", budget=200)
    assert float(found.psnr) > plain(found, problem) - MARGIN


@pytest.mark.parametrize("prior", ["dct", "wavelet"])
@pytest.mark.parametrize("problem", ["noise", "half", "gray"])
def test_bases_say_where_they_can_not_help(prior, problem):
    with pytest.raises(MismatchError, match=r"Try: prior='"):
        recovered(problem, prior=prior)
    forced = recovered(problem, prior=prior, gamma=0.1, budget=5)
    assert forced.record["config"]["solver"]["name"] == "fista"
    asked = recovered(problem, prior=prior, solver="fista", budget=5)
    assert asked.record["config"]["gamma"] > 0


@pytest.mark.parametrize("noise", ["gaussian", "laplace", "poisson"])
@pytest.mark.parametrize("prior", ["none", "dct", "wavelet", "patch-flow", "deep-decoder", "bm3d"])
def test_defaults_fit_or_say_why_not(prior, noise):
    """A solver or a start that nobody chose is never what an error is about."""
    if prior == "bm3d":
        pytest.importorskip("bm3d")
    said = []
    thing = resolve("prior", prior).build(0)
    for settings in OPERATORS.values():
        wanted = {k: v for k, v in settings.items() if k != "sigma"} | {"noise": noise}
        wanted |= {"laplace": {"sigma": 0.05}, "poisson": {}}.get(noise, {})
        try:
            prepare(photograph(side=16), None, *split({"prior": thing} | wanted))
        except MismatchError as error:
            said.append(error)
    others = [error for error in said if not any("prior" in way for way in error.ways)]
    assert others == []


def test_sparsity_takes_noise_that_is_not_gaussian():
    """Few outliers of Laplace noise, and amplitudes alone: both by a solver that can."""
    found = recovered("phase", prior="dct", channels=1, budget=250)
    assert found.record["config"]["solver"]["name"] == "adam"
    assert float(found.psnr) > 30
    found = recovered("x4", prior="dct", channels=1, noise="laplace", sigma=0.02, budget=250)
    assert float(found.psnr) > plain(found, "x4") - MARGIN


@pytest.mark.parametrize("problem", ["noise", "radon", "blur"])
def test_a_hint_is_a_number_that_works(problem):
    """Its γ for total variation beats the plain answer, and factors of 10 either way."""
    with pytest.raises(BadInputError, match="needs its weight") as caught:
        recovered(problem, prior="none", penalty="tv")
    gamma = float(caught.value.try_.removeprefix("gamma="))
    common = {"prior": "none", "penalty": "tv", "budget": 50}
    found, *others = (
        recovered(problem, channels=1, gamma=g, **common) for g in (gamma, 10 * gamma, gamma / 10)
    )
    assert float(found.psnr) > plain(found, problem) - 1
    assert float(found.psnr) > max(float(other.psnr) for other in others)


@pytest.mark.parametrize(
    "settings",
    [
        {"op": "phase", "prior": "none", "penalty": "tv"},
        {"op": "blur", "prior": "none", "penalty": "l2"},
    ],
)
def test_where_nothing_was_measured_a_hint_has_no_number(settings):
    with pytest.raises(BadInputError, match=r"needs its weight.*Try: gamma=…"):
        priorkit.recover(photograph(), **settings)


def test_the_hint_grows_with_the_square_of_a_gain():
    """‖gAx − gy‖² + g²γR is the same problem, with noise of gσ."""
    matrix = np.random.default_rng(0).normal(size=(40, 64))
    found = []
    for g in (1.0, 10.0):
        with pytest.raises(BadInputError) as caught:
            priorkit.recover(
                np.full((1, 8, 8), 0.5, np.float32),
                op=g * matrix,
                prior="none",
                penalty="tv",
                sigma=0.1 * g,
            )
        found.append(float(caught.value.try_.removeprefix("gamma=")))
    assert found[1] == pytest.approx(100 * found[0], rel=0.05)


@pytest.mark.parametrize(
    ("operator", "gain"),
    [
        (Identity(), 1.0),
        (Mask(mask="left"), 0.5**0.5),
        (Gray(), ((0.299**2 + 0.587**2 + 0.114**2) / 3) ** 0.5),
        (Gaussian(m=500, seed=0), 1.0),
        (Fourier(acceleration=1), 1.0),
        (Radon(angles=5), None),
    ],
)
def test_the_gain_is_the_length_of_a_column(operator, gain):
    shape = (3, 16, 16)
    operator = operator.bind(shape)
    columns = operator.A(torch.eye(3 * 256).view(-1, *shape)).flatten(1)
    exact = float(columns.abs().square().sum()) ** 0.5 / 768**0.5
    assert gain is None or exact == pytest.approx(gain, rel=0.05)
    assert operator.gain == pytest.approx(exact, rel=0.1)


def test_which_operators_show_less_of_a_picture():
    shape = (3, 16, 16)
    whole = (Identity(), Mask(), Fourier(coils=2), Gaussian(m=9), Radon(angles=16), Blur(width=0.5))
    for operator in (*whole, Blur(width=0.5, boundary="valid")):
        assert not operator.bind(shape).reduces
    assert Downsample().bind(shape).reduces
    assert not Downsample().bind(shape).loses_channels
    for operator in (Gray(), Downsample() @ Gray()):
        assert operator.bind(shape).loses_channels


def test_the_enlarged_start_is_the_luma():
    found = recovered("gray", prior="none", sigma=0.0, budget=1)
    luma = (photograph() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    assert torch.allclose(found.x, luma.expand_as(found.x), atol=1e-4)


def test_the_baseline_does_not_fit_the_noise():
    """A blur is all but singular: its exact least squares are mostly noise."""
    found = recovered("blur", prior="none", channels=1)
    whole = recovered("blur", prior="none", channels=1, discrepancy=0.0, budget=60)
    assert float(found.psnr) > float(whole.psnr) + 5
    x = photograph(1)
    blurred = torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, 1.5, 1.5)))
    assert float(found.psnr) > float(psnr(blurred, x)) + 1
