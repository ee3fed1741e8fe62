"""Draws where y says of x what x with noise does: their mean, their spread, what is refused."""

import math

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Identity
from priorkit_operators.srht import SRHT
from priorkit_solvers.ancestral import END, PASSES, Ancestral

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Denoiser
from priorkit.linear import column
from priorkit.loop import solve
from tests.helpers import a_problem, run

CONTRAST = 0.3
SHAPE = (1, 16, 16)
DRAWS = 64


class Normal(Denoiser):
    """E[x | v] of pixels that are N(½, 0.3²), independent of each other."""

    def denoise(self, x, sigma):
        share = CONTRAST**2 / (CONTRAST**2 + torch.as_tensor(sigma) ** 2)
        return 0.5 + column(share, x) * (x - 0.5)


def measured(operator, sigma, images=3):
    """Normal pixels, measured; and the mean and the variances of p(x | y), by linear algebra."""
    operator = operator.bind(SHAPE)
    n = math.prod(SHAPE)
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + CONTRAST * torch.randn(images, *SHAPE, generator=generator, dtype=torch.float64)
    clean = operator.A(x)
    y = clean + sigma * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
    A = operator.A(torch.eye(n, dtype=torch.float64).view(n, *SHAPE)).flatten(1).mT
    precision = A.T @ A / sigma**2 + torch.eye(n).double() / CONTRAST**2
    flat = (y - operator.A(torch.full_like(x, 0.5))).flatten(1)
    mean = 0.5 + torch.linalg.solve(precision, A.T @ flat.T / sigma**2).T
    problem = a_problem(operator, y, prior=Normal(), noise=Noise(sigma=sigma).bind(y[0].numel()))
    return problem, mean, torch.linalg.inv(precision).diagonal()


@pytest.mark.parametrize("levels", [4, 30])
@pytest.mark.parametrize("sigma", [0.003, 0.2])
def test_of_noise_alone_the_draws_are_those_of_normal_pixels(sigma, levels):
    """However few levels: the variance of a step is exact for them."""
    problem, mean, variance = measured(Identity(), sigma)
    budget = 2 * PASSES + levels * (DRAWS + 1)
    found = run(Ancestral(draws=DRAWS), problem, torch.full((3, 256), 0.5).double(), budget)
    assert found.status == ["converged"] * 3
    assert found.draws.count.tolist() == [DRAWS] * 3
    expected = float(variance.mean())
    # The last level is a mean: less is unsure by the variance that is left there.
    end = min(END, sigma / 2)
    left = 1 / (1 / end**2 + 1 / CONTRAST**2)
    spread = found.draws.spread.square().mean(dtype=torch.float64)
    assert float(spread) == pytest.approx(expected - left, rel=0.05)
    gap = (found.draws.mean.flatten(1) - mean).square().mean()
    assert float(gap) == pytest.approx((expected - left) / DRAWS, rel=0.15)


@pytest.mark.parametrize("operator", [Gaussian(m=128, seed=1), SRHT(m=128, seed=1)], ids=str)
def test_of_random_measurements_they_hold_the_truth_as_often_as_they_say(operator):
    problem, mean, variance = measured(operator, 0.05, images=8)
    levels = 6
    budget = 2 * PASSES + levels * (DRAWS + 1)
    found = run(Ancestral(draws=DRAWS), problem, torch.full((8, 256), 0.5).double(), budget)
    assert found.status == ["converged"] * 8
    spread = found.draws.spread.square().mean(dtype=torch.float64)
    assert float(spread) == pytest.approx(float(variance.mean()), rel=0.15)
    off = (found.draws.mean.flatten(1) - mean).square().mean().sqrt()
    assert float(off) < 0.4 * float(variance.mean().sqrt())


def test_the_error_that_it_expects_is_that_of_a_mean_of_draws():
    told = {"prior": "diffusion-celeba", "op": "gaussian", "m": 500, "precision": "float32"}
    mean = priorkit.recover(solver="amp", **told)
    found = priorkit.recover(solver="ancestral", draws=2, budget=52, **told)
    assert found.draws.count.tolist() == [2]
    assert float(found.expected_error) == pytest.approx(1.5 * float(mean.expected_error))
    assert found.evaluations[0] == 2 * mean.evaluations[0] + 12
    low, high = found.draws.interval(0.9)
    assert 0.5 < float(((low <= found.truth) & (found.truth <= high)).double().mean()) < 1.0


def test_what_says_more_of_an_image_than_noise_does_is_refused():
    with pytest.raises(MismatchError, match=r"random and independent .*Got Mask.*'diffpir'"):
        priorkit.recover(prior="denoiser-photos", op="mask", solver="ancestral", sigma=0.1)
    with pytest.raises(BadInputError, match=r"how much noise there is.*Got sigma=0"):
        priorkit.recover(prior="denoiser-photos", op="identity", solver="ancestral", sigma=0)


def test_cut_before_the_first_draw_it_answers_with_the_mean_of_all():
    problem, mean, _ = measured(Identity(), 0.2)
    start = torch.full((3, 256), 0.5).double()
    ledger, _ = solve(Ancestral(draws=2), problem, start, 5)
    assert ledger.draws is None
    assert torch.allclose(ledger.u, mean)


class Wild(Normal):
    """Trebles every picture that it is given."""

    def denoise(self, x, sigma):
        return 3 * x


def test_where_message_passing_finds_nothing_nothing_is_drawn():
    problem, _, _ = measured(Gaussian(m=128, seed=1), 0.05)
    wild = a_problem(problem.operator, problem.y, prior=Wild(), noise=problem.noise)
    found = run(Ancestral(draws=2), wild, torch.full((3, 256), 0.5).double(), 80)
    assert found.status == ["diverged"] * 3
    assert "nearer than the start" in found.reason[0]
    assert found.draws is None
