"""Steps of the solvers that denoise ask a device for nothing, beside which images have ended."""

import math

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.srht import SRHT
from priorkit_solvers import diffpir
from priorkit_solvers.amp import AMP
from priorkit_solvers.ancestral import Ancestral
from priorkit_solvers.diffpir import DiffPIR
from torch.utils._python_dispatch import TorchDispatchMode

from priorkit.interfaces import Denoiser
from priorkit.interfaces.kinds import PICTURE
from priorkit.loop import solve
from priorkit.run.rows import Trace, ended
from tests.cuda_host.tape import asks
from tests.far import far
from tests.helpers import a_problem

OPERATORS = {"gaussian": Gaussian, "srht": SRHT}
SHAPE = (3, 16, 16)


class Shrunk(Denoiser):
    """Of which nothing is asked but two launches."""

    def denoise(self, x, sigma):
        return torch.addcmul(x, x, sigma.view(-1, 1, 1, 1), value=-0.5)


class Even(Denoiser):
    def denoise(self, x, sigma):
        return (1 - sigma) * x


def measured(name, prior):
    """A problem of four images on the device, and their start."""
    operator = OPERATORS[name](m=100, seed=0).bind(SHAPE)
    y = torch.rand(4, 100, generator=torch.Generator().manual_seed(0)).to("far")
    operator.A(operator.A_adjoint(y))  # which moves what is stored of A there
    u0 = y.new_zeros(4, math.prod(SHAPE))
    return a_problem(operator, y, prior=prior, noise=Noise(sigma=0.1)), u0


@pytest.mark.parametrize(("name", "most"), [("gaussian", 120), ("srht", 220)])
def test_a_step_of_message_passing(name, most):
    """Its launches are counted beside the network, with those of two or three products with A."""
    solver = AMP()
    with far() as device:
        problem, u0 = measured(name, Shrunk())
        state = solver.init(problem, u0, 20)
        for steps in (1, 2, 3):
            device.clear()
            state = solver.step(problem, state)
            assert state.u.device.type == "far"
            assert state.steps == steps
            assert not device.down
            assert not device.up
            assert device.launched.total() < most


@pytest.mark.parametrize("zeta", [1.0, 0.5])
def test_a_step_of_a_walk(monkeypatch, zeta):
    """Beside its data step, which asks when it has come to its end."""
    monkeypatch.setattr(diffpir, "noise_levels", lambda problem, x, s: x.new_full((len(x),), s))
    monkeypatch.setattr(diffpir, "data_step", lambda problem, centre, rho, **told: centre)
    solver = DiffPIR(draws=2, zeta=zeta)
    with far() as device:
        problem, u0 = measured("gaussian", Even())
        state = solver.init(problem, u0, 6)
        for steps in range(1, 7):
            device.clear()
            state = solver.step(problem, state)
            assert state.count == steps
            assert not device.down
            assert not device.up
            assert device.launched.total() < 60


def test_a_step_of_a_draw():
    """Once message passing has ended, whose end is asked for."""
    solver = Ancestral(draws=2, levels=4)
    with far() as device:
        problem, u0 = measured("gaussian", Shrunk())
        state = solver.init(problem, u0, 52)
        state.passes = torch.zeros_like(state.passes)
        state.tau = torch.full_like(state.tau, 0.3)
        for count in range(1, 9):
            begins = count == 1
            device.clear()
            state = solver.step(problem, state)
            assert state.count == count
            assert device.down.total() == begins  # whether any is still passing
            assert not device.up
            assert device.launched.total() < 120
        assert bool(state.drawn.cpu().all())


class Asked(TorchDispatchMode):
    """How often something was asked of a tensor."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += asks(operation, args)
        return operation(*args, **(kwargs or {}))


def test_what_is_kept_of_images_is_not_asked_for_one_by_one():
    """However many end in a step."""
    counts = []
    for images in (2, 6):
        operator = Gaussian(m=100, seed=0).bind(SHAPE)
        y = torch.rand(images, 100, generator=torch.Generator().manual_seed(0))
        problem = a_problem(operator, y, prior=Even(), noise=Noise(sigma=0.1))
        ledger, _ = solve(DiffPIR(draws=2), problem, torch.zeros(images, math.prod(SHAPE)), 4)
        with Asked() as asked:
            rows = ended(ledger, range(images), [Trace(i, 0) for i in range(images)], PICTURE)
        assert [row.evaluations for row in rows] == [4] * images
        assert [row.value for row in rows] == ledger.value.tolist()
        assert [int(row.draws.count) for row in rows] == [2] * images
        counts.append(asked.count)
    assert counts[0] == counts[1]
