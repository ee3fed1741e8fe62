"""Steps of the solvers that denoise ask a device for nothing, beside which images have ended."""

import math

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.srht import SRHT
from priorkit_solvers import diffpir
from priorkit_solvers.amp import AMP
from priorkit_solvers.diffpir import DiffPIR
from torch.utils._python_dispatch import TorchDispatchMode

from priorkit.interfaces import Denoiser, State
from priorkit.interfaces.kinds import PICTURE
from priorkit.loop import solve
from priorkit.run.rows import Trace, ended
from tests.cuda_host.silent import Silent
from tests.cuda_host.tape import asks
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


@pytest.fixture
def deaf(monkeypatch):
    """No image ends: to say which do is the one question of a step."""
    monkeypatch.setattr(State, "end", lambda *told: None)


def unmeasured(name, prior):
    """A problem of four images on "meta"."""
    operator = OPERATORS[name](m=100, seed=0).bind(SHAPE)
    y = torch.empty(4, 100, device="meta")
    operator.A(operator.A_adjoint(y))  # which moves what is stored of A there
    return a_problem(operator, y, prior=prior, noise=Noise(sigma=0.1)), y


@pytest.mark.parametrize(("name", "most"), [("gaussian", 120), ("srht", 220)])
def test_a_step_of_message_passing(deaf, name, most):
    """Its launches are counted beside the network, with those of two or three products with A."""
    problem, y = unmeasured(name, Shrunk())
    solver, u0 = AMP(), y.new_empty(4, math.prod(SHAPE))
    state = solver.init(problem, u0, 20)
    for steps in (1, 2, 3):
        with Silent() as device:
            state = solver.step(problem, state)
        assert state.u.device.type == "meta"
        assert state.steps == steps
        assert device.count < most


@pytest.mark.parametrize("zeta", [1.0, 0.5])
def test_a_step_of_a_walk(deaf, monkeypatch, zeta):
    """Beside its data step, which asks when it has come to its end."""
    monkeypatch.setattr(diffpir, "noise_levels", lambda problem, x, s: x.new_full((len(x),), s))
    monkeypatch.setattr(diffpir, "data_step", lambda problem, centre, rho, **told: centre)
    problem, y = unmeasured("gaussian", Even())
    solver, u0 = DiffPIR(draws=2, zeta=zeta), y.new_empty(4, math.prod(SHAPE))
    state = solver.init(problem, u0, 6)
    for steps in range(1, 7):
        with Silent() as device:
            state = solver.step(problem, state)
        assert state.count == steps
        assert device.count < 60


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


def test_asking_is_found_out():
    """So that the tests above can fail."""
    x = torch.empty(3, device="meta")
    asking = [
        lambda: bool((x > 0).any()),
        lambda: float(x.sum()),
        lambda: x[x > 0],
        lambda: x.nonzero(),
        lambda: x.tolist(),
        lambda: x.cpu(),
        lambda: x + torch.zeros(3).to(x),
    ]
    for ask in asking:
        with Silent(), pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
            ask()
    with Silent() as device:
        x.mul_(torch.zeros(3).to("meta", non_blocking=True))
    assert device.launched == {"aten._to_copy.default": 1, "aten.mul_.Tensor": 1}
