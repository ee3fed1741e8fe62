"""Solvers where numbers are on a device: a step asks it nothing, and takes the same way."""

import sys

import pytest
import torch
from priorkit_penalties.norms import L1
from priorkit_solvers.adam import Adam
from priorkit_solvers.fista import FISTA
from priorkit_solvers.history import History
from priorkit_solvers.lbfgs import LBFGS

from priorkit import linear
from priorkit.interfaces import LinearOperator, Requires
from priorkit.loop import iterate
from priorkit.testing import problem_for
from tests.far import far
from tests.helpers import Residuals, a_problem, run
from tests.plugins.test_solvers import rosenbrock

SIZE = 20


@pytest.fixture
def as_on_a_device(monkeypatch):
    """What is done on the processor goes the way of a device."""
    asked = linear.on_processor
    for module in list(sys.modules.values()):
        if vars(module).get("on_processor") is asked:
            monkeypatch.setattr(module, "on_processor", lambda x: False)


def far_away(images):
    """The chained Rosenbrock function on the device of the tests, and its start."""
    operator = Residuals(rosenbrock).bind((SIZE,))
    y = torch.zeros(images, *operator.y_shape).to("far")
    start = torch.randn(images, SIZE, generator=torch.Generator().manual_seed(0))
    return a_problem(operator, y), start.to("far")


def launches(images, steps=1):
    """Of a step of L-BFGS, without those of the evaluation in it."""
    with far() as device:
        problem, u0 = far_away(images)
        solver = LBFGS(history=5)
        state = solver.init(problem, u0, 100)
        for _ in range(steps):
            state = solver.step(problem, state)
        device.clear()
        solver.step(problem, state)
        assert not device.down
        assert not device.up
        step = device.launched.total()
        device.clear()
        problem.value_grad(u0)
        return step - device.launched.total()


@pytest.mark.parametrize("steps", [1, 8])  # slots are taken for the first time, and again
def test_a_step_is_as_many_operations_for_any_number_of_images(steps):
    assert launches(2, steps) == launches(9, steps) < 200


class Half(LinearOperator):
    """Every second number."""

    def A(self, x):
        return x[:, ::2]

    def A_adjoint(self, y):
        return torch.stack([y, torch.zeros_like(y)], -1).flatten(1)


@pytest.mark.parametrize("solver", [LBFGS(), Adam(), FISTA()])
def test_the_loop_asks_a_device_once_a_step(solver):
    with far() as device:
        problem, u0 = far_away(3)
        if isinstance(solver, FISTA):
            y = torch.ones(3, SIZE // 2).to("far")
            problem = a_problem(Half().bind((SIZE,)), y, penalty=L1(), gamma=0.1)
        steps = iterate(solver, problem, u0, 100)
        next(steps)
        for _ in range(5):
            device.clear()
            next(steps)
            assert device.down.total() == 1


@pytest.mark.parametrize("solver", [LBFGS(history=6), Adam(rate=0.03)])
def test_a_device_takes_the_steps_of_the_processor(solver, request):
    generator = torch.Generator().manual_seed(0)
    u0 = 1 + 0.4 * torch.randn(3, SIZE, dtype=torch.float64, generator=generator)
    operator = Residuals(rosenbrock).bind((SIZE,))
    y = torch.zeros(3, *operator.y_shape, dtype=torch.float64)
    here = run(solver, a_problem(operator, y), u0, 40)
    request.getfixturevalue("as_on_a_device")
    there = run(solver, a_problem(operator, y), u0, 40)
    torch.testing.assert_close(there.u, here.u, rtol=1e-5, atol=1e-7)
    assert there.evaluations == here.evaluations
    assert there.reason == here.reason


@pytest.mark.parametrize("solver", [LBFGS(tolerance=1e-9), FISTA(), Adam(rate=0.05)])
def test_images_that_end_one_after_another_on_a_device(solver, as_on_a_device):
    """Each with the minimum of its own quadratic, and the reason of its own end."""
    problem = problem_for(Requires())
    many = problem.at(torch.cat([problem.y, 30 * problem.y, problem.y.new_zeros(problem.y.shape)]))
    found = run(solver, many, torch.zeros(len(many.y), problem.size), 400)
    assert all(found.reason)
    alone = run(solver, problem, torch.zeros(len(problem.y), problem.size), 400)
    torch.testing.assert_close(found.u[: len(problem.y)], alone.u, rtol=1e-3, atol=1e-3)


def test_one_that_diverges_on_a_device_says_why(as_on_a_device):
    operator = Residuals(lambda u: u).bind((4,))
    y = torch.zeros(3, 4)
    y[1] = torch.nan
    for solver in (LBFGS(), Adam()):
        found = run(solver, a_problem(operator, y), torch.ones(3, 4), 50)
        assert found.status[1] == "diverged"
        assert found.reason[1] == "the misfit is not finite"
        assert "diverged" not in (found.status[0], found.status[2])


@pytest.mark.parametrize("memory", [3, 10])
def test_histories_of_a_batch_are_those_of_each(memory, request):
    """To the bit on the processor and to rounding on a device, while images move in turn, forget,
    and leave until one is left."""
    generator = torch.Generator().manual_seed(memory)
    n, b = 7, 9
    bend = torch.rand(n, generator=generator) + 0.5
    g = torch.randn(b, n, generator=generator)
    moves = []
    for _ in range(12):
        s = torch.randn(b, n, generator=generator)
        moves.append((s, torch.rand(b, generator=generator) < 0.7))

    def directions(images):
        """Of these images, which leave at the half and the end but for the last one."""
        history, at = History(memory, g[images]), g[images]
        everyone, found = torch.ones(len(images), dtype=torch.bool), []
        for k, (s, moved) in enumerate(moves):
            if k == 8:
                history.forget(torch.tensor([i == 2 for i in images]))
            if k in (6, 10):
                left = torch.tensor(list(range(len(images)))[-max(1, len(images) // 2) :])
                history, at, images = history.rows(left), at[left], [images[i] for i in left]
                everyone = everyone[left]
            at = torch.where(moved[images, None], at + bend * s[images], at)
            history.move(s[images], at, moved[images])
            found.append(history.directions(everyone)[-1])
        return torch.stack(found)

    together, alone = directions(list(range(b))), directions([b - 1])
    assert torch.equal(together, alone)
    request.getfixturevalue("as_on_a_device")
    torch.testing.assert_close(directions(list(range(b))), alone, rtol=1e-3, atol=1e-4)


def test_products_with_matrices_of_their_own(as_on_a_device):
    generator = torch.Generator().manual_seed(0)
    M, x = torch.randn(3, 4, 5, generator=generator), torch.randn(3, 5, generator=generator)
    each = torch.stack([M[i] @ x[i] for i in range(3)])
    torch.testing.assert_close(linear.each_matvec(M, x), each)
    torch.testing.assert_close(linear.matvec(M[0], x), x @ M[0].T)
    torch.testing.assert_close(linear.rmatvec(M[0], each), each @ M[0])
    assert linear.some(torch.zeros(2, dtype=torch.bool))  # not asked
