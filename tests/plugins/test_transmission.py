"""Counts of photons that pass through the object."""

import logging
import math

import numpy as np
import pytest
import torch
from priorkit_noises.transmission import Transmission
from priorkit_operators.pointwise import Mask
from priorkit_operators.radon import Radon

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.io.pictures import astronaut, load
from priorkit.streams import Streams

COMMON = {"op": "radon", "angles": 40, "pixel_size": 1 / 8, "shape": (1, 32, 32)}


def test_counts_are_those_of_beer_and_lambert():
    """Mean and variance of what passes, at three thicknesses."""
    noise = Transmission(photons=500, background=20)
    for thickness in (0.0, 1.0, 4.0):
        Ax = torch.full((4, 1, 100, 100), thickness, dtype=torch.float64)
        counts = noise.sample(Ax, Streams(0, "noise", range(4)))
        mean = 500 * math.exp(-thickness) + 20
        off = math.sqrt(mean / counts.numel())
        assert float(counts.mean()) == pytest.approx(mean, abs=5 * off)
        assert float(counts.var()) == pytest.approx(mean, rel=0.05)
        assert torch.equal(counts, counts.round())


def test_the_misfit_is_the_likelihood_of_poisson():
    """−2σ² log p up to a constant, by scipy's distribution."""
    poisson = pytest.importorskip("scipy.stats").poisson
    noise = Transmission(photons=200, background=5)
    y = torch.tensor([3.0, 60.0, 180.0], dtype=torch.float64).view(1, 3)
    a, b = (torch.tensor([v], dtype=torch.float64) for v in ([0.3, 1.5, 2.0], [2.5, 1.0, 0.1]))
    difference = noise.misfit(a, y)[0] - noise.misfit(b, y)[0]
    likely = [poisson.logpmf(y, 200 * np.exp(-v) + 5).sum() for v in (a.numpy(), b.numpy())]
    passed = 200 / math.e
    scale = (passed + 5) / passed**2
    assert float(difference) == pytest.approx(-2 * scale * (likely[0] - likely[1]), rel=1e-9)
    assert noise.std**2 == pytest.approx(scale)


def test_what_is_impossible_is_finite_and_pulls_back():
    """Rays that shine, and counts of nothing or below the background."""
    a = torch.tensor([-1e4, -5.0, 0.5, 40.0, 1e4], dtype=torch.float64).view(-1, 1)
    for background in (0.0, 30.0):
        noise = Transmission(photons=100, background=background)
        for count in (0.0, 10.0, 90.0):
            value, gradient = noise.misfit(a, torch.full_like(a, count))
            assert bool(value.isfinite().all())
            assert bool(gradient.isfinite().all())
            assert float(value.min()) > -1e-9
            assert float(gradient[0]) < float(gradient[1]) < 0
    assert torch.equal(
        Transmission(photons=100).measured(torch.tensor([0.0, 0.5])).diff(), torch.zeros(1)
    )


def test_rays_with_few_counts_count_for_less():
    """A picture that hides some rays comes back better than from logarithms of the counts, each at
    its best γ."""
    x = load(astronaut(), (1, 32, 32)).x
    first = priorkit.recover(
        x, prior="none", **COMMON, noise={"name": "transmission", "photons": 1000}, budget=2
    )
    logs = first.noise.measured(first.y)
    assert float(logs.max()) > 2

    def error(gamma, y, **noise):
        tv = {"prior": "none", "penalty": "tv", "gamma": gamma, "budget": 150}
        found = priorkit.recover(y=y[0], **tv, **COMMON, **noise)
        return float((found.x - x).square().mean())

    counted = {"noise": "transmission", "photons": 1000}
    grid = (0.01, 0.02, 0.04, 0.08)
    best = min(error(gamma, first.y, **counted) for gamma in grid)
    assert best < 0.97 * min(error(gamma, logs) for gamma in grid)


def test_dead_detectors_say_nothing():
    """What a mask hides has no misfit, and isn't taken for a ray that nothing passes."""
    x = load(astronaut(), (1, 32, 32)).x
    operator = Mask(mask="random", fraction=0.3, seed=1) @ Radon(angles=40, pixel_size=1 / 8)
    found = priorkit.recover(x, prior="none", op=operator, noise="transmission", budget=60)
    dead = found.operator.mask[None] == 0
    assert float(dead.float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(found.y[dead], torch.full_like(found.y[dead], 1e4))
    assert float(found.noise.measured(found.y)[dead].abs().max()) == 0
    assert float(found.misfit) < 2 * found.noise.energy
    settings = {"noise": "transmission", "photons": 1e4, "budget": 60, "shape": (1, 32, 32)}
    again = priorkit.recover(y=found.y[0], prior="none", op=operator, **settings)
    assert torch.equal(again.y, found.y)


def test_a_run_of_counts_is_recorded_and_replayed(tmp_path):
    x = load(astronaut(), (1, 32, 32)).x
    noise = {"name": "transmission", "photons": 2000.0, "background": 3.0}
    first = priorkit.recover(x, prior="none", **COMMON, noise=noise, budget=20)
    assert first.record["config"]["noise"] == noise
    assert torch.equal(priorkit.replay(first.save(tmp_path)).x, first.x)


@pytest.mark.parametrize(("photons", "background"), [(10, 0), (300, 40), (300, 51), (30, 0.5)])
def test_the_misfit_of_few_counts_is_what_is_said(photons, background):
    """Of a single one, and of hardly more than the background, of which ℓ leaves out a half."""
    for through in (0.0, 1.0, 4.0, 7.0):
        noise = Transmission(photons=photons, background=background).bind(20_000)
        Ax = torch.full((20, 20_000), through, dtype=torch.float64)
        found = noise.misfit(Ax, noise.sample(Ax, Streams(0, "noise", range(20))))[0]
        said = float(noise.expected_misfit(Ax)[0])
        assert float(found.mean()) == pytest.approx(said, rel=0.03)
    half = noise.bind(10_000)
    Ax[:, 10_000:] = 0.0  # not seen
    assert float(half.expected_misfit(Ax)[0]) == pytest.approx(said / 2, rel=1e-9)


def test_a_start_is_made_from_what_counts_say():
    x = load(astronaut(), (1, 32, 32)).x
    settings = {"prior": "none", "noise": "transmission", "start": "pseudo-inverse", "budget": 1}
    found = priorkit.recover(x, **COMMON, **settings)
    assert float(found.psnr) > 20


def test_what_is_said_of_hounsfield_units_does_it():
    hu = np.linspace(-1024, 894, 16 * 16, dtype=np.float32).reshape(1, 16, 16)
    said = {"op": "radon", "prior": "none", "penalty": "tv", "gamma": 0.1, "budget": 2}
    counts = {"noise": "transmission", "photons": 200}
    with pytest.raises(BadInputError, match=r"1000.*range=\(0, 2\*mu\)"):
        priorkit.recover(hu, **said, **counts, range=(-1024, 894))
    mu = 3.0
    x = mu * (1 + hu / 1000).clip(0)
    found = priorkit.recover(x, **said, **counts, range=(0, 2 * mu))
    assert float(found.y.min()) >= 0


MESSAGES = {
    "negative counts": ({"y": np.full((40, 48), -1.0)}, BadInputError, "values down to -1."),
    "complex counts": ({"y": np.full((40, 48), 1j)}, BadInputError, "is complex"),
    "a solver of squares": (
        {"solver": "fista", "prior": "dct"},
        MismatchError,
        "requires the noise to be a GaussianNoise, and 'transmission' isn't",
    ),
    "more than was sent": (
        {"op": {"name": "gaussian", "m": 50}},
        BadInputError,
        "Try: op='radon' or 'identity', or an operator without negative entries",
    ),
    "more than was sent, with options of counts": (
        {"op": {"name": "gaussian", "m": 50}, "photons": 200, "background": 1},
        BadInputError,
        "range=(0, 2*mu); or noise='gaussian' and no photons and no background",
    ),
    "a level": ({"sigma": 0.1}, BadInputError, "has no sigma. Try: background=…, photons=…"),
    "no photons": (
        {"photons": 0},
        BadInputError,
        "detector counts without an object, are from 1 to 1e+15. Got 0. Try: photons=10000",
    ),
    "a dead detector in a flat field": ({"photons": [5.0, 0.0]}, BadInputError, "Got 0 to 5."),
    "photons that aren't finite": ({"photons": np.array([5, np.nan])}, BadInputError, "Got nan"),
    "complex photons": ({"photons": np.ones(48) * 1j}, BadInputError, "Got torch.complex128."),
    "photons of a file that isn't there": ({"photons": "no.npy"}, BadInputError, "no file no.npy"),
    "photons of other detectors": (
        {"photons": np.full(47, 9.0)},
        BadInputError,
        "one for each entry of y, (1, 40, 48), or for each of its last axis. Got shape (47,).",
    ),
    "photons for each row of y": (
        {"photons": np.full(40, 9.0)},
        BadInputError,
        "Got shape (40,). Try: photons=values[:, None] of one for each row of y",
    ),
    "unknown photons of measured counts": (
        {"y": np.full((40, 48), 300.0)},
        BadInputError,
        "needs to know how many there are without an object. Try: photons=300, the largest count",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refused(name):
    settings, error, phrase = MESSAGES[name]
    common = {"prior": "none", "op": {"name": "radon", "angles": 40}, "shape": (1, 32, 32)}
    with pytest.raises(error) as caught:
        priorkit.recover(**common | {"noise": "transmission", "budget": 1} | settings)
    assert phrase in str(caught.value)


def test_line_integrals_are_no_counts(caplog):
    """Which would all be rays that next to nothing passes."""
    caplog.set_level(logging.WARNING, logger="priorkit")
    noise = Transmission(photons=1e4)
    noise.check(torch.tensor([[0.0, 20.0, 9000.0]]))
    assert not caplog.messages
    noise.check(torch.tensor([[0.0, 1.5, 4.0]]))
    assert "of 10000 photons no detector counted more than 4" in caplog.text
    assert "noise='gaussian'" in caplog.text
    with pytest.raises(BadInputError, match="Got complex values"):
        noise.check(torch.tensor([[1j]]))
    with pytest.raises(BadInputError, match="Got complex values"):
        noise.sample(torch.tensor([[1j]]), Streams(0, "noise", [0]))


COUNTS = {**COMMON, "prior": "none", "noise": "transmission", "budget": 20}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_counts_of_any_type_are_the_same_counts(dtype):
    y = np.random.default_rng(0).poisson(100 * np.exp(-np.ones((40, 48)))).astype(dtype)
    same = priorkit.recover(y=y.astype(np.float64), photons=100, **COUNTS)
    found = priorkit.recover(y=y, photons=100, **COUNTS)
    assert torch.equal(found.x, same.x)


def test_a_flat_field_is_a_number_for_each_detector(tmp_path):
    """Detectors that see different light, in memory and in a file; the mean makes stripes."""
    x = load(astronaut(), (1, 32, 32)).x
    flat = np.linspace(2000, 20_000, 48)
    np.save(tmp_path / "flat.npy", flat)
    first = priorkit.recover(x, photons=flat, **COUNTS)
    lines = first.operator.A(x)
    torch.testing.assert_close(first.noise.measured(first.y), lines, atol=0.5, rtol=0)
    y = first.y[0].numpy()
    again = priorkit.recover(y=y, photons=tmp_path / "flat.npy", **COUNTS)
    each = priorkit.recover(y=y, photons=np.broadcast_to(flat, (40, 48)), **COUNTS)
    assert torch.equal(each.x, again.x)
    mean = priorkit.recover(y=y, photons=float(flat.mean()), **COUNTS)
    errors = [float((found.x - x).square().mean()) for found in (again, mean)]
    assert errors[0] < errors[1] / 3


def test_a_flat_field_has_its_likelihood_and_weights():
    flat = torch.tensor([50.0, 400.0], dtype=torch.float64)
    both = Transmission(photons=flat.numpy(), background=2)
    a = torch.tensor([[0.7, 1.9]], dtype=torch.float64)
    y = torch.tensor([[20.0, 70.0]], dtype=torch.float64)
    alone = [Transmission(photons=float(v), background=2) for v in flat]
    parts = [
        float(noise.misfit(a[:, [k]], y[:, [k]])[0]) / noise.std**2 for k, noise in enumerate(alone)
    ]
    assert float(both.misfit(a, y)[0]) == pytest.approx(both.std**2 * sum(parts))
    weights = torch.cat([n.weights(y[:, [k]]) / n.std**2 for k, n in enumerate(alone)], 1)
    torch.testing.assert_close(both.weights(y), both.std**2 * weights)


def test_simulated_counts_are_replayed_without_photons(tmp_path):
    """Whose number is the usual one there."""
    x = load(astronaut(), (1, 32, 32)).x
    first = priorkit.recover(x, **COUNTS)
    assert float(first.y.max()) > 5000
    assert torch.equal(priorkit.replay(first.save(tmp_path)).x, first.x)


def test_the_range_of_what_counts_are_of_is_found():
    """From the logarithms, where x is in another unit."""
    x = load(astronaut(), (1, 32, 32)).x[0, 0].numpy() * 0.05
    op = {"name": "radon", "angles": 60, "pixel_size": 2.0}
    common = {"prior": "none", "op": op, "shape": (1, 32, 32), "photons": 1e5}
    first = priorkit.recover(x, range=(0, 0.05), noise="transmission", budget=1, **common)
    y = first.y[0].numpy()
    found = priorkit.recover(y=y, range="auto", noise="transmission", budget=60, **common)
    lo, hi = found.record["config"]["range"]
    assert -0.02 < lo <= 0.005
    assert 0.045 < hi < 0.08
    assert np.abs(found.x[0, 0].numpy() - x).mean() < 0.1 * x.mean()
