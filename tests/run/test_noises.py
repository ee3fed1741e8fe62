"""Noises end to end: complex measurements, counts, and outliers."""

import numpy as np
import pytest
import torch
from priorkit_glow.prior import GlowPrior
from priorkit_noises.gaussian import Gaussian
from priorkit_noises.laplace import Laplace
from priorkit_noises.poisson import Poisson
from priorkit_noises.transmission import Transmission
from priorkit_operators.pointwise import Identity
from priorkit_penalties.variation import TotalVariation
from priorkit_realnvp.patches import PatchFlow

import priorkit
from priorkit.cli.words import said_here
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import rescale
from priorkit.io.pictures import astronaut, load
from priorkit.streams import Streams
from tests.helpers import Fourier


def test_complex_noise_has_both_parts():
    """Of variance σ² per entry, σ²/2 in each."""
    x = np.full((4, 1, 64, 64), 0.5, dtype=np.float32)
    noisy = priorkit.recover(x, prior="none", op=Fourier(), sigma=0.2, budget=1)
    clean = priorkit.recover(x, prior="none", op=Fourier(), sigma=0.0, budget=1)
    eta = noisy.y - clean.y
    assert eta.is_complex()
    assert float(eta.real.std()) == pytest.approx(0.2 / 2**0.5, rel=0.03)
    assert float(eta.imag.std()) == pytest.approx(0.2 / 2**0.5, rel=0.03)


def test_complex_measurements_are_compared_as_they_are():
    """Not cast to real: the recovery is that of recover itself, in either precision."""
    x = load(astronaut(), (3, 16, 16)).x
    contestants = ["none", {"prior": "dct", "label": "double", "precision": "float64"}]
    found = priorkit.compare(x, priors=contestants, op=Fourier(), sigma=0.001, solver="fista")
    assert found.rows[0].recovery.y.dtype == torch.complex64
    assert found.rows[1].recovery.y.dtype == torch.complex128
    alone = priorkit.recover(x, prior="none", op=Fourier(), sigma=0.001, solver="fista")
    assert torch.equal(found.rows[0].recovery.x, alone.x)


def test_a_whole_transform_comes_back():
    """y of one's own, complex, and its exact adjoint."""

    class Whole(Fourier):
        def A(self, x):
            return torch.fft.fft2(x, norm="ortho")

        def A_adjoint(self, y):
            return torch.fft.ifft2(y, norm="ortho").real

    x = load(astronaut(), (1, 16, 16)).x.double()
    y = torch.fft.fft2(x, norm="ortho")
    result = priorkit.recover(
        y=y.numpy(), op=Whole(), prior="none", shape=(1, 16, 16), precision="float64"
    )
    assert float((result.x - x).abs().max()) < 1e-3


def test_counts_are_recovered_better_by_their_own_noise():
    """Few photons: the misfit that knows of them beats the sum of squares, each at its best γ."""
    x = load(astronaut(), (3, 32, 32)).x
    common = {"prior": "none", "op": "identity", "penalty": "tv", "shape": (3, 32, 32)}
    counted = {"noise": "poisson", "gain": 0.05}
    first = priorkit.recover(x, **common, **counted, gamma=0.1)
    assert first.record["config"]["noise"] == {"name": "poisson", "gain": 0.05}
    assert torch.allclose(first.y / 0.05, (first.y / 0.05).round(), atol=1e-4)

    def error(gamma, **noise):
        found = priorkit.recover(y=first.y[0], **common, **noise, gamma=gamma)
        return float((found.x - x).square().mean())

    grid = (0.1, 0.2, 0.4, 0.8)
    assert min(error(g, **counted) for g in grid) < 0.95 * min(error(g) for g in grid)


def test_many_photons_are_as_easy_as_few():
    """The misfit bends at a black picture, where the search begins, some hundred times as
    much as at the answer, however many photons there are."""
    x = load(astronaut(), (1, 32, 32)).x.clamp_min(0.05)
    dark, y = torch.zeros_like(x).double(), x.double()
    for gain in (1e-2, 1e-4, 1e-8):
        noise = Poisson(gain=gain).bind(1024)
        bends = [
            (noise.misfit(a + 1e-6 * y, y)[1] - noise.misfit(a, y)[1]) / (1e-6 * y)
            for a in (dark, y)
        ]
        assert float((bends[0] / bends[1]).max()) < 120
    found = priorkit.recover(
        x, prior="none", op="identity", noise="poisson", gain=1e-4, penalty="tv", gamma=0.0023
    )
    assert found.psnr > 40


@pytest.mark.parametrize("noise", [Gaussian(sigma=0.3), Laplace(sigma=0.3)])
def test_complex_noise_costs_as_much_as_it_says(noise):
    """Each part has half of the variance; the misfit is that of the parts."""
    bound = noise.bind(20_000)
    Ax = torch.zeros(16, 20_000, dtype=torch.complex128)
    y = bound.sample(Ax, Streams(0, "noise", range(16)))
    value, gradient = bound.misfit(Ax, y)
    assert float(value.mean()) == pytest.approx(bound.energy, rel=0.01)
    step = 1e-6 * torch.randn(Ax.shape, dtype=Ax.dtype)
    change = bound.misfit(Ax + step, y)[0] - bound.misfit(Ax - step, y)[0]
    wanted = 2 * (gradient.conj() * step).real.sum(1)
    torch.testing.assert_close(change, wanted, rtol=1e-4, atol=1e-8)


def test_outliers_are_outvoted():
    """A few entries that are far off ruin least squares, and not the Laplace misfit."""
    x = load(astronaut(), (1, 16, 16)).x
    A = np.random.default_rng(0).normal(size=(400, 256)) / 20
    y = A @ x.numpy().ravel()
    y[::20] += 5
    common = {"op": {"name": "matrix", "matrix": A}, "prior": "none", "shape": (1, 16, 16)}
    robust = priorkit.recover(y=y, **common, noise="laplace", sigma=0.02, discrepancy=0.0)
    plain = priorkit.recover(y=y, **common)
    error = {k: float((r.x - x).square().mean()) for k, r in (("l", robust), ("g", plain))}
    assert error["l"] < error["g"] / 20


def test_the_noise_is_recorded_and_replayed(tmp_path):
    x = load(astronaut(), (3, 16, 16)).x
    settings = {"op": "identity", "penalty": "tv", "gamma": 0.05, "noise": "laplace"}
    first = priorkit.recover(x, prior="none", **settings, sigma=0.05)
    assert first.record["config"]["noise"] == {"name": "laplace"}
    assert first.record["config"]["sigma"] == 0.05
    assert torch.equal(priorkit.replay(first.save(tmp_path)).x, first.x)


MESSAGES = {
    "a level that it hasn't": (
        {"noise": "poisson", "sigma": 0.1},
        BadInputError,
        "noise 'poisson' has no sigma. Try: black=…, gain=…, read_noise=…",
    ),
    "a solver of squares": (
        {"noise": "poisson", "prior": "dct", "solver": "fista", "op": "identity"},
        MismatchError,
        "requires the noise to be a GaussianNoise, and 'poisson' isn't. Try: noise='gaussian'",
    ),
    "negative light": (
        {"noise": "poisson", "op": "gaussian", "m": 50},
        BadInputError,
        "Try: op='identity', or an operator without negative entries",
    ),
    "negative light by the operator for it": (
        {"x": -np.ones((1, 3, 16, 16)), "noise": "poisson", "gain": 1, "range": (-1, 1)},
        BadInputError,
        "Got values down to -1. Try: an operator without negative entries; x of what is counted",
    ),
    "light that is complex": (
        {"noise": "poisson", "op": "fourier", "gain": 0.1},
        BadInputError,
        "x of what is counted, which is at least 0; or noise='gaussian' and no gain",
    ),
    "its options go with it": (
        {"noise": "poisson", "gain": 0.1, "prior": "dct", "solver": "fista"},
        MismatchError,
        "and 'poisson' isn't. Try: no solver and prior='bm3d', or noise='gaussian' and no gain",
    ),
    "an error that nobody can tell": (
        {
            "noise": "poisson",
            "prior": "denoiser-photos",
            "solver": {"name": "denoise", "estimate": True},
        },
        BadInputError,
        "can be estimated where the noise is Gaussian. Got estimate=True. Try: no estimate",
    ),
    "counts that are blurred": (
        {"noise": "poisson", "prior": "bm3d", "op": "blur"},
        MismatchError,
        "serves linear operators only, and counts where they are the picture itself",
    ),
    "an unknown amount": (
        {"noise": "laplace", "op": "mask"},
        BadInputError,
        "Laplace noise needs to know its level. Try: sigma=0.05",
    ),
    "a name": ({"noise": "posson"}, priorkit.PriorkitError, "Did you mean 'poisson'?"),
    "twice": (
        {"noise": {"name": "gaussian", "sigma": 0.1}, "sigma": 0.2},
        BadInputError,
        "given twice",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refused(name):
    settings, error, phrase = MESSAGES[name]
    with pytest.raises(error) as caught:
        priorkit.recover(**{"prior": "none", "op": "identity", "shape": (3, 16, 16)} | settings)
    assert phrase in str(caught.value)


def test_a_measurement_that_cannot_be_counts():
    y = np.full((3, 16, 16), -0.1)
    with pytest.raises(BadInputError, match="y must not be negative") as refused:
        priorkit.recover(y=y, prior="none", op="identity", noise="poisson")
    assert "read_noise=…, of a camera whose black was subtracted" in str(refused.value)


@pytest.mark.parametrize(
    ("said", "most", "try_"),
    [
        ({}, 0.9, "gain=1 with range=(0, …) where y are counts"),
        ({}, 41.5, "gain=1 with range=(0, 42) where y are counts"),
        ({"range": (0, 300)}, 300, "Got y up to 300. Try: gain=1 with range=(0, 300)"),
    ],
)
def test_no_gain_is_assumed_of_measured_counts(said, most, try_):
    """As no other amount of noise is. Of simulated ones it is 0.01."""
    common = {"prior": "none", "op": "identity", "noise": "poisson", "budget": 1}
    y = np.linspace(0, most, 256).reshape(1, 16, 16)
    with pytest.raises(BadInputError) as caught:
        priorkit.recover(y=y, **common, **said)
    assert "needs to know what one of them adds to y" in str(caught.value)
    assert try_ in str(caught.value)
    assert "--gain 1 with --range 0 " in said_here(str(caught.value))


def test_simulated_counts_need_no_gain(tmp_path):
    """And are replayed without one."""
    x = load(astronaut(), (1, 16, 16)).x
    first = priorkit.recover(x, prior="none", op="identity", noise="poisson", budget=1)
    torch.testing.assert_close(100 * first.y, (100 * first.y).round())
    assert torch.equal(priorkit.replay(first.save(tmp_path)).x, first.x)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_counts_that_were_taken_for_brightness_are_told_of(dtype, caplog):
    """Less than a single one."""
    counts = np.random.default_rng(0).poisson(3, (1, 16, 16)).astype(dtype)
    said = {"op": "identity", "noise": "poisson", "gain": 1, "gamma": "discrepancy"}
    said |= {"prior": "none", "penalty": "tv", "budget": 5}
    priorkit.recover(y=counts, **said)
    assert "a single count is gain=1. Where y are counts in whole numbers" in caplog.text
    caplog.clear()
    found = priorkit.recover(y=counts, **said, range=(0, int(counts.max())))
    assert "a single count" not in caplog.text
    assert np.allclose(found.y, counts[None])


def test_no_rule_for_gamma_is_told_to_use_a_rule(caplog):
    """Of a y that is even every γ finds y."""
    said = {"op": "identity", "sigma": 0.1, "gamma": "discrepancy", "prior": "none"}
    priorkit.recover(y=np.full((1, 16, 16), 0.5), **said, penalty="tv", start="noisy", budget=5)
    assert "The noise was fitted too" in caplog.text
    assert "or gamma='discrepancy'" not in caplog.text


CAMERA = {"noise": "poisson", "gain": 0.05, "read_noise": 0.1, "black": 0.4}


def test_a_camera_adds_noise_of_its_own():
    """What it reads without light, some of which is less than that."""
    x = np.full((2, 1, 64, 64), 0.3)
    y = priorkit.recover(x, prior="none", op="identity", **CAMERA, budget=1).y
    assert float(y.mean()) == pytest.approx(0.7, rel=0.01)
    assert float(y.std()) == pytest.approx((0.05 * 0.3 + 0.1**2) ** 0.5, rel=0.02)
    found = Poisson(gain=0.5, read_noise=0.5).sample(
        torch.full((4, 50_000), 0.5, dtype=torch.float64), Streams(0, "noise", range(4))
    )
    each = Poisson(gain=0.5).sample(torch.full_like(found, 0.5), Streams(0, "noise", range(4)))
    apart = torch.corrcoef(torch.stack([each.flatten(), (found - each).flatten()]))[0, 1]
    assert abs(float(apart)) < 0.01  # counts and what reading adds
    dark = priorkit.recover(0 * x, prior="none", op="identity", **CAMERA, budget=1).y
    assert float((dark < 0.4).double().mean()) == pytest.approx(0.5, abs=0.03)


def test_what_a_camera_adds_in_reading_is_taken_into_account(tmp_path):
    """Of a y with values below black, which had to be clipped before; and it is replayed."""
    x = 0.3 * load(astronaut(), (3, 32, 32)).x
    said = {"prior": "none", "op": "identity", "penalty": "tv", "shape": (3, 32, 32)}
    first = priorkit.recover(x, **said, **CAMERA, gamma=0.2)
    assert torch.equal(priorkit.replay(first.save(tmp_path)).x, first.x)
    own = priorkit.recover(y=first.y[0], **said, **CAMERA, gamma=0.2)
    torch.testing.assert_close(own.x.clamp(0, 1), first.x)

    def error(y, **noise):
        found = [priorkit.recover(y=y, **said, **noise, gamma=g).x for g in (0.2, 0.4, 0.8)]
        return min(float((image - x).square().mean()) for image in found)

    clipped = (first.y[0] - 0.4).clamp_min(0)
    plain = error(clipped, noise="poisson", gain=0.05)
    assert error(first.y[0], **CAMERA) < 0.7 * plain


def test_the_range_that_y_shows_is_that_of_light():
    """Without the black of its camera."""
    x = 300 * load(astronaut(), (1, 32, 32)).x
    camera = {"gain": 1.0, "read_noise": 3.0, "black": 500.0}
    said = {"prior": "none", "op": "identity", "noise": "poisson"} | camera
    y = priorkit.recover(x, **said, range=(0, 300), budget=1).y[0]
    low, high = priorkit.recover(y=y, **said, range="auto", budget=1).record["config"]["range"]
    assert low == 0
    assert 280 < high < 420


@pytest.mark.parametrize(("black", "said"), [(0.4, False), (0.9, True)])
def test_a_black_that_is_too_high_is_told_of(black, said, caplog):
    x = load(astronaut(), (1, 32, 32)).x
    y = priorkit.recover(x, prior="none", op="identity", **CAMERA, budget=1).y[0]
    told = CAMERA | {"black": black, "read_noise": 0.05}
    priorkit.recover(y=y, prior="none", op="identity", **told, budget=1)
    assert ("times the read_noise 0.05 below black, down to" in caplog.text) == said
    assert ("Try: black=…" in caplog.text) == said


@pytest.mark.parametrize("read", [0.0, 0.01, 0.1, 3.0])
def test_counts_are_stabilized_wherever_they_are(read):
    """Their noise is one for all, and what comes back is what was counted in the mean."""
    noise = Poisson(gain=0.02, read_noise=read, black=0.1).bind(50_000)
    ends = noise.stabilize(noise.expected(torch.tensor([0.0, 1.0], dtype=torch.float64)))
    assert ends.tolist() == pytest.approx([0, 1])
    for mean in (0.1, 0.3, 1.0):
        Ax = torch.full((8, 50_000), mean, dtype=torch.float64)
        v = noise.stabilize(noise.sample(Ax, Streams(0, "noise", range(8))))
        assert float(v.std()) == pytest.approx(noise.stabilized_std, rel=0.03)
        found = float(noise.restore(v.mean()))
        assert found == pytest.approx(mean, abs=0.003 + 0.005 * float(v.std()))
    assert bool((noise.restore(torch.linspace(-5, 0, 50)) >= 0).all())


@pytest.mark.parametrize("noise", [{"noise": "poisson", "gain": 1e-6}, {"sigma": 5e-4}])
def test_next_to_no_noise_is_not_smoothed(noise):
    """Of less than the least level of a network, which had removed as much as of that."""
    x = load(astronaut(), (3, 48, 48)).x
    found = priorkit.recover(x, prior="denoiser-photos", op="identity", **noise)
    error, before = ((v - x).square().mean().sqrt() for v in (found.x, found.y))
    assert float(error) < float(before)


CAMERA_REFUSED = {
    "below its black": (
        {"read_noise": 0.0},
        "must not be below black=0.4. Got values down to 0.",
        "Try: y.clip(0.4); read_noise=…, of a camera; or noise='gaussian'",
    ),
    "dark": ({"black": 5.0}, "most of y was read without light. Got y from", "Try: black=…"),
}


@pytest.mark.parametrize("name", CAMERA_REFUSED)
def test_a_camera_of_which_y_is_not_is_refused(name):
    change, *said = CAMERA_REFUSED[name]
    y = priorkit.recover(prior="none", op="identity", **CAMERA, shape=(1, 32, 32), budget=1).y[0]
    with pytest.raises(BadInputError) as refused:
        priorkit.recover(y=y, prior="none", op="identity", **CAMERA | change, budget=1)
    assert all(words in str(refused.value) for words in said)


def test_a_range_that_begins_at_black_and_read_noise_in_other_units_are_told_of(caplog):
    said = {"prior": "none", "op": "identity", "noise": "poisson", "gain": 1.0, "budget": 1}
    camera = {"read_noise": 3.0, "black": 100.0}
    x = 200 * load(astronaut(), (1, 32, 32)).x
    y = priorkit.recover(x, **said, **camera, range=(0, 200)).y[0]
    assert caplog.text.count("poisson:") == 0
    priorkit.recover(y=y, **said, **camera, range=(100, 300))
    assert "is no part of x, whose range begins at 100. Try: range=(0, …)" in caplog.text
    caplog.clear()
    priorkit.recover(y=y, **said, read_noise=3000.0, black=100.0, range=(0, 200))
    assert "read_noise=3000 is more noise than y shows" in caplog.text


def test_counts_of_a_picture_take_one_call():
    """And come nearer to it than by 60 of ``diffpir``; of one count at white by 2 dB."""
    x = load(astronaut(), (3, 32, 32)).x
    said = {"prior": "denoiser-photos", "op": "identity", "noise": "poisson"}
    for gain, gains in ((1.0, 1.0), (0.05, 0.3)):
        found = priorkit.recover(x, **said, gain=gain)
        assert found.record["config"]["solver"]["name"] == "denoise"
        assert found.evaluations == [1]
        other = priorkit.recover(x, **said, gain=gain, solver="diffpir", budget=20)
        assert float(found.psnr) > float(other.psnr) + gains


FEW = (0.05, 0.3, 1.0, 3.0, 30.0, 1000.0)  # counts in the mean


@pytest.mark.parametrize("read", [0.0, 0.004, 0.02, 0.2])
@pytest.mark.parametrize("mean", FEW)
def test_the_misfit_of_few_counts_is_what_is_said(mean, read):
    """Of less than one it is far below that of many, and of two above it; read with more noise
    than a count, near that of many."""
    noise = Poisson(gain=0.02, read_noise=read).bind(20_000)
    Ax = torch.full((20, 20_000), 0.02 * mean, dtype=torch.float64)
    found = noise.misfit(Ax, noise.sample(Ax, Streams(0, "noise", range(20))))[0]
    assert float(found.mean()) == pytest.approx(float(noise.expected_misfit(Ax)[0]), rel=0.015)
    other = rescale(noise, 4.0, torch.full((1, 20_000), -0.5, dtype=torch.float64))
    told = other.expected_misfit((Ax + 0.5) / 4)
    unit = noise.energy / other.energy
    one, here = (0.02 + read**2, 0.02 * 3.5 + read**2)  # the variances where A x is 1
    assert unit == pytest.approx(4**2 * one / here)
    torch.testing.assert_close(unit * told, noise.expected_misfit(Ax))


def test_what_is_not_seen_has_no_misfit_of_noise():
    """And what is no number of counts isn't asked for one."""
    noise = Poisson(gain=0.02).bind(3)
    Ax = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, -2.0], [1.0, 1.0, 1.0, torch.nan]])
    assert noise.expected_misfit(Ax).tolist() == pytest.approx([3 * 0.02 * (1 + 1 / 300)] * 3, 1e-3)
    camera = Poisson(gain=0.02, read_noise=0.1)
    half, whole = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0]])
    torch.testing.assert_close(
        camera.bind(1).expected_misfit(half), camera.bind(1).expected_misfit(whole)
    )


@pytest.mark.parametrize("brightness", [0.03, 0.1, 1.0])
def test_the_discrepancy_of_few_counts_ends_where_it_should(brightness):
    """A dark picture isn't evened out: its noise has less of a misfit than that of a bright one."""
    x = brightness * load(astronaut(), (1, 32, 32)).x
    said = {"prior": "none", "op": "identity", "noise": "poisson", "penalty": "tv", "gain": 0.1}
    found = priorkit.recover(x, **said, gamma="discrepancy")
    alone = found.record["images"][0]["noise"]
    assert float(found.misfit) == pytest.approx(alone, rel=0.02)
    assert alone == pytest.approx(float(found.noise.expected_misfit(x)), rel=0.1)
    assert float(found.x.std()) > 0.4 * float(x.std())


def test_a_dark_picture_is_not_taken_for_fitted():
    """A search without a penalty ends at half of its own noise, not of that of a bright one."""
    x = 0.03 * load(astronaut(), (1, 32, 32)).x
    found = priorkit.recover(x, prior="none", op="identity", noise="poisson", gain=0.1, budget=200)
    assert found.reason[0].startswith("noise level reached")
    misfit = float(found.noise.misfit(found.x, found.y)[0])
    assert misfit < 0.55 * float(found.noise.expected_misfit(found.x))


def test_dark_pixels_pull_back():
    """Where nothing was counted, a negative estimate costs, and nothing is infinite."""
    noise = Poisson(gain=0.1)
    a = torch.tensor([[-1.0, -0.01, 0.0, 0.5]], dtype=torch.float64).T
    value, gradient = noise.misfit(a, torch.zeros_like(a))
    assert torch.isfinite(value).all()
    assert gradient[0] < gradient[1] < 0
    assert gradient[2] == 0
    assert gradient[3] == pytest.approx(2.0)


def test_the_force_of_an_outlier_is_bounded():
    noise = Laplace(sigma=0.1)
    _, gradient = noise.misfit(torch.tensor([[1e6], [1e-4]]), torch.zeros(2, 1))
    assert float(gradient[0]) == pytest.approx(2 * 2**0.5 * 0.1, rel=1e-4)
    assert float(gradient[1]) == pytest.approx(2e-4, rel=1e-4)


# --- what defaults of γ are multiplied by --------------------------------------------------


@pytest.mark.parametrize(
    ("noise", "weight"),
    [
        (Gaussian(sigma=0.1), 1),
        (Gaussian(), 1),
        (Laplace(sigma=0.1), 1),
        (Poisson(gain=0.1), 2),
        (Transmission(photons=50), 1),
    ],
)
def test_the_weight_of_a_typical_entry_is_that_of_its_misfit(noise, weight):
    """Counts of a gray pixel, whose deviation ``std`` is, weigh twice as much as a white one's."""
    bound = noise.bind(10)
    assert bound.typical_weight == pytest.approx(weight)
    assert rescale(bound, 50.0, torch.zeros(1, 10)).typical_weight == pytest.approx(weight)


def test_what_is_read_weighs_the_same_wherever_it_is():
    """g·½ + r² and g + r² are the variances at gray and at white."""
    noise = Poisson(gain=0.1, read_noise=0.1)
    assert noise.bind(10).typical_weight == pytest.approx((0.1 + 0.01) / (0.05 + 0.01))


def test_a_default_of_gamma_goes_with_the_weight_of_counts(tiny_weights):
    """Else it is half of what it should be, and few counts are fitted: by ``tv`` a photograph of
    ten photons had 4 dB less."""
    operator, counts = Identity().bind((3, 32, 32)), Poisson(gain=0.1).bind(3 * 32 * 32)
    squares = Gaussian(sigma=counts.std).bind(3 * 32 * 32)
    for prior in (GlowPrior(weights=tiny_weights), PatchFlow()):
        of_counts, plain = (prior.defaults(operator, n).gamma for n in (counts, squares))
        assert of_counts == pytest.approx(2 * plain)
    hint = TotalVariation().hint(operator, counts)
    assert hint == pytest.approx(2 * TotalVariation().hint(operator, squares))
    settings = {"prior": "none", "op": "identity", "noise": "poisson", "gain": 0.1, "budget": 60}
    found, half = (
        priorkit.recover(shape=(3, 32, 32), penalty="tv", gamma=g, **settings)
        for g in (hint, hint / 2)
    )
    assert float(found.psnr) > float(half.psnr) + 1
