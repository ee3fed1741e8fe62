"""Draws of p(x | y) by a denoiser: their mean and spread where both are known; what is refused."""

import math

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_noises.poisson import Poisson
from priorkit_noises.transmission import Transmission
from priorkit_operators.blur import Blur
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Identity, Mask
from priorkit_operators.srht import SRHT
from priorkit_solvers.ancestral import Ancestral
from priorkit_solvers.conditioned import conditioned

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Denoiser, Operator
from priorkit.linear import column, energy
from priorkit.loop import solve
from priorkit.streams import Streams
from tests.helpers import a_problem, run

CONTRAST, DULL = 0.3, 0.15
SHAPE = (1, 16, 16)
DRAWS = 64


class Normal(Denoiser):
    """E[x | v] of pixels that are N(½, 0.3²), independent of each other."""

    def denoise(self, x, sigma):
        share = CONTRAST**2 / (CONTRAST**2 + torch.as_tensor(sigma) ** 2)
        return 0.5 + column(share, x) * (x - 0.5)


def measured(operator, sigma, images=3, prior=None):
    """Normal pixels, measured; and the mean and the variances of p(x | y), by linear algebra."""
    operator = operator.bind(SHAPE)
    n = math.prod(SHAPE)
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + CONTRAST * torch.randn(images, *SHAPE, generator=generator, dtype=torch.float64)
    clean = operator.A(x)
    y = clean + sigma * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
    A = operator.A(torch.eye(n, dtype=torch.float64).view(n, *SHAPE)).flatten(1).mT
    s2 = sigma**2 / (2 if y.is_complex() else 1)  # of each real number of y
    precision = (A.mH @ A).real / s2 + torch.eye(n).double() / CONTRAST**2
    flat = (y - operator.A(torch.full_like(x, 0.5))).flatten(1)
    mean = 0.5 + torch.linalg.solve(precision, (A.mH @ flat.mT).real / s2).T
    noise = Noise(sigma=sigma).bind(y[0].numel())
    problem = a_problem(operator, y, prior=prior or Normal(), noise=noise)
    return problem, mean, torch.linalg.inv(precision).diagonal()


class Turning(Denoiser):
    """The Jacobian of a learned denoiser needn't be symmetric: this one turns pairs of pixels."""

    def __init__(self, kept):
        self.kept = kept

    def denoise(self, x, sigma):
        first, second = x.unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack([self.kept * first + second, self.kept * second - first], -1).flatten(-2)


def everyone(count):
    return torch.full((count, 256), 0.5, dtype=torch.float64)


@pytest.mark.parametrize("levels", [4, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sigma", [0.003, 0.2])
def test_of_noise_alone_the_draws_are_those_of_normal_pixels(sigma, levels):
    """However few levels: the variance of a step is exact for them."""
    problem, mean, variance = measured(Identity(), sigma)
    found = run(Ancestral(draws=DRAWS, levels=levels), problem, everyone(3), 10_000)
    assert found.status == ["converged"] * 3
    assert found.draws.count.tolist() == [DRAWS] * 3
    spread = found.draws.spread.square().mean(dtype=torch.float64)
    assert float(spread) == pytest.approx(float(variance.mean()), rel=0.05)
    gap = (found.draws.mean.flatten(1) - mean).square().mean()
    assert float(gap) == pytest.approx(float(variance.mean()) / DRAWS, rel=0.15)


@pytest.mark.parametrize(
    "operator", [Gaussian(m=128, seed=1), SRHT(m=128, seed=1)], ids=["gaussian", "srht"]
)
def test_of_random_measurements_they_hold_the_truth_as_often_as_they_say(operator):
    problem, mean, variance = measured(operator, 0.05, images=8)
    found = run(Ancestral(draws=DRAWS, levels=6), problem, everyone(8), 10_000)
    assert found.status == ["converged"] * 8
    spread = found.draws.spread.square().mean(dtype=torch.float64)
    assert float(spread) == pytest.approx(float(variance.mean()), rel=0.15)
    off = (found.draws.mean.flatten(1) - mean).square().mean().sqrt()
    assert float(off) < 0.4 * float(variance.mean().sqrt())


@pytest.mark.parametrize(
    ("operator", "sigma"),
    [
        (Mask(mask="random", fraction=0.5, seed=3), 0.02),
        pytest.param(*(Mask(mask="random", fraction=0.5, seed=3), 0.2), marks=pytest.mark.slow),
        (Blur(width=0.7), 0.2),
        (Fourier(acceleration=1), 0.5),
    ],
    ids=["holes", "holes with noise", "blur", "complex"],
)
def test_of_other_measurements_they_are_those_of_normal_pixels(operator, sigma):
    """Pixel by pixel: what was measured is surer than what wasn't."""
    problem, mean, variance = measured(operator, sigma, images=24)
    found = run(Ancestral(draws=16, levels=4), problem, everyone(24), 10_000)
    assert found.status == ["converged"] * 24
    spread = found.draws.spread.double().square().mean(0).flatten()
    assert torch.allclose(spread, variance, rtol=0.3)
    off = (found.draws.mean.flatten(1) - mean).square().mean().sqrt()
    assert float(off) < 0.35 * float(variance.mean().sqrt())  # ¼ by 16 draws


class Curved(Operator):
    """Half of the pixels, along a curve: 1 − exp(−3x) as of a film, or 3 + 2x."""

    def __init__(self, curve):
        self.curve = curve

    def A(self, x):
        return self.curve(x[..., ::2])


CURVES = {
    "affine": lambda x: 3 + 2 * x,
    "film": lambda x: 1 - torch.exp(-3 * x),
    "squares": lambda x: 2 * x.square(),
}


def moments(a, likely):
    """Mean and variance of pixels N(½, 0.15²) on a grid ``a``, by log p(y | a), (pixels, grid)."""
    chance = (likely - ((a - 0.5) / DULL) ** 2 / 2).softmax(1)
    mean = (chance * a).sum(1)
    return mean, (chance * a**2).sum(1) - mean**2


@pytest.mark.parametrize("curve", CURVES)
def test_of_curved_measurements_they_are_those_of_normal_pixels(curve):
    """Pixel by pixel, by sums over all x."""
    operator, sigma = Curved(CURVES[curve]).bind(SHAPE), 0.1
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + DULL * torch.randn(8, *SHAPE, generator=generator, dtype=torch.float64)
    y = operator.A(x)
    y = y + sigma * torch.randn(y.shape, generator=generator, dtype=torch.float64)
    problem = a_problem(operator, y, prior=Dull(), noise=Noise(sigma=sigma).bind(y[0].numel()))
    found = run(Ancestral(draws=16, levels=5), problem, everyone(8), 10_000)

    a = torch.linspace(-0.5, 1.5, 800, dtype=torch.float64)
    likely = -((CURVES[curve](a) - y.view(-1, 1)) ** 2) / (2 * sigma**2)
    told, open_ = moments(a, likely), moments(a, torch.zeros_like(likely))
    for (mean, variance), part in ((told, slice(0, None, 2)), (open_, slice(1, None, 2))):
        spread = found.draws.spread[..., part].double().square().mean()
        assert float(spread) == pytest.approx(float(variance.mean()), rel=0.15)
        off = (found.draws.mean[..., part].flatten() - mean).square().mean().sqrt()
        assert float(off) < 0.4 * float(variance.mean().sqrt())  # ¼ by 16 draws
    low, high = found.draws.interval(0.9)
    assert 0.86 < float(((low <= x) & (x <= high)).double().mean()) < 0.95


class Dull(Denoiser):
    """E[x | v] of pixels that are N(½, 0.15²): hardly one in a thousand is below 0."""

    def denoise(self, x, sigma):
        share = DULL**2 / (DULL**2 + torch.as_tensor(sigma) ** 2)
        return 0.5 + column(share, x) * (x - 0.5)


@pytest.mark.parametrize(
    "noise",
    [
        Poisson(gain=0.3),
        pytest.param(Poisson(gain=0.05), marks=pytest.mark.slow),
        Poisson(gain=0.002),
        Transmission(photons=60),
    ],
    ids=["two counts", "ten counts", "many counts", "transmission"],
)
def test_of_counts_they_are_those_of_normal_pixels(noise):
    """Pixel by pixel, by sums over all x: half of them are measured."""
    operator = Mask(mask="random", fraction=0.5, seed=3).bind(SHAPE)
    seen, bound = operator.mask > 0, noise.bind(operator.entries)
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + DULL * torch.randn(10, *SHAPE, generator=generator, dtype=torch.float64)
    x = x.clamp_min(0.0)
    counts = noise.sample(x, Streams(0, "noise", range(10)))
    y = torch.where(seen, counts, noise.expected(torch.zeros_like(x)))
    problem = a_problem(operator, y, prior=Dull(), noise=bound)
    found = run(Ancestral(draws=16, levels=8), problem, everyone(10), 10_000)

    a = torch.linspace(0.002, 1.4, 400, dtype=torch.float64)
    costs = [bound.misfit(v.expand(10 * 256, 1), y.view(-1, 1))[0] for v in a]
    likely = -torch.stack(costs, 1) / (2 * bound.energy / bound.entries)
    likely = torch.where(seen.expand_as(x).reshape(-1, 1), likely, 0.0)
    mean, variance = moments(a, likely)
    for part in (seen, ~seen):
        part = part.expand_as(x).reshape(-1)
        spread = found.draws.spread.double().square().flatten()[part].mean()
        assert float(spread) == pytest.approx(float(variance[part].mean()), rel=0.1)
        off = (found.draws.mean.flatten() - mean)[part].square().mean().sqrt()
        assert float(off) < 0.33 * float(variance[part].mean().sqrt())  # ¼ by 16 draws
    low, high = found.draws.interval(0.9)
    assert 0.87 < float(((low <= x) & (x <= high)).double().mean()) < 0.95


def test_draws_of_many_counts_are_as_near_to_the_truth_as_they_are():
    """Also of fine texture, which the prior takes for noise at higher levels."""
    told = {"prior": "denoiser-photos", "op": "identity", "shape": (3, 32, 32)}
    solver = {"name": "ancestral", "draws": 2}
    found = priorkit.recover(noise={"name": "poisson", "gain": 1e-4}, solver=solver, **told)
    counted = -10 * float((found.y - found.truth).square().mean().log10())
    assert float(found.psnr) > counted - 6  # of which the spread of a mean of two is 2


@pytest.mark.parametrize("kept", [0.0, 0.01, 1.0])
def test_what_y_adds_is_no_larger_than_what_it_says_where_a_jacobian_is_not_symmetric(kept):
    problem, *_ = measured(Blur(width=0.3), 0.02, prior=Turning(kept))
    noise = 0.5 * torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(1)).double()
    sigma = torch.full((3,), 0.5, dtype=torch.float64)
    v = problem.y + noise
    clean = problem.denoise(v, sigma)
    x = conditioned(problem, v, clean, clean, sigma, s=0.02, number=0)
    assert bool((energy(x - clean) < 1.5 * energy(problem.y - clean)).all())


def test_what_y_adds_is_all_of_it_where_pixels_are_alike():
    """Of exact numbers too, of which each says much."""
    problem, *_ = measured(Blur(width=0.5), 0.01, prior=Dull())
    sigma = torch.full((3,), 0.5, dtype=torch.float64)
    v = problem.y + 0.5 * torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(1))
    clean = problem.denoise(v, sigma)
    found = conditioned(problem, v, clean, clean, sigma, s=0.01, number=0)
    A = problem.operator.A(torch.eye(256, dtype=torch.float64).view(256, *SHAPE)).flatten(1).mT
    spread = 1 / (1 / DULL**2 + 1 / 0.5**2)
    noise = problem.streams("ancestral y", 0).normal(256, v.device).double()
    r = problem.y.flatten(1) + 0.01 * noise - clean.flatten(1) @ A.mT
    change = spread * torch.linalg.solve(spread * A @ A.mT + 1e-4 * torch.eye(256), r.mT).mT @ A
    off = (found - clean).flatten(1) - change
    assert bool((energy(off) < 0.01**2 * energy(change)).all())


def test_the_error_that_it_expects_is_that_of_a_mean_of_draws():
    told = {"prior": "diffusion-celeba", "op": "gaussian", "m": 500, "precision": "float32"}
    mean = priorkit.recover(solver="amp", **told)
    found = priorkit.recover(solver={"name": "ancestral", "draws": 2, "levels": 4}, **told)
    assert found.draws.count.tolist() == [2]
    assert float(found.expected_error) == pytest.approx(1.5 * float(mean.expected_error))
    assert found.evaluations[0] == 2 * mean.evaluations[0] + 16
    low, high = found.draws.interval(0.9)
    assert 0.5 < float(((low <= found.truth) & (found.truth <= high)).double().mean()) < 1.0


@pytest.mark.parametrize(
    "operator", [Identity(), Gaussian(m=100), Blur(width=0.7)], ids=["noise", "random", "blur"]
)
def test_what_it_says_is_enough_is_enough_for_all_draws(operator):
    problem, *_ = measured(operator, 0.2)
    solver = Ancestral(draws=3, levels=4)
    found = run(solver, problem, everyone(3), solver.least(problem))
    assert found.draws.count.tolist() == [3] * 3


def test_complex_measurements():
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    told = {"op": "fourier", "sigma": 0.1, "solver": {"name": "ancestral", "draws": 2}}
    found = priorkit.recover(x, prior=Normal(), **told)
    assert found.draws.count.tolist() == [2]
    assert float(found.misfit) < 2 * found.record["images"][0]["noise"]


@pytest.mark.parametrize("op", ["identity", "blur"])
def test_that_noise_must_be_known_is_said(op):
    y = torch.rand(1, 1, 16, 16)
    told = {"prior": "denoiser-photos", "op": op, "solver": "ancestral"}
    with pytest.raises(BadInputError, match=r"how much noise is in it\. Got no sigma\."):
        priorkit.recover(y=y, **told)
    if op == "identity":
        with pytest.raises(BadInputError, match=r"how much noise is in it\. Got sigma=0\."):
            priorkit.recover(y, sigma=0, **told)


def test_cut_before_the_first_draw_it_answers_with_the_mean_of_all():
    problem, mean, _ = measured(Identity(), 0.2)
    ledger, _ = solve(Ancestral(draws=2), problem, everyone(3), 5)
    assert ledger.draws is None
    assert torch.allclose(ledger.u, mean)


def test_cut_before_the_first_draw_of_other_measurements_it_answers_with_what_fits_them():
    problem, _, _ = measured(Mask(mask="random", fraction=0.5, seed=3), 0.02)
    ledger, _ = solve(Ancestral(draws=2), problem, everyone(3), 24)
    assert ledger.draws is None
    assert ledger.evaluations.tolist() == [24] * 3
    assert bool((ledger.misfit < 10 * problem.noise.energy).all())


class Wild(Normal):
    """Trebles every picture that it is given."""

    def denoise(self, x, sigma):
        return 3 * x


def test_where_message_passing_finds_nothing_nothing_is_drawn():
    problem, _, _ = measured(Gaussian(m=128, seed=1), 0.05)
    wild = a_problem(problem.operator, problem.y, prior=Wild(), noise=problem.noise)
    found = run(Ancestral(draws=2), wild, everyone(3), 80)
    assert found.status == ["diverged"] * 3
    assert "nearer than the start" in found.reason[0]
    assert found.draws is None


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_of_curved_measurements_they_are_the_same_in_any_unit(unit):
    x = 0.5 + DULL * torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0)).double()
    found = []
    for scale in (1.0, unit):
        operator = Curved(lambda x, scale=scale: scale * (1 - torch.exp(-3 * x))).bind(SHAPE)
        y = operator.A(x)
        noise = Noise(sigma=1e-6 * scale).bind(y[0].numel())
        problem = a_problem(operator, y, prior=Dull(), noise=noise)
        found.append(run(Ancestral(draws=2, levels=4), problem, everyone(2), 10_000).u)
    assert torch.allclose(*found, atol=1e-5)
