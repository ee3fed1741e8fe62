"""Message passing and what it says of itself, where the right answer is known."""

import math

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.rademacher import Rademacher
from priorkit_operators.srht import SRHT
from priorkit_solvers.amp import AMP

import priorkit
from priorkit.errors import MismatchError
from priorkit.interfaces import Denoiser
from priorkit.io.pictures import astronaut, load
from priorkit.linear import column
from priorkit.results.views import summary
from priorkit.streams import Streams
from tests.helpers import a_problem, run

CONTRAST = 0.3


class Normal(Denoiser):
    """E[x | v] of pixels that are N(½, 0.3²), independent of each other."""

    def denoise(self, x, sigma):
        share = CONTRAST**2 / (CONTRAST**2 + torch.as_tensor(sigma) ** 2)
        return 0.5 + column(share, x) * (x - 0.5)


def measured(operator, shape, sigma, images=3):
    """Normal pixels, measured; and the exact posterior mean, ridge regression."""
    operator = operator.bind(shape)
    n = math.prod(shape)
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + CONTRAST * torch.randn(images, *shape, generator=generator, dtype=torch.float64)
    noise = Noise(sigma=sigma).bind(operator.entries)
    clean = operator.A(x)
    y = noise.sample(clean, Streams(0, "noise", range(images))).to(clean.dtype)
    unit = torch.eye(n, dtype=torch.float64).view(n, *shape)
    A = operator.A(unit).flatten(1).mT
    flat = (y - operator.A(torch.full_like(x, 0.5))).flatten(1)
    weight = sigma**2 / CONTRAST**2
    inverse = torch.linalg.solve(A.T @ A + weight * torch.eye(n).double(), A.T @ flat.T)
    return a_problem(operator, y, prior=Normal(), noise=noise), x, 0.5 + inverse.T


OPERATORS = {
    "gaussian": (Gaussian(m=300, seed=1), (1, 24, 32)),
    "rademacher": (Rademacher(m=300, seed=1), (1, 24, 32)),
    "srht": (SRHT(m=300, seed=1), (1, 32, 32)),
    "srht, filled up": (SRHT(m=300, seed=1), (1, 24, 32)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_it_finds_the_posterior_mean_of_normal_pixels(name):
    """Whose error it tells too: for them message passing is exact in large dimensions."""
    problem, x, exact = measured(*OPERATORS[name], sigma=0.05)
    start = torch.full((3, problem.size), 0.5, dtype=torch.float64)
    found = run(AMP(tolerance=1e-6), problem, start, 200)
    error, least = ((u - x.flatten(1)).square().mean(1) for u in (found.u, exact))
    assert found.status == ["converged"] * 3
    assert torch.allclose(error, least, rtol=0.15)
    assert torch.allclose(found.expected.mean(), error.mean(), rtol=0.15)


def test_without_a_known_noise_it_expects_nothing():
    problem, _, _ = measured(*OPERATORS["gaussian"], sigma=0.05)
    unknown = a_problem(problem.operator, problem.y, prior=Normal())
    found = run(AMP(), unknown, torch.full((3, problem.size), 0.5, dtype=torch.float64), 40)
    assert bool(found.expected.isnan().all())
    assert found.status == ["converged"] * 3


def test_an_operator_that_is_not_random_as_it_was_set_up():
    x = torch.rand(1, 3, 16, 16)
    settings = {"prior": "denoiser-photos", "solver": "amp"}
    for op in ("fourier", "blur"):
        with pytest.raises(MismatchError, match=r"requires the operator to be a RandomOperator"):
            priorkit.recover(x, **settings, op=op)

    class Sorted(SRHT):
        ensemble = None

    with pytest.raises(MismatchError, match=r"independent.*solver='diffpir'"):
        priorkit.recover(x, **settings, op=Sorted(m=20))


class Wild(Normal):
    """Trebles every picture that it is given."""

    def denoise(self, x, sigma):
        return 3 * x


def test_what_only_gets_worse_has_diverged_and_is_its_start():
    problem, _, _ = measured(*OPERATORS["gaussian"], sigma=0.05)
    wild = a_problem(problem.operator, problem.y, prior=Wild(), noise=problem.noise)
    start = torch.full((3, problem.size), 0.5, dtype=torch.float64)
    found = run(AMP(), wild, start, 20)
    assert found.status == ["diverged"] * 3
    assert "too few measurements" in found.reason[0]
    assert torch.equal(found.u, start)


def test_a_start_that_knows_the_operator_is_taken_for_its_brightness():
    """Of A⁺y the residual is 0, as if nothing were left to find."""
    problem, x, _ = measured(*OPERATORS["gaussian"], sigma=0.05)
    even = torch.full((3, problem.size), 0.5, dtype=torch.float64)
    other = x.flatten(1) + 0.5 - x.flatten(1).mean(1, keepdim=True)
    plain, told = (run(AMP(), problem, start, 40) for start in (even, other))
    assert torch.allclose(plain.u, told.u, atol=1e-9)


def test_it_never_expects_less_than_a_residual_can_tell():
    """Where the residual happens to be below the noise: √(2m) of σ² in n pixels."""
    problem, _, _ = measured(*OPERATORS["gaussian"], sigma=0.05)
    quiet = problem.at(
        0.0 * problem.y
        + problem.offset() * 0
        + 0.5 * problem.operator.A(torch.ones(1, 1, 24, 32, dtype=torch.float64))
    )
    found = run(AMP(), quiet, torch.full((3, problem.size), 0.5, dtype=torch.float64), 20)
    assert bool((found.expected >= 0.05**2 * math.sqrt(600) / 768 - 1e-12).all())


def test_a_face_comes_back_and_it_knows_how_well():
    x = load(astronaut(), (3, 64, 64)).x
    found = priorkit.recover(x, prior="diffusion-celeba", op="gaussian", m=2500, budget=6)
    assert found.record["config"]["solver"]["name"] == "amp"
    assert abs(float(found.expected_psnr - found.psnr)) < 1.5
    assert float(found.psnr) > 25
    assert "dB expected" in summary(found)
