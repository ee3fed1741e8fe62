"""Draws beside posteriors that are known, and truths that are draws of the prior."""

import pytest
import torch
from priorkit_glow.network import Glow, GlowConfig
from priorkit_glow.prior import GlowPrior
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_solvers.curvature import Curvature
from priorkit_solvers.langevin import Langevin
from priorkit_solvers.perturb import Perturb

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Draws
from priorkit.streams import Streams
from priorkit.testing.samples import SampleBasis
from tests.helpers import SHAPE, a_problem, run


def problem(prior, images, operator, sigma):
    """Truths that are draws of the prior, and what is measured of them."""
    z = torch.randn(images, prior.latent_size, generator=torch.Generator().manual_seed(1)).double()
    truth = prior.decode(z).detach()
    operator = operator.bind(tuple(truth.shape[1:]))
    noise = Noise(sigma=sigma)
    y = noise.bind(operator.entries).sample(operator.A(truth), Streams(0, "noise", range(images)))
    return a_problem(operator, y, prior=prior, space="latent", noise=noise), truth


def sensing(m):
    return Gaussian(m=m, seed=3)


def covered(draws, truth, level=0.9):
    low, high = draws.interval(level)
    return float(((low <= truth) & (truth <= high)).double().mean())


@pytest.mark.parametrize("level", [90, 1.0, 0.0, -1, float("nan"), "a"])
def test_the_level_of_an_interval_is_a_share(level):
    two = torch.full((1,), 2)
    draws = Draws(two, torch.zeros(1, 3), torch.ones(1, 3), torch.zeros(2, 1, 3))
    with pytest.raises(BadInputError, match="a share, above 0 and below 1"):
        draws.interval(level)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("solver", "budget", "within"),
    [
        (Perturb(draws=32, temperature=1.0), 32 * 20, 0.25),
        (Langevin(temperature=1.0), 400, 0.25),
        slow(Perturb(draws=64, temperature=1.0), 64 * 40, 0.2),
        slow(Langevin(temperature=1.0), 4000, 0.2),
    ],
)
def test_the_posterior_of_a_linear_prior(solver, budget, within):
    """Mean and standard deviation are those of the formula; as many truths lie within nine of ten
    draws as of the formula's."""
    prior, sigma = SampleBasis(), 0.1
    case, truth = problem(prior, 12, sensing(10), sigma)
    found = run(solver, case, torch.zeros(12, 16).double(), budget).draws
    M = case.matrix() / sigma
    covariance = torch.linalg.inv(M.T @ M + torch.eye(16).double())
    mean = prior.decode((case.y - case.offset()) / sigma @ M @ covariance)
    spread = (prior.Q @ covariance @ prior.Q.T).diagonal().sqrt().view(1, 4, 4)
    assert float(((found.mean - mean) / spread).square().mean().sqrt()) < within
    assert float((found.spread / spread - 1).square().mean().sqrt()) < within
    exact = ((mean - truth).abs() < 1.6449 * spread).double().mean()
    assert abs(covered(found, truth) - float(exact)) < 0.05


@pytest.mark.parametrize(
    ("solver", "budget"),
    [(Perturb(draws=32, temperature=1.0), 32 * 10), (Langevin(temperature=1.0), 500)],
)
def test_complex_noise_has_half_of_its_variance_in_either_part(solver, budget):
    """Of all Fourier coefficients p(z | y) is known: AᴴA = 1, and either part has σ²/2."""
    prior, sigma = SampleBasis(), 0.5
    case, _ = problem(prior, 12, Fourier(acceleration=1), sigma)
    found = run(solver, case, torch.zeros(12, 16).double(), budget).draws
    spread = (1 + 2 / sigma**2) ** -0.5
    seen = prior.encode(case.operator.A_adjoint(case.y))
    mean = prior.decode(spread**2 * 2 / sigma**2 * seen)
    assert float((found.mean - mean).square().mean().sqrt()) < 0.25 * spread
    assert float(found.spread.mean()) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(
    ("solver", "budget"),
    [
        (Perturb(draws=16, temperature=1.0), 16 * 20),
        slow(Langevin(temperature=1.0), 2000),
    ],
)
def test_nine_of_ten_truths_of_a_glow_lie_within(solver, budget):
    """Its decoder bends: by 1.5% of what it spreads."""
    torch.manual_seed(0)
    network = Glow(GlowConfig(SHAPE, (2, 2), (16, 16), scale_offset=(0.5, 0.5)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    case, truth = problem(GlowPrior.from_network(network), 6, sensing(60), sigma=0.08)
    found = run(solver, case, torch.zeros(6, 192).double(), budget).draws
    assert 0.85 < covered(found, truth) < 0.95


def test_curvature_is_that_of_the_matrix():
    case, _ = problem(SampleBasis(), 2, sensing(10), sigma=0.1)
    u = torch.zeros(2, 16).double()
    curvature = Curvature(case, u, case.smooth(u).grad, 100)
    while not curvature.complete:
        curvature.extend(case)
    curvature.close(0.5)
    M = case.matrix() / 0.1
    exact = torch.linalg.inv(M.T @ M + torch.eye(16).double() / 0.25)
    g = torch.randn(2, 16).double()
    assert torch.allclose(curvature.times(g), g @ exact, atol=1e-6)
    assert torch.allclose(curvature.spread(curvature.spread(g)), g @ exact, atol=1e-6)


@pytest.mark.parametrize("name", ["perturb", "langevin"])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"prior": "dcgan-celeba", "sigma": 0.0},
            "given how much noise there is. Got space=latent",
        ),
        ({"prior": "dcgan-celeba", "gamma": 0.1, "penalty": "l2"}, "weighs no penalty"),
        ({"prior": "dct"}, "Sampler"),
    ],
)
def test_what_has_no_posterior_is_refused(name, settings, said):
    with pytest.raises(priorkit.PriorkitError) as caught:
        priorkit.recover(op="gaussian", m=50, solver=name, **settings)
    assert said in str(caught.value)


def test_pictures_of_draws_are_saved(tmp_path):
    found = priorkit.recover(
        prior="dcgan-celeba", op="gaussian", m=100, solver="perturb", draws=4, budget=24
    )
    assert found.draws.count.tolist() == [4]
    assert found.reason == ["4 draws"]
    assert len(found.rows) == 1  # of several tries, as a DCGAN has, one alone would keep its draws
    low, high = found.draws.interval()
    inside = float(((low <= found.truth) & (found.truth <= high)).double().mean())
    assert found.record["images"][0]["within_90"] == pytest.approx(inside)
    page = (found.save(tmp_path / "run") / "report.html").read_text()
    assert "spread, 5 times as bright" in page
    assert f"<td>{inside:.0%}</td>" in page
