"""RealNVP: the network, the prior and its density, the recipe, and what it refuses."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_penalties.likelihood import NLL
from priorkit_realnvp.network import RealNVP, RealNVPConfig
from priorkit_realnvp.prior import RealNVPPrior
from priorkit_realnvp.train import RealNVPTraining, train

import priorkit
from priorkit.errors import WeightsError
from priorkit.io.files import json_sha256
from priorkit.registry import registry
from priorkit.testing import check_penalty, check_prior
from priorkit.training import output as recipe

CONFIGS = {
    "2": RealNVPConfig(shape=(2,), steps=4, width=8),
    "5": RealNVPConfig(shape=(5,), steps=6, width=8),
    "3x8x8": RealNVPConfig(shape=(3, 8, 8), steps=2, width=6, levels=2),
    "1x4x4": RealNVPConfig(shape=(1, 4, 4), steps=3, width=6, levels=2),
    "3x4x12": RealNVPConfig(shape=(3, 4, 12), steps=1, width=6, levels=1),
}


def random_network(config, seed=0):
    """A network whose every parameter is random, so that no term of it is trivial."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RealNVP(config).double()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.15 * torch.randn_like(parameter)
    return network


@pytest.fixture
def shipped():
    entry = registry().get("prior", "realnvp-2d")
    return entry.load()(**entry.preset)


@pytest.mark.parametrize("name", CONFIGS)
def test_contract(name):
    check_prior(RealNVPPrior.from_network(random_network(CONFIGS[name])))


@pytest.mark.parametrize("name", ["2", "3x8x8"])
def test_gradient_of_the_likelihood(name):
    """−log p(x) with the log-determinant in it, against finite differences."""
    config = CONFIGS[name]
    prior = RealNVPPrior.from_network(random_network(config))
    check_penalty(NLL(), shape=config.shape, prior=prior)
    x = torch.rand(1, *config.shape, dtype=torch.float64)
    network = prior._copies.like(x)
    with torch.enable_grad():
        u = x.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(network.encode(u)[1].sum(), u)
    assert float(slope.norm()) > 1e-3 * float(prior.log_prob_grad(x)[1].norm())


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_round_trip(name):
    prior = RealNVPPrior.from_network(random_network(CONFIGS[name]))
    x = torch.rand(3, *CONFIGS[name].shape)
    z = prior.encode(x)
    assert z.dtype == torch.float32
    assert float((prior.decode(z) - x).abs().max()) < 1e-4


@pytest.mark.parametrize("name", CONFIGS)
def test_far_latents_stay_finite(name):
    """Bounded scales: nothing explodes in reverse, however far out."""
    prior = RealNVPPrior.from_network(random_network(CONFIGS[name]))
    z = 30 * torch.randn(8, prior.latent_size, generator=torch.Generator().manual_seed(0))
    x, pullback = prior.decode_vjp(z)
    assert bool(torch.isfinite(x).all())
    assert bool(torch.isfinite(pullback(torch.ones_like(x))).all())


def test_nothing_is_initialised_by_what_comes_first():
    """An untrained normflows ActNorm would take its scale from its first input."""
    network = RealNVP(CONFIGS["3x8x8"])
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.decode(torch.randn(4, 192))
    network.encode(torch.rand(4, 3, 8, 8))
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", CONFIGS)
def test_initialisation_normalises(name):
    """Latents of that batch are about standard, but for the last coupling."""
    network = random_network(CONFIGS[name]).requires_grad_(False)
    x = 3 + 2 * torch.rand(200, *CONFIGS[name].shape, dtype=torch.float64)
    network.initialize(x)
    z = network.encode(x)[0]
    assert abs(float(z.mean())) < 0.2
    assert 0.75 < float(z.std()) < 1.33


def test_every_coordinate_depends_on_every_other():
    """The masks separate any two coordinates of a vector."""
    network = random_network(RealNVPConfig(shape=(6,), steps=12, width=8))
    x = torch.randn(1, 6, dtype=torch.float64)
    J = torch.autograd.functional.jacobian(lambda u: network.encode(u)[0][0], x)
    assert bool((J.abs() > 1e-9).all())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": (3, 30, 30), "levels": 3}, "multiples of 8. Got 30×30 pixels. Try: 32×32"),
        ({"shape": (3, 30, 30), "levels": 3}, "or 1 level at this size"),
        ({"shape": (1, 33, 48), "levels": 1}, "multiples of 2. Got 48×33 pixels. Try: 48×32"),
        ({"shape": (3, 24, 8)}, "levels ≥ 1, got 0: try 1 to 3 levels"),
        ({"shape": (2,), "levels": 1}, "vectors have no levels"),
        ({"shape": (1,)}, "2 coordinates or more"),
        ({"shape": (4, 4)}, r"\(d,\) or \(C, H, W\)"),
        ({"shape": (2,), "width": 0}, "whole numbers"),
        ({"shape": (2,), "steps": 999}, "at most 256"),
        ({"shape": (2,), "scale_limit": 0}, "scale_limit"),
    ],
)
def test_sizes_that_do_not_fit(values, message):
    with pytest.raises(ValueError, match=message):
        RealNVPConfig(**values)


# --- the shipped weights ---------------------------------------------------------


def bimodal(count, seed):
    """x1 ~ ½N(−2, ½²) + ½N(2, ½²), x2 ~ U(−2, 2), and log p of each point."""
    rng = np.random.default_rng(seed)
    x1 = rng.choice([-2.0, 2.0], count) + 0.5 * rng.standard_normal(count)
    x = torch.from_numpy(np.stack([x1, rng.uniform(-2, 2, count)], 1))
    parts = [-2 * (x[:, 0] - mode) ** 2 for mode in (-2.0, 2.0)]
    gauss = math.log(0.5 * 2 / math.sqrt(2 * math.pi))
    return x, torch.logaddexp(*parts) + gauss - math.log(4)


def test_the_shipped_density_is_that_of_the_points(shipped):
    x, truth = bimodal(5000, seed=123)
    gap = truth - shipped.log_prob(x)  # its mean is the Kullback-Leibler divergence
    assert -0.01 < float(gap.mean()) < 0.05
    inside = x[:, 1].abs() < 1.7
    assert float(gap[inside].abs().median()) < 0.15


def test_shipped_samples_look_like_the_points(shipped):
    x = shipped.sample(4000, generator=torch.Generator().manual_seed(0))
    assert abs(float((x[:, 0] > 0).double().mean()) - 0.5) < 0.05
    near = ((x[:, 0].abs() - 2).abs() < 1.5) & (x[:, 1].abs() < 2.1)
    assert float(near.double().mean()) > 0.97


def test_the_density_integrates_to_one(shipped):
    side = torch.linspace(-6, 6, 151, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    cell = float(side[1] - side[0]) ** 2
    assert abs(float(shipped.log_prob(grid).exp().sum()) * cell - 1) < 0.02


@pytest.mark.parametrize("space", ["latent", "pixel"])
def test_a_coordinate_is_recovered_from_the_other(space):
    """y = x2: the point found explains y, and its x1 is likely."""
    result = priorkit.recover(
        y=np.array([[1.0], [-0.5]]),
        op={"name": "matrix", "matrix": np.array([[0.0, 1.0]])},
        prior="realnvp-2d",
        space=space,
        penalty="l2" if space == "latent" else "nll",
        gamma=0.05,
        budget=100,
        start=np.array([[1.5, -1.0], [-1.5, 1.0]]),
    )
    x = result.x
    assert torch.allclose(x[:, 1], torch.tensor([1.0, -0.5]), atol=0.1)
    assert bool(((x[:, 0].abs() - 2).abs() < 0.8).all())


# --- the prior ---------------------------------------------------------------------


def save(folder, config, **changes):
    network = random_network(config).float()
    path = recipe.write_weights(
        folder / "small.safetensors",
        dict(network.state_dict()),
        family="realnvp",
        architecture=config.to_dict(),
        about={},
    )
    card = json.loads(path.with_suffix(".json").read_text()) | changes
    card["architecture_sha256"] = json_sha256([card["family"], card["architecture"]])
    path.with_suffix(".json").write_text(json.dumps(card))
    return path, network


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_come_back_as_they_were(name, tmp_path):
    path, network = save(tmp_path, CONFIGS[name])
    prior = RealNVPPrior(weights=path)
    x = torch.rand(2, *CONFIGS[name].shape, dtype=torch.float64)
    torch.testing.assert_close(prior.log_prob(x), network.double().log_prob(x))
    assert list(prior.provenance) == ["small"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "glow"}, "holds a 'glow', not a RealNVP"),
        ({"range": [-1, 1]}, r"not for images in \[0, 1\]"),
        ({"architecture": {"shape": [2], "steps": 4, "width": 9}}, "doesn't fit"),
        ({"architecture": {"shape": [3], "steps": 4, "width": 8}}, "doesn't fit"),
        ({"architecture": {"shape": 2}}, "doesn't fit"),
        ({"architecture": {}}, "doesn't fit"),
        ({"architecture": {"shape": [2], "depth": 4}}, "doesn't fit"),
        ({"architecture": {"shape": [8192], "steps": 256, "width": 8192}}, "doesn't fit"),
    ],
)
def test_weights_that_do_not_fit(changes, message, tmp_path):
    path, _ = save(tmp_path, CONFIGS["2"], **changes)
    with pytest.raises(WeightsError, match=message):
        RealNVPPrior(weights=path)


def test_defaults():
    """The maximum a posteriori estimate for a whole noisy picture, the latent's norm otherwise."""
    from priorkit_noises.gaussian import Gaussian as Noise
    from priorkit_operators.gaussian import Gaussian
    from priorkit_operators.pointwise import Identity

    prior = RealNVPPrior.from_network(random_network(CONFIGS["3x8x8"]))
    denoise = Identity().bind(prior.shape)
    choices = prior.defaults(denoise, Noise(sigma=0.1))
    assert (choices.space, choices.penalty) == ("pixel", "nll")
    assert choices.gamma == pytest.approx(0.02)
    assert prior.defaults(denoise, Noise()).gamma is None
    assert prior.defaults(denoise, Noise(sigma=0.0)).gamma == 0
    sensed = prior.defaults(Gaussian(m=20, seed=0).bind(prior.shape), Noise(sigma=0.1))
    assert (sensed.space, sensed.penalty, sensed.gamma) == ("latent", "l2", 0.0)


# --- the recipe ----------------------------------------------------------------------


def quiet(*_):
    pass


def options(data, out, **changes):
    small = {"steps": 2, "width": 6, "batch": 16, "validation": 8, "every": 5, "iterations": 10}
    return RealNVPTraining(data=data, out=out, **{**small, **changes})


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, bimodal(200, seed=0)[0].numpy())
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        pixels = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((12, 10)).save(folder / f"{i:02d}.png")
    return folder


def test_points_are_learned(points, tmp_path):
    path = train(options(points, tmp_path / "out", iterations=60, every=20, warmup=5), quiet)
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert lines[-1]["validation"] < lines[0]["validation"]
    prior = RealNVPPrior(weights=path)
    assert prior.shape == (2,)
    assert prior.card.nats_per_point == min(line["validation"] for line in lines)
    check_prior(prior)


@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_pictures_are_learned(channels, pictures, tmp_path):
    path = train(options(pictures, tmp_path / "out", size=8, channels=channels), quiet)
    prior = RealNVPPrior(weights=path)
    assert prior.shape == (channels, 8, 8)
    assert prior.card.bits_per_dim > 0
    check_prior(prior)
    with Image.open(tmp_path / "out" / "samples-000010.png") as samples:
        assert samples.size == (64, 16)


@pytest.mark.parametrize("kind", ["points", "pictures"])
def test_an_interrupted_run_continues_as_if_it_had_not_been(kind, request, tmp_path):
    data = request.getfixturevalue(kind)
    whole = train(options(data, tmp_path / "whole", size=4), quiet)

    def stop(step, total, message):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(options(data, tmp_path / "pieces", size=4), stop)
    assert train(options(data, tmp_path / "pieces", size=4, minutes=1e-9), quiet) is None
    resumed = train(options(data, tmp_path / "pieces", size=4), quiet)
    assert resumed.read_bytes() == whole.read_bytes()


def test_another_architecture_is_not_continued(points, tmp_path):
    train(options(points, tmp_path / "out"), quiet)
    with pytest.raises(ValueError, match="another architecture"):
        train(options(points, tmp_path / "out", width=7), quiet)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(50), r"must hold points \(N, d\) with d ≥ 2, one per row, got \(50,\)"),
        (np.zeros((50, 1)), "d ≥ 2"),
        (np.zeros((50, 2, 2)), r"got \(50, 2, 2\)"),
        (np.zeros((50, 2), dtype=complex), "real numbers, got complex128"),
        (np.array([["a", "b"]] * 50), "real numbers"),
        (np.stack([np.arange(50.0), np.ones(50)], 1), "Column 1 .* is constant"),
        (np.stack([np.arange(50.0), 1e300 * np.arange(50)], 1), "49 rows .* first is row 1"),
        (np.full((50, 2), np.nan), "50 rows with NaN"),
        (np.random.default_rng(0).normal(size=(10, 2)), "smaller validation or batch"),
    ],
)
def test_points_that_cannot_be_used(array, message, tmp_path):
    np.save(tmp_path / "points.npy", array)
    with pytest.raises(ValueError, match=message):
        train(options(tmp_path / "points.npy", tmp_path / "out"), quiet)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_array(tmp_path):
    (tmp_path / "points.npy").write_text("x1,x2\n1,2\n")
    with pytest.raises(ValueError, match="not an array that can be read"):
        train(options(tmp_path / "points.npy", tmp_path / "out"), quiet)


def test_a_side_that_cannot_be_squeezed(pictures, tmp_path, monkeypatch):
    """Refused before a picture is read, with sizes and levels that would work."""
    monkeypatch.setattr("priorkit_realnvp.data.TrainingPictures", None)
    with pytest.raises(ValueError, match=r"multiples of 4\. Got 30×30 .* Try: 32×32 pixels, or"):
        train(options(pictures, tmp_path / "out", size=30), quiet)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 2}, "channels is 3 for colour or 1 for grey"),
        ({"rate": 0.0}, "rate must be above 0, got 0.0. Try: rate=0.001"),
        ({"batch": 1}, "batch must be at least 2"),
        ({"box": [1.0]}, "left top right bottom"),
        ({"name": "a/b"}, "name is letters"),
        ({"patch": 6, "channels": 1}, "channels and n-bits are for whole pictures"),
        ({"patch": 6, "shift": 2.0}, "shift, channels and n-bits are for whole pictures"),
    ],
)
def test_options_that_do_not_fit(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        options(tmp_path, tmp_path / "out", **changes)


def test_from_the_command_line(command_line, points, tmp_path):
    done = command_line(
        "train", "realnvp", "--data", points, "--out", tmp_path / "out", "--name", "realnvp-mine",
        "--iterations", 3, "--batch", 16, "--validation", 8, "--width", 4, "--steps", 2,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "realnvp-mine.json").exists()
