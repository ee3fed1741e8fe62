"""Solvers beyond their contract: independence, divergence, and SciPy as a yardstick."""

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from priorkit_glow.prior import GlowPrior
from priorkit_solvers.adam import Adam
from priorkit_solvers.history import History
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.interfaces import Evaluation

from .test_contracts import random_glow


class Rosenbrock:
    """The chained Rosenbrock function, one per row; its minimum 0 is at 1."""

    noise_energy = 0.0

    def value_grad(self, u, index=None):
        with torch.enable_grad():
            v = u.detach().requires_grad_(True)
            value = (100 * (v[:, 1:] - v[:, :-1] ** 2) ** 2 + (1 - v[:, :-1]) ** 2).sum(1)
            (grad,) = torch.autograd.grad(value.sum(), v)
        return Evaluation(value.detach(), grad, value.detach())


def test_rosenbrock_in_about_as_many_evaluations_as_scipy():
    torch.manual_seed(0)
    u0 = 1 + 0.4 * torch.randn(5, 20, dtype=torch.float64)  # in the valley of the minimum
    ours = LBFGS(history=10, tolerance=1e-5).solve(Rosenbrock(), u0, budget=1000)
    assert float(ours.value.max()) < 1e-5
    counts = []
    for row in u0.numpy():
        found = scipy.optimize.minimize(
            scipy.optimize.rosen, row, jac=scipy.optimize.rosen_der, method="L-BFGS-B"
        )
        counts.append(found.nfev)
    assert np.mean(ours.evaluations) < 1.5 * np.mean(counts) + 50


@given(pairs=st.integers(1, 12), memory=st.integers(1, 8), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_history_is_the_two_loop_recursion(pairs, memory, seed):
    """The compact form gives what the recursion of the textbooks gives, wrapped ring or not."""
    generator = torch.Generator().manual_seed(seed)
    n, g = 15, torch.randn(1, 15, generator=generator, dtype=torch.float64)
    history = History(1, n, memory, g)
    scale = torch.rand(n, generator=generator, dtype=torch.float64) + 0.5
    kept = []
    for _ in range(pairs):
        s = torch.randn(1, n, generator=generator, dtype=torch.float64)
        history.add(s, scale * s, torch.tensor([True]))
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
    torch.testing.assert_close(history.apply(g)[0], q, rtol=1e-8, atol=1e-10)


def test_batch_of_twelve_is_twelve_runs_of_one():
    """Image by image the same to 1e-6 after 30 evaluations, for a tiny Glow in float64."""
    prior = GlowPrior.from_network(random_glow(offset=0.1, shape=(3, 16, 16)))
    x = torch.rand(12, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    common = {"prior": prior, "op": "gaussian", "m": 100, "budget": 30, "precision": "float64"}
    common["noise_norm"] = 0.1
    together = priorkit.recover(x, **common)
    for i in range(12):
        alone = priorkit.recover(y=together.y[i], **common)
        assert float((alone.x - together.x[i : i + 1]).abs().max()) < 1e-6
        assert alone.evaluations[0] == together.evaluations[i]


class Cliff:
    """½‖u‖², but NaN wherever u₀ < −1: reached by a first step that is too long."""

    noise_energy = 0.0

    def __init__(self, bad_rows=()):
        self.bad = bad_rows

    def value_grad(self, u, index=None):
        index = torch.arange(len(u)) if index is None else index
        value = 0.5 * u.square().sum(1)
        nan = (u[:, 0] < -1) | torch.tensor([int(i) in self.bad for i in index])
        value = torch.where(nan, torch.nan, value)
        return Evaluation(value, torch.where(nan[:, None], torch.nan, u), value)


@pytest.mark.parametrize("solver", [LBFGS(), Adam(rate=0.05)])
def test_one_image_that_diverges_costs_no_other(solver):
    u0 = torch.full((3, 4), 2.0, dtype=torch.float64)
    solution = solver.solve(Cliff(bad_rows=(1,)), u0, budget=300)
    assert solution.status[1] == "diverged"
    assert torch.isfinite(solution.u).all()
    assert float(solution.value[[0, 2]].max()) < 1e-3


def test_a_non_finite_trial_costs_one_evaluation():
    """The line search backs off from NaN and goes on."""

    class Steep(Cliff):
        def value_grad(self, u, index=None):
            now = super().value_grad(u, index)
            return Evaluation(now.value, now.grad * torch.tensor([30.0, 1, 1, 1]), now.misfit)

    u0 = torch.full((1, 4), 1.0, dtype=torch.float64)
    solution = LBFGS().solve(Cliff(), u0, budget=100)
    assert solution.status == ["converged"]
    assert float(solution.value[0]) < 1e-8


def test_a_start_at_the_minimum_is_converged():
    solution = LBFGS().solve(Cliff(), torch.zeros(2, 3, dtype=torch.float64), budget=50)
    assert solution.status == ["converged", "converged"]
    assert solution.evaluations == [1, 1]
