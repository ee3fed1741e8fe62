"""The one loop: budgets, the best iterate, Ctrl-C, and solvers made of solvers or of draws."""

from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from math import sqrt

import numpy as np
import pytest
import torch
from priorkit_penalties.norms import L2Squared
from priorkit_solvers.adam import Adam
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.interfaces import Requires, Solver, State, shared
from priorkit.loop import iterate, solve
from priorkit.testing import check_solver, problem_for
from tests.helpers import Fourier, a_problem, minimise, run


@dataclass(kw_only=True)
class Stage(State):
    steps: object = shared()


class Continuation(Solver[Stage]):
    """γ falls by a factor per stage over an inner solver, each from where the last one ended."""

    requires = Requires(smooth=True)
    descends = False  # values of different γ don't compare

    def __init__(self, inner=None, stages=3, factor=10.0):
        self.inner, self.stages, self.factor = inner or LBFGS(), stages, factor

    def ledgers(self, problem, u, budget):
        for k in reversed(range(self.stages)):
            easier = replace(problem, gamma=problem.gamma * self.factor**k)
            before = 0
            for ledger in iterate(self.inner, easier, u, budget // self.stages):
                yield ledger, (ledger.evaluations - before).clone()
                before = ledger.evaluations.clone()
            u = ledger.u

    def init(self, problem, u0, budget):
        return Stage.begin(u0, steps=self.ledgers(problem, u0, budget))

    def step(self, problem, state):
        now = next(state.steps, None)
        if now is None:
            state.end(torch.ones_like(state.drawn), "converged", "γ is at its end")
            return state
        ledger, more = now
        state.u, state.value = ledger.u.clone(), ledger.value.clone()
        state.misfit = ledger.misfit.clone()
        state.evaluations = state.evaluations + more
        return state


class Langevin(Solver[State]):
    """Unadjusted Langevin: u ← u − ε∇f + √(2ε)ξ, with f = (ℓ + γR)/2σ²; draws after burn-in."""

    descends = False

    def __init__(self, rate=0.1, burn=50):
        self.rate, self.burn = rate, burn

    def init(self, problem, u0, budget):
        return State.begin(u0)

    def step(self, problem, state):
        state.value, grad, state.misfit = problem.value_grad(state.u)
        state.evaluations = state.evaluations + 1
        count = int(state.evaluations[0])
        variance = problem.noise.std**2
        step = self.rate * variance
        xi = problem.streams("langevin", step=count).normal(problem.size).to(state.u)
        state.u = state.u - step * grad / (2 * variance) + sqrt(2 * step) * xi
        state.drawn = torch.full_like(state.drawn, count > self.burn)
        return state


def ridge(gamma=0.3):
    """A convex problem with a smooth penalty, and its exact minimum for that γ."""
    problem = replace(problem_for(Requires()), penalty=L2Squared(), gamma=gamma)
    A = problem.matrix()
    y = problem.y - problem.offset()
    exact = torch.linalg.solve(A.T @ A + gamma * torch.eye(A.shape[1]), (y @ A).T).T
    return problem, exact


def test_a_solver_around_another():
    """Each stage begins where the one before ended, and the last one counts."""
    problem, exact = ridge()
    u0 = torch.zeros_like(exact)
    found = run(Continuation(LBFGS(tolerance=1e-9)), problem, u0, 300)
    assert torch.allclose(found.u, exact, atol=1e-4)
    assert set(found.reason) == {"γ is at its end"}
    assert max(found.evaluations) <= 300
    plain = run(LBFGS(tolerance=1e-9), problem, u0, 300)
    assert min(found.evaluations) > max(plain.evaluations)  # of three stages
    result = priorkit.recover(
        prior="none",
        op="mask",
        penalty="tv",
        gamma=0.01,
        budget=90,
        solver=Continuation(),
        shape=(3, 32, 32),
    )
    assert float(result.psnr[0]) > 20
    assert result.evaluations[0] <= 90


def test_draws_are_averaged_and_kept():
    """Their mean and spread are those of the exact posterior N(m, C), C⁻¹ = (AᵀA + γ)/σ²."""
    problem, exact = ridge(gamma=0.05**2 * 4)
    ten = problem.at(problem.y.repeat(10, 1))  # of each measurement, with draws of their own
    draws = run(Langevin(rate=0.15), ten, exact.repeat(10, 1), 650).draws
    assert draws.count.tolist() == [600] * 40
    assert draws.samples.shape == (8, 40, 1, 4, 4)
    each = draws.mean.view(10, 4, 1, 4, 4)
    mean = each.mean(0)
    square = draws.spread.view(10, 4, 1, 4, 4).square() + each.square()
    spread_found = (square.mean(0) - mean.square()).sqrt()
    A = problem.matrix()
    C = problem.noise.std**2 * torch.linalg.inv(A.T @ A + problem.gamma * torch.eye(16))
    basis = problem.prior.Q
    spread = (basis @ C @ basis.T).diagonal().sqrt().view(1, 4, 4)
    assert float((spread_found / spread - 1).abs().max()) < 0.25
    assert float((mean - problem.image(exact)).abs().max()) < 0.4 * float(spread.max())
    assert torch.isfinite(draws.samples).all()


def test_draws_have_an_address():
    """Other images, restarts and batches never share or change a draw."""
    check_solver(Langevin(), budget=80)


def test_a_sampler_in_recover(tmp_path):
    """The mean is what comes back; spread and samples are saved beside it."""
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"prior": "none", "op": "identity", "sigma": 0.1, "restarts": 2}
    result = priorkit.recover(x, solver=Langevin(burn=10), budget=200, **settings)
    assert torch.allclose(result.x, result.draws.mean.clamp(0, 1))
    assert result.draws.count.tolist() == [190, 190]
    misfit = (result.x - result.y).square().flatten(1).sum(1)
    assert torch.allclose(result.misfit, misfit.double(), rtol=1e-4)
    folder = result.save(tmp_path)
    assert np.load(folder / "spread.npy").shape == (2, 1, 8, 8)
    assert np.load(folder / "samples.npy").shape == (8, 2, 1, 8, 8)
    assert "std of draws" in (folder / "report.html").read_text()


def test_the_best_finite_iterate_is_the_answer():
    """Adam with steps far too long passes the minimum; what counts is the best it saw."""
    found = minimise(Adam(rate=0.7), lambda u: u, torch.ones(2, 3, dtype=torch.float64), 50)
    values = []

    def watch(now):
        values.append(now.objective.clone())

    problem = a_problem(Fourier().bind((1, 4, 4)), torch.zeros(2, 1, 2, 4).cfloat())
    solve(Adam(rate=0.7), problem, torch.ones(2, 16), 30, watch=watch)
    assert all(bool((b <= a).all()) for a, b in pairwise(values))
    assert float(found.value.max()) < 3


def test_every_end_has_its_reason():
    """The budget, the noise level, a fit, and values that aren't finite."""

    def cut(now, done):
        raise KeyboardInterrupt

    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    common = {"prior": "none", "op": "gaussian", "m": 100}
    assert priorkit.recover(x, **common, budget=3).reason == ["budget"]
    assert priorkit.recover(x, **common, noise_norm=1.0).reason == ["noise level reached"]
    assert priorkit.recover(x, **common, noise_norm=0.0).reason == ["the measurement is fitted"]
    assert priorkit.recover(x, **common, progress=cut).reason == ["interrupted"]
    nan = minimise(LBFGS(), lambda u: u / 0 * 0, torch.ones(1, 3), 9)
    assert nan.status == ["diverged"]
    assert "not finite" in nan.reason[0]
    assert torch.equal(nan.u, torch.ones(1, 3))


def test_a_snapshot_is_what_is_kept():
    problem, exact = ridge()
    seen = []
    found, _ = solve(LBFGS(), problem, torch.zeros_like(exact), 20, watch=seen.append)
    last = seen[-1]
    assert torch.equal(last.evaluations, found.evaluations)
    assert torch.equal(last.objective, found.value)
    assert torch.equal(last.misfit, found.misfit)
    torch.testing.assert_close(last.norm, found.u.norm(dim=1).double())
    assert torch.equal(last.image(), problem.image(found.u))
    assert not torch.equal(seen[0].objective, last.objective)  # one isn't changed by later ones


def test_ctrl_c_within_a_step_keeps_the_step_before():
    problem, exact = ridge()

    class Cut(LBFGS):
        def step(self, problem, state):
            if int(state.evaluations[0]) == 5:
                state.u[:] = torch.nan  # half-done
                raise KeyboardInterrupt
            return super().step(problem, state)

    found = run(Cut(), problem, torch.zeros_like(exact), 100)
    assert isinstance(found.cut, KeyboardInterrupt)
    assert found.evaluations == [5] * 4
    assert torch.isfinite(found.u).all()
    assert torch.allclose(problem.value_grad(found.u).value, found.value)


@pytest.mark.parametrize("count", [1, 3])
def test_an_image_takes_the_same_steps_in_any_batch(count):
    """To the last bit: total variation amplifies whatever a batch would change."""
    x = torch.rand(count + 1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.avg_pool2d(x, 5, 1, 2)
    common = {"prior": "none", "op": "gaussian", "m": 300, "penalty": "tv", "gamma": 0.02}
    together = priorkit.recover(x, **common)
    config = together.record["config"]
    for i in range(count + 1):
        alone = priorkit.recover(y=together.y[i], config=config | {"image": None})
        assert torch.equal(alone.x[0], together.x[i])
        assert alone.evaluations[0] == together.evaluations[i]


def test_one_that_has_ended_is_as_it_was():
    """Also where it stays as the company of the last one that runs."""
    problem, exact = ridge()
    zero, solver = torch.zeros_like(exact), LBFGS(tolerance=1e-6)
    alone = [run(solver, problem.rows(torch.tensor([i])), zero[:1], 100) for i in range(4)]
    assert len({one.evaluations[0] for one in alone}) > 1
    for pair in combinations(range(4), 2):
        found = run(solver, problem.rows(torch.tensor(pair)), zero[:2], 100)
        assert found.evaluations == [alone[i].evaluations[0] for i in pair]
        assert torch.equal(found.u, torch.cat([alone[i].u for i in pair]))
