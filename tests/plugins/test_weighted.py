"""Gaussian noise of a standard deviation for each entry of y."""

import numpy as np
import pytest
import torch
from priorkit_noises.weighted import Weighted

import priorkit
from priorkit.errors import BadInputError
from priorkit.io.pictures import astronaut, load
from priorkit.streams import Streams
from priorkit.testing import check_noise
from tests.helpers import Fourier

SIDE = 32
MAP = np.where(np.arange(SIDE) < SIDE // 2, 0.02, 0.4) * np.ones((SIDE, 1))  # the right is bad
SAID = {"prior": "denoiser-photos", "op": "blur", "width": 0.8, "shape": (1, SIDE, SIDE)}


def picture():
    return load(astronaut(), (1, SIDE, SIDE)).x


def test_of_one_deviation_it_is_gaussian_noise():
    """The same draws, misfit, expected misfit and recovery."""
    said = {"prior": "none", "penalty": "tv", "gamma": 0.02, "op": "blur", "precision": "float64"}
    plain = priorkit.recover(picture(), **said, sigma=0.1)
    found = priorkit.recover(picture(), **said, noise="weighted", deviations=0.1)
    for name in ("y", "x", "misfit", "noise_misfit", "objective"):
        torch.testing.assert_close(getattr(found, name), getattr(plain, name))


def test_it_keeps_what_a_noise_promises():
    check_noise(Weighted(deviations=torch.linspace(0.01, 1, 64)))
    check_noise(Weighted(deviations=torch.logspace(-2, 0, 64 * 64).view(1, 64, 64)))


def test_noise_is_where_it_is_said_and_costs_what_is_expected():
    noise = Weighted(deviations=MAP).bind(SIDE**2)
    Ax = torch.full((200, 1, SIDE, SIDE), 0.5, dtype=torch.float64)
    y = noise.sample(Ax, Streams(0, "noise", range(200)))
    spread = (y - Ax)[:, 0].square().mean((0, 1)).sqrt()
    assert spread.tolist() == pytest.approx(MAP[0].tolist(), rel=0.05)
    found = noise.misfit(Ax, y)[0]
    assert float(found.mean()) == pytest.approx(float(noise.expected_misfit(Ax)[0]), rel=0.02)
    assert noise.std == pytest.approx((2 / (1 / 0.02**2 + 1 / 0.4**2)) ** 0.5)


def test_complex_entries_have_half_of_it_in_each_part():
    deviations = np.linspace(0.1, 0.5, SIDE)
    x = np.full((40, 1, SIDE, SIDE), 0.5)
    said = {"prior": "none", "op": Fourier(), "budget": 1}
    noisy = priorkit.recover(x, **said, noise="weighted", deviations=deviations).y
    eta = noisy - priorkit.recover(x, **said, sigma=0.0).y
    for part in (eta.real, eta.imag):
        spread = part[:, 0].square().mean((0, 1)).sqrt()
        assert spread.numpy() == pytest.approx(deviations / 2**0.5, rel=0.1)


@pytest.mark.parametrize("solver", ["diffpir", "pnp-admm", "ancestral"])
def test_what_is_known_better_is_trusted_more(solver):
    """Beside one deviation for all, that of the mean variance."""
    solver = {"name": solver, "draws": 4} if solver == "ancestral" else solver
    first = priorkit.recover(picture(), **SAID, noise="weighted", deviations=MAP, solver=solver)
    sigma = float(np.sqrt(np.square(MAP).mean()))
    other = priorkit.recover(y=first.y[0], **SAID, sigma=sigma, solver=solver)
    good = (..., slice(SIDE // 2 - 4))
    error = [float((r.x - picture())[good].square().mean()) for r in (first, other)]
    assert error[0] < 0.6 * error[1]
    assert 0.5 < float(first.misfit / first.noise_misfit) < 1.6


@pytest.mark.parametrize("ratio", [100, 10_000])
@pytest.mark.parametrize("solver", ["diffpir", "ancestral", "pnp-admm"])
def test_what_says_nothing_does_no_harm(solver, ratio, caplog):
    """Values far outside [0, 1] had been taken for the picture."""
    told = {"prior": "denoiser-photos", "op": "identity", "noise": "weighted"}
    deviations = np.full((SIDE, SIDE), 0.05)
    deviations[:, ::4] *= ratio
    solver = {"name": solver, "draws": 3} if solver == "ancestral" else solver
    found = priorkit.recover(picture(), **told, deviations=deviations, solver=solver)
    assert float(found.psnr) > 22
    y = found.y[0]
    caplog.clear()
    priorkit.recover(y=y, **told, deviations=deviations, solver=solver)
    assert "y suggests pictures" not in caplog.text


def test_draws_of_one_deviation_are_as_near_as_those_of_gaussian_noise():
    """They had begun too near to y, 1.5 dB further off."""
    told = {"prior": "denoiser-photos", "op": "identity", "solver": "ancestral", "draws": 4}
    x = load(astronaut(), (1, 48, 48)).x
    plain = priorkit.recover(x, **told, sigma=0.1)
    found = priorkit.recover(x, **told, noise="weighted", deviations=0.1)
    assert float(found.psnr) > float(plain.psnr) - 0.5


def test_the_map_may_be_a_file_and_is_replayed(tmp_path):
    """Of a picture's file too, whose numbers have leading axes."""
    fits = pytest.importorskip("astropy.io.fits")
    fits.PrimaryHDU(MAP.astype(np.float32)).writeto(tmp_path / "map.fits")
    np.save(tmp_path / "map.npy", MAP.astype(np.float32))
    said = SAID | {"prior": "none", "penalty": "tv", "gamma": 0.02, "noise": "weighted"}
    found = [
        priorkit.recover(picture(), **said, deviations=given)
        for given in (MAP.astype(np.float32), tmp_path / "map.npy", tmp_path / "map.fits")
    ]
    assert all(torch.equal(one.x, found[0].x) for one in found)
    for number, one in enumerate(found):
        assert torch.equal(priorkit.replay(one.save(tmp_path / str(number))).x, one.x)


@pytest.mark.parametrize(
    ("deviations", "said"),
    [
        (0.0, "standard deviations of y, are from 1e-15 to 1e+15. Got 0. Try: deviations=0.1"),
        ([0.1, np.inf], "Got 0.1 to inf. Try: values.clip(0.1, 100)"),
        (True, "deviations is a number, or an array of them. Got True. Try: deviations=0.1"),
        (np.ones(4) * 1j, "Got torch.complex128. Try: deviations=0.1"),
        (np.ones((3, 32, 32)), "Got shape (3, 32, 32). Try: an array of shape (1, 32, 32)"),
        (np.ones(5), "one for each entry of y, (1, 32, 32), or for each of its last axis. Got"),
        ("no.fits", "no file no.fits"),
    ],
)
def test_refused(deviations, said):
    with pytest.raises(BadInputError) as caught:
        priorkit.recover(picture(), **SAID, noise="weighted", deviations=deviations)
    assert said in str(caught.value)


def test_a_deviation_for_each_coil_has_its_axis():
    said = {"prior": "none", "op": Fourier(), "noise": "weighted", "shape": (3, SIDE, SIDE)}
    with pytest.raises(BadInputError, match=r"Try: deviations=values\[:, None, None\] of one"):
        priorkit.recover(**said, deviations=np.ones(3))


def test_weights_in_place_of_deviations_are_told_of(caplog):
    y = picture()[0] + 0.1
    said = SAID | {"prior": "none", "penalty": "tv", "gamma": 0.02, "budget": 1}
    priorkit.recover(y=y, **said, noise="weighted", deviations=MAP**-2)
    assert "Try: deviations in units of y; of weights w, w**-0.5" in caplog.text
