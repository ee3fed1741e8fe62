"""A, y and x are in units of somebody's own: a solver finds the same in all of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from priorkit_operators.blur import Blur
from priorkit_operators.matrix import Matrix
from priorkit_operators.pointwise import Mask
from priorkit_penalties.norms import L1
from priorkit_solvers.adam import Adam
from priorkit_solvers.coordinate_descent import CoordinateDescent
from priorkit_solvers.fista import FISTA
from priorkit_solvers.history import History
from priorkit_solvers.lbfgs import LBFGS
from priorkit_solvers.pnp_admm import PnPADMM, passed
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import Lasso

from priorkit import recover
from priorkit.interfaces import Denoiser
from priorkit.io.pictures import astronaut, load
from priorkit.linear import least_squares
from tests.helpers import a_problem, run

powers = st.integers(-6, 6).map(lambda k: 10.0**k)
RNG = np.random.default_rng(0)
M = RNG.standard_normal((40, 24)) / 40**0.5
X = RNG.uniform(size=(2, 24))


def measured(a, k, **more):
    """The problem of (a·M)(k·x), without noise."""
    matrix = torch.tensor(a * M, dtype=torch.float32)
    y = torch.tensor(a * k * X @ M.T, dtype=torch.float32)
    return a_problem(Matrix(matrix=matrix).bind((24,)), y, **more)


def error(u, k, expected=X):
    """Of k·expected, relative to its norm, the largest of the batch."""
    gap = np.linalg.norm(u.double().numpy() / k - expected, axis=1)
    return (gap / np.linalg.norm(expected, axis=1)).max()


@given(a=powers, k=st.integers(-8, 8).map(lambda k: 10.0**k))
@settings(max_examples=6)
def test_lbfgs_finds_x_in_any_units(a, k):
    found = run(LBFGS(), measured(a, k), torch.zeros(2, 24), 200)
    assert error(found.u, k) < 3e-3
    assert found.status == ["converged"] * 2


@given(a=powers)
@settings(max_examples=3)
def test_adam_goes_the_same_way_in_any_units_of_y(a):
    """Its rate is in units of u, so that x keeps those."""
    found, plain = (run(Adam(), measured(c, 1.0), torch.zeros(2, 24), 100) for c in (a, 1.0))
    assert torch.allclose(found.u, plain.u, atol=1e-3)


@given(a=powers, k=powers, solver=st.sampled_from([FISTA(), CoordinateDescent()]))
@settings(max_examples=12)
def test_the_lasso_is_the_same_in_any_units(a, k, solver):
    """‖aAkx − y‖² + a²kγ‖kx‖₁ is a²k² times the plain one, whose minimum scikit-learn finds."""
    model = Lasso(alpha=0.1 / 80, fit_intercept=False, tol=1e-10, max_iter=10000)
    expected = np.stack([model.fit(M, y).coef_ for y in X @ M.T])
    problem = measured(a, k, penalty=L1(), gamma=0.1 * a * a * k)
    found = run(solver, problem, torch.zeros(2, 24), 3000)
    assert error(found.u, k, expected) < 0.03
    assert found.status == ["converged"] * 2


class Smoothing(Denoiser):
    """A Gaussian filter of one pixel, whatever the noise is said to be."""

    def denoise(self, x, sigma):
        wide = [0, 0, *[1] * (x.ndim - 2)]
        return torch.from_numpy(gaussian_filter(x.numpy(), wide, mode="nearest"))


@given(a=powers)
@settings(max_examples=3)
def test_plug_and_play_is_the_same_in_any_units_of_y(a):
    problems = [measured(c, 1.0, prior=Smoothing()) for c in (a, 1.0)]
    found, plain = (run(PnPADMM(), problem, torch.zeros(2, 24), 10) for problem in problems)
    assert torch.allclose(found.u, plain.u, atol=1e-3)


def test_the_gain_of_an_operator_is_the_root_of_its_mean_eigenvalue():
    matrix = RNG.standard_normal((300, 400))
    operator = Matrix(matrix=torch.tensor(matrix)).bind((400,))
    exact = np.trace(matrix.T @ matrix) / 400
    assert operator.gain**2 == pytest.approx(exact, rel=0.2)


def test_a_quotient_of_gradients_mends_a_curvature_that_power_iteration_missed():
    """The largest eigenvector is orthogonal to the vector that power iteration begins with."""
    first = torch.randn(1, 16, generator=torch.Generator().manual_seed(0)).numpy()[0]
    top = RNG.standard_normal(16)
    top -= (top @ first) / (first @ first) * first
    top /= np.linalg.norm(top)
    A = np.eye(16) + 9 * np.outer(top, top)
    y = A @ (3 * top + 0.1)
    problem = a_problem(
        Matrix(matrix=torch.tensor(A)).bind((16,)),
        torch.tensor(y[None]),
        penalty=L1(),
        gamma=0.1,
    )
    found = run(FISTA(tolerance=1e-8), problem, torch.zeros(1, 16, dtype=torch.float64), 2000)
    model = Lasso(alpha=0.1 / 32, fit_intercept=False, tol=1e-12, max_iter=100000).fit(A, y)
    assert found.status == ["converged"]
    assert np.allclose(found.u[0].numpy(), model.coef_, atol=1e-3)


def test_a_start_that_fits_moves_towards_the_centre():
    """argmin ‖Av − y‖² + ρ‖v − x‖² by the normal equations, from a v with Av = y."""
    A = torch.tensor(RNG.standard_normal((3, 6)))
    v, centre = torch.tensor(RNG.standard_normal((2, 1, 6)))
    y = v @ A.T
    found = least_squares(lambda x: x @ A.T, lambda r: r @ A, y, v, rho=0.5, centre=centre)
    left = A.T @ A + 0.5 * torch.eye(6, dtype=torch.float64)
    expected = torch.linalg.solve(left, (y @ A + 0.5 * centre).T).T
    assert torch.allclose(found, expected, atol=1e-8)


def test_a_blur_passes_an_even_image_whole():
    """Its gain over all waves is small; half of the pixels are half of the energy."""
    blur = Blur(width=1.5).bind((1, 32, 32))
    assert passed(blur, blur.gain) == pytest.approx(1, rel=1e-5)
    assert blur.gain < 0.3
    left = Mask(mask="left").bind((1, 32, 32))
    assert passed(left, left.gain) == pytest.approx(0.5, rel=0.1)


def test_plug_and_play_is_no_worse_than_no_prior_of_a_blur():
    """With a ρ that is small beside what A passes, it would fit the noise."""
    x = load(astronaut(), (1, 48, 48)).x
    found = recover(x, op="blur", prior=Smoothing(), budget=20)
    assert float(found.psnr) > float(recover(x, op="blur", prior="none").psnr) - 3


def test_plug_and_play_fills_a_hole_without_noise():
    """The start fits y exactly there: what it puts into the hole must still be improved."""
    x = load(astronaut(), (1, 32, 32)).x
    settings = {"op": "mask", "mask": "random", "fraction": 0.5, "prior": Smoothing()}
    found = recover(x, start="filled", budget=20, **settings)
    start = recover(x, start="filled", budget=1, **settings)
    assert float(found.psnr) > float(start.psnr) + 3
    seen = found.operator.mask > 0
    assert float((found.x[0][seen] - x[0][seen]).abs().mean()) < 0.03


def test_a_history_of_gradients_beyond_float32_gives_the_same_direction():
    g = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    s = torch.full((1, 8), 0.5)
    directions = []
    for unit in (1.0, 2.0**70, 2.0**-70):
        history = History(3, unit * g)
        history.move(s, unit * (g + 2 * s), torch.tensor([True]))
        directions.append(history.directions(torch.tensor([True])))
    assert torch.equal(directions[0], directions[1])
    assert torch.equal(directions[0], directions[2])
