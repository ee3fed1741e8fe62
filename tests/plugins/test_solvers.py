"""Solvers beyond their contract: independence, divergence, and SciPy as a yardstick."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from priorkit_glow.prior import GlowPrior
from priorkit_noises.laplace import Laplace
from priorkit_noises.poisson import Poisson
from priorkit_noises.transmission import Transmission
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.matrix import Matrix
from priorkit_solvers.adam import Adam
from priorkit_solvers.history import History
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.errors import MismatchError
from priorkit.interfaces import Decoder
from priorkit.linear import dots, energy
from tests.helpers import a_problem, minimise, random_glow, run


def rosenbrock(u):
    """Residuals of the chained Rosenbrock function; its minimum 0 is at 1."""
    return torch.cat([10 * (u[:, 1:] - u[:, :-1] ** 2), 1 - u[:, :-1]], 1)


def test_rosenbrock_in_about_as_many_evaluations_as_scipy():
    torch.manual_seed(0)
    u0 = 1 + 0.4 * torch.randn(5, 20, dtype=torch.float64)  # in the valley of the minimum
    ours = minimise(LBFGS(history=10, tolerance=1e-5), rosenbrock, u0, budget=1000)
    assert float(ours.value.max()) < 1e-5
    counts = []
    for row in u0.numpy():
        found = scipy.optimize.minimize(
            scipy.optimize.rosen, row, jac=scipy.optimize.rosen_der, method="L-BFGS-B"
        )
        counts.append(found.nfev)
    assert np.mean(ours.evaluations) < 1.5 * np.mean(counts) + 50


@given(pairs=st.integers(1, 12), memory=st.integers(1, 8), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_history_is_the_two_loop_recursion(pairs, memory, seed):
    """The compact form gives what the recursion of the textbooks gives, wrapped ring or not."""
    generator = torch.Generator().manual_seed(seed)
    n, g = 15, torch.randn(1, 15, generator=generator, dtype=torch.float64)
    history = History(memory, g)
    scale = torch.rand(n, generator=generator, dtype=torch.float64) + 0.5
    kept = []
    for _ in range(pairs):
        s = torch.randn(1, n, generator=generator, dtype=torch.float64)
        g = g + scale * s
        history.move(s, g, torch.tensor([True]))
        kept.append((s[0], scale * s[0]))
    kept = kept[-memory:]
    q, alphas = g[0].clone(), []
    for s, y in reversed(kept):
        alpha = (s @ q) / (s @ y)
        q -= alpha * y
        alphas.append(alpha)
    s, y = kept[-1]
    q *= (s @ y) / (y @ y)
    for (s, y), alpha in zip(kept, reversed(alphas), strict=True):
        q += (alpha - (y @ q) / (s @ y)) * s
    torch.testing.assert_close(
        history.directions(torch.tensor([True]))[0], q, rtol=1e-8, atol=1e-10
    )


def test_batch_of_twelve_is_twelve_runs_of_one():
    """Image by image the same to 1e-6 after 30 evaluations, for a tiny Glow in float64; four of
    them are looked at."""
    prior = GlowPrior.from_network(random_glow(offset=0.1, shape=(3, 16, 16)))
    x = torch.rand(12, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    common = {"prior": prior, "op": "gaussian", "m": 100, "budget": 30, "precision": "float64"}
    common["noise_norm"] = 0.1
    together = priorkit.recover(x, **common)
    for i in range(0, 12, 3):
        alone = priorkit.recover(y=together.y[i], **common)
        assert float((alone.x.clamp(0, 1) - together.x[i : i + 1]).abs().max()) < 1e-6
        assert alone.evaluations[0] == together.evaluations[i]


def cliff(u):
    """½‖u‖² as a misfit, but NaN wherever u₀ < −1: reached by a first step that is too long."""
    return torch.where(u[:, :1] < -1, torch.nan, u / 2**0.5)


@pytest.mark.parametrize("solver", [LBFGS(), Adam(rate=0.05)])
def test_one_image_that_diverges_costs_no_other(solver):
    u0 = torch.full((3, 4), 2.0, dtype=torch.float64)
    y = torch.zeros_like(u0)
    y[1] = torch.nan
    solution = minimise(solver, cliff, u0, budget=300, y=y)
    assert solution.status[1] == "diverged"
    assert torch.isfinite(solution.u).all()
    assert float(solution.value[[0, 2]].max()) < 1e-3


def test_a_non_finite_trial_costs_one_evaluation():
    """The line search backs off from NaN and goes on."""

    def steep(u):
        return cliff(u) * torch.tensor([30.0**0.5, 1, 1, 1], dtype=torch.float64)

    u0 = torch.full((1, 4), 1.0, dtype=torch.float64)
    solution = minimise(LBFGS(), steep, u0, budget=100)
    assert solution.status == ["converged"]
    assert float(solution.value[0]) < 1e-8


def test_a_start_at_the_minimum_is_converged():
    solution = minimise(LBFGS(), cliff, torch.zeros(2, 3, dtype=torch.float64), budget=50)
    assert solution.status == ["converged", "converged"]
    assert solution.evaluations == [1, 1]
    assert solution.reason == ["the gradient is zero"] * 2


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_row_that_is_alone_is_added_up_as_among_others(two_threads):
    """Of so many numbers two threads would share the sum."""
    a, b = torch.randn(2, 3, 100_000, generator=torch.Generator().manual_seed(0))
    together, whole = dots(a, b), energy(a)
    for i in range(3):
        assert torch.equal(dots(a[i : i + 1], b[i : i + 1]), together[i : i + 1])
        assert torch.equal(energy(a[i : i + 1]), whole[i : i + 1])


@pytest.mark.parametrize("noise", [Laplace(sigma=0.1), Poisson(), Transmission()])
def test_so_is_a_misfit(two_threads, noise):
    Ax, y = torch.rand(2, 3, 100_000, generator=torch.Generator().manual_seed(0))
    together = noise.misfit(Ax, y)[0]
    for i in range(3):
        assert torch.equal(noise.misfit(Ax[i : i + 1], y[i : i + 1])[0], together[i : i + 1])


def sensing(images):
    """Compressed sensing with a small Glow, m = 60, noiseless, in latent space."""
    prior = GlowPrior.from_network(random_glow(offset=0.1, shape=(3, 16, 16)))
    operator = Gaussian(m=60).bind((3, 16, 16))
    truth = prior.sample(images, temperature=0.7, generator=torch.Generator().manual_seed(1))
    return a_problem(operator, operator.A(truth), prior=prior, space="latent")


@pytest.mark.parametrize("solver", [LBFGS(), Adam()])
def test_mixed_precision_rounds_the_gradient_alone(solver):
    """What is reported is of the exact objective, and every solver gets somewhere."""
    exact = sensing(3)
    problem = replace(exact, prior=exact.prior.mixed("latent"))
    u0 = torch.zeros(3, problem.size)
    rough, fine = problem.value_grad(u0), exact.value_grad(u0)
    assert torch.equal(rough.value, fine.value)
    assert not torch.equal(rough.grad, fine.grad)
    solution = run(solver, problem, u0, 16)
    assert torch.equal(solution.value, exact.value_grad(solution.u).value)
    assert float((solution.value / fine.value).max()) < 0.5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prior": "dct"}, "decodes in mixed precision"),
        ({"prior": "glow-celeba", "space": "pixel"}, "in pixel space"),
    ],
)
def test_mixed_precision_where_it_would_change_nothing(settings, said):
    with pytest.raises(MismatchError, match=said):
        priorkit.recover(torch.rand(3, 64, 64), op="gaussian", m=9, precision="mixed", **settings)


class Plane(Decoder):
    """Two numbers are their own latents."""

    shape = (2,)
    latent_size = 2
    scale = None

    def decode(self, z):
        return 1.0 * z


def test_a_scale_decides_which_solution_is_near():
    """Two unknowns, one equation: the answer leans towards the one with the larger scale."""
    operator = Matrix(matrix=np.array([[1.0, 1.0]])).bind((2,))
    y = torch.tensor([[2.0]], dtype=torch.float64)
    for scale, expected in ((None, [1.0, 1.0]), (torch.tensor([1.0, 3.0]), [0.2, 1.8])):
        prior = Plane()
        prior.scale = scale
        problem = a_problem(operator, y, prior=prior, space="latent")
        solution = run(LBFGS(), problem, torch.zeros(1, 2, dtype=torch.float64), 50)
        assert solution.u[0].tolist() == pytest.approx(expected, rel=1e-3)


def test_a_scale_is_brought_to_the_device_once():
    prior = Plane()
    prior.scale = torch.tensor([1.0, 3.0])
    operator = Matrix(matrix=np.array([[1.0, 1.0]])).bind((2,))
    y = torch.zeros(3, 1, dtype=torch.float64)
    problem = a_problem(operator, y, prior=prior, space="latent")
    assert problem.scale.dtype == torch.float64
    assert problem.rows(torch.tensor([2, 0])).scale is problem.scale
