"""Noise of measurements in units of the user: the problem is that of the same numbers in [0, 1]."""

import copy
import math

import numpy as np
import pytest
import torch
from priorkit_noises.laplace import Laplace
from priorkit_noises.poisson import Poisson
from priorkit_noises.transmission import Transmission

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Noise, StabilizedNoise, WeightedNoise, rescale
from priorkit.io.pictures import astronaut, load
from priorkit.streams import Streams
from priorkit.testing import check_noise

FEW, MANY = 10, 300  # photons at white
BLUR = {"op": "blur", "width": 0.6}


class Camera(WeightedNoise):
    """Counts that are read with an error, and known by their weights alone: v(a) = g·a + σ²."""

    known = True

    def __init__(self, gain, read):
        self.gain, self.read = gain, read

    @property
    def std(self):
        return (self.gain / 2 + self.read**2) ** 0.5

    @property
    def one(self):
        return self.gain + self.read**2

    @property
    def energy(self):
        return self.entries * self.one

    def sample(self, Ax, streams):
        if Ax.is_complex():
            raise BadInputError("Counts are real.")
        return Ax + self._variance(Ax).sqrt() * streams.normal(Ax[0].numel()).view(Ax.shape).to(Ax)

    def misfit(self, Ax, y):
        """That of counts with σ²/g more."""
        a, k = Ax.double() + self.dark, y.double().clamp_min(0) + self.dark
        a = a.clamp_min(self.dark)
        value = 2 * (a - k + torch.xlogy(k, k / a)) * self.one / self.gain
        return value.flatten(1).sum(1), (2 * self.one / self.gain * (1 - k / a)).to(Ax)

    def weights(self, Ax):
        return self.one / self._variance(Ax)

    @property
    def dark(self):
        return self.read**2 / self.gain

    def _variance(self, Ax):
        return self.gain * Ax.clamp_min(0) + self.read**2


# Of how many times larger numbers: the settings of each noise.
NOISES = {
    "gaussian": lambda scale: {"sigma": 0.1 * scale},
    "laplace": lambda scale: {"noise": "laplace", "sigma": 0.1 * scale},
    "poisson": lambda scale: {"noise": "poisson", "gain": scale / FEW},
    "less than one": lambda scale: {"noise": "poisson", "gain": scale / 0.3},
    "default": lambda scale: {"noise": "poisson"},
    "read": lambda scale: {
        "noise": {
            "name": "poisson",
            "gain": scale / FEW,
            "read_noise": 0.05 * scale,
            "black": 0.2 * scale,
        }
    },
    "weighted": lambda scale: {
        "noise": {"name": "weighted", "deviations": scale * np.linspace(0.02, 0.2, 8)}
    },
    "camera": lambda scale: {"noise": Camera(scale / FEW, 0.05 * scale)},
}
# What is recovered with, in few steps, by γ of its own and by hinted ones too.
PRIORS = {
    "none": {"prior": "none", "budget": 15},
    "tv": {"prior": "none", "penalty": "tv", "gamma": ..., "budget": 15},
    "tv, said": {"prior": "none", "penalty": "tv", "gamma": 0.02, "budget": 15},
    "tv, found": {"prior": "none", "penalty": "tv", "gamma": "discrepancy", "budget": 5},
    "l2": {"prior": "none", "penalty": "l2", "gamma": 0.1, "budget": 15},
    "glow": {"prior": ..., "budget": 5},
    "patch-flow": {"prior": "patch-flow", "budget": 5},
}
SQUARES = {
    "alone": {"op": "identity", "prior": "denoiser-photos", "solver": "denoise"},
    "wavelet": {"op": "gaussian", "m": 90, "prior": "wavelet", "budget": 20},
    "denoiser": {"prior": "denoiser-photos", "budget": 4},
    "draws": {"prior": "denoiser-photos", "solver": "ancestral", "draws": 2, "budget": 96},
}
PAIRS = [(noise, kind) for noise in NOISES for kind in PRIORS]
PAIRS += [("gaussian", "wavelet")]
PAIRS += [(noise, "alone") for noise in ("gaussian", "poisson", "read")]
PAIRS += [(n, kind) for n in NOISES if n != "laplace" for kind in ("denoiser", "draws")]
PAIRS = [
    pytest.param(
        *pair, marks=pytest.mark.slow if pair[1] == "draws" and pair[0] != "poisson" else []
    )
    for pair in PAIRS
]


@pytest.fixture
def picture():
    return 0.1 + 0.8 * load(astronaut(), (3, 8, 8)).x.double()


def hinted(x, **settings):
    """The γ that an error names where none was said."""
    del settings["gamma"]
    with pytest.raises(BadInputError, match="gamma=") as refused:
        priorkit.recover(x, **settings)
    return float(str(refused.value).split("gamma=")[1].split()[0])


@pytest.mark.parametrize(("noise", "kind"), PAIRS)
def test_a_problem_in_other_units_is_that_in_0_to_1(noise, kind, picture, tiny_weights):
    """The picture, what is measured of it and what is said of both."""
    scale = float(MANY)
    said = {**PRIORS, **SQUARES}[kind]
    said = {**said, "prior": str(tiny_weights)} if said["prior"] is ... else said
    said = {"precision": "float64", **({} if "op" in said else BLUR), **said}
    plain, own = ({**said, **NOISES[noise](s)} for s in (1.0, scale))
    own["range"] = (0, scale)
    if said.get("gamma") is ...:
        plain["gamma"], own["gamma"] = hinted(picture, **plain), hinted(scale * picture, **own)
    first = priorkit.recover(picture, **plain)
    other = priorkit.recover(scale * picture, **own)
    assert other.record["config"]["gamma"] == pytest.approx(first.record["config"]["gamma"])
    near = {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(other.y / scale, first.y, **near)
    torch.testing.assert_close(other.x / scale, first.x, **near)
    for name in ("misfit", "objective", "noise_misfit", "psnr"):
        torch.testing.assert_close(getattr(other, name), getattr(first, name), **near, msg=name)
    assert other.noise.std == pytest.approx(first.noise.std)
    assert other.noise.typical_weight == pytest.approx(first.noise.typical_weight)
    assert other.noise.energy == pytest.approx(first.noise.energy)
    if kind == "draws":
        torch.testing.assert_close(other.draws.spread / scale, first.draws.spread, **near)
    if isinstance(first.noise, WeightedNoise):
        weights = first.noise.weights(picture)
        torch.testing.assert_close(other.noise.weights(picture), weights, **near)
    if noise == "default":  # which is of simulated counts
        return
    plain, own = (settings | {"shape": (3, 8, 8)} for settings in (plain, own))
    first, other = priorkit.recover(y=first.y, **plain), priorkit.recover(y=other.y, **own)
    torch.testing.assert_close(other.x / scale, first.x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: Poisson(gain=s),
        lambda s: Poisson(gain=s, read_noise=s / 2, black=s / 3),
        lambda s: Camera(s, s),
    ],
)
def test_counts_of_what_has_no_zero_are_the_same_in_every_unit(make):
    """A range from 1 to 3 of numbers, or from 100 to 300 of a hundred times as large ones."""
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    counts, parts = (
        rescale(make(s).bind(64), 2 * s, torch.full((1, 1, 8, 8), s, dtype=torch.float64))
        for s in (100.0, 1.0)
    )
    y = parts.sample(x, Streams(0, "noise", range(2)))
    for a, b in zip(counts.misfit(x, y), parts.misfit(x, y), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(counts.weights(x), parts.weights(x))
    torch.testing.assert_close(counts.expected_misfit(x), parts.expected_misfit(x))
    if isinstance(parts, StabilizedNoise):
        for of in (lambda noise: noise.stabilize(y), lambda noise: noise.restore(x)):
            torch.testing.assert_close(of(counts), of(parts))
        assert counts.stabilized_std == pytest.approx(parts.stabilized_std)
        whole = parts.stabilize(parts.expected(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)))
        torch.testing.assert_close(whole[:, 0, 0, 0].tolist(), [0.0, 1.0])
    assert counts.std == pytest.approx(parts.std)
    assert counts.energy == pytest.approx(parts.energy)


def test_complex_numbers_are_no_counts_in_any_range(picture):
    for unit in ({}, {"range": (0, 300), "gain": 1}, {"range": (50, 350), "gain": 1}):
        lo, hi = unit.get("range", (0, 1))
        with pytest.raises(BadInputError, match="about counts"):
            priorkit.recover(
                lo + (hi - lo) * picture, op="fourier", noise="poisson", prior="none", **unit
            )


def test_what_no_range_moves_has_its_unit_from_what_is_moved():
    """Of counts behind a mask: A of the range's low end is 0 where nothing is seen."""
    offset = torch.full((1, 1, 4, 4), 50.0, dtype=torch.float64)
    whole = rescale(Poisson(gain=1.0).bind(8), 100.0, offset)
    part = rescale(Poisson(gain=1.0).bind(8), 100.0, offset * (torch.arange(4) < 2))
    assert part.std == whole.std == pytest.approx(math.sqrt(50 + 50) / 100)
    assert part.energy == whole.energy == pytest.approx(8 * (50 + 100) / 100**2)


def test_exponentials_have_no_unit_of_x():
    """What passes says what A x is: of lengths in mm or m ℓ is that of the same counts, and agrees
    with squares where A x = 1 in the exponent."""
    noise = Transmission(photons=500.0).bind(4)
    a = torch.tensor([[0.1, 0.5, 1.0, 3.0]], dtype=torch.float64)
    y = noise.expected(a + 0.1)
    for scale in (0.03, 30.0):
        other = rescale(noise, scale, torch.zeros(1, 4, dtype=torch.float64))
        assert float(other.misfit(a / scale, y)[0]) == pytest.approx(
            float(noise.misfit(a, y)[0]) / scale**2
        )
        torch.testing.assert_close(other.weights(a / scale), noise.weights(a))
        assert other.std == pytest.approx(noise.std / scale)


@pytest.mark.parametrize("gamma", [..., 1e-3])
def test_attenuation_in_units_of_length_is_that_of_a_scaled_operator(gamma):
    """x of 1 over a length, and A of as many of that: γ is by the square, as A is multiplied."""
    s = 0.03
    x = 0.1 + 0.8 * load(astronaut(), (1, 8, 8)).x.double()
    A = 0.1 * torch.rand(90, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    said = {"prior": "none", "penalty": "tv", "budget": 20, "precision": "float64"}
    said |= {"noise": "transmission", "photons": 1000, "shape": (1, 8, 8)}
    plain, own = {**said, "op": A.numpy()}, {**said, "op": A.numpy() / s, "range": (0, s)}
    if gamma is ...:
        gamma = hinted(x, **plain, gamma=...)
        assert hinted(s * x, **own, gamma=...) == pytest.approx(gamma / s**2, rel=0.05)
    first = priorkit.recover(x, **plain, gamma=gamma)
    other = priorkit.recover(s * x, **own, gamma=gamma / s**2)
    torch.testing.assert_close(other.y, first.y)
    torch.testing.assert_close(other.x / s, first.x, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(other.misfit * s**2, first.misfit, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(other.noise_misfit * s**2, first.noise_misfit, rtol=1e-4, atol=1e-6)


class Unweighted(Noise):
    """The same camera, without weights to say how its noise goes with A x."""

    known = True
    __init__, sample, misfit, _variance = (
        vars(Camera)[name] for name in ("__init__", "sample", "misfit", "_variance")
    )
    std, one, energy, dark = (vars(Camera)[name] for name in ("std", "one", "energy", "dark"))


def test_a_noise_whose_unit_nothing_tells_is_found():
    check_noise(Camera(0.01, 0.05))
    check_noise(Laplace(sigma=0.1))
    with pytest.raises(AssertionError, match="rescaled, the misfit isn't"):
        check_noise(Unweighted(0.01, 0.05))


def test_the_noise_that_was_said_stays_as_it_is():
    noise = Poisson(gain=2.0)
    before = copy.copy(vars(noise))
    rescale(noise, 100.0, torch.zeros(1, 4, dtype=torch.float64))
    assert vars(noise) == before
