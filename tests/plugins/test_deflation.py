"""Fewer evaluations of L-BFGS: residuals weighed by what coarse images explain of them."""

import pytest
import torch
from priorkit_noises.laplace import Laplace
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Mask
from priorkit_solvers.deflation import CYCLES, STRENGTH, Deflation, _modes
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.interfaces import Decoder
from tests.helpers import a_problem, run

SHAPE = (3, 12, 16)
N = 3 * 12 * 16


class Scales(Decoder):
    """Pictures that vary most where they are coarse: x = U diag(1/(1 + k)) z, by cosines."""

    shape = SHAPE
    latent_size = N

    def __init__(self):
        parts = [torch.fft.fftfreq(side, 1 / side).abs().double() for side in SHAPE[1:]]
        self.weight = 1 / (1 + (parts[0][:, None] ** 2 + parts[1] ** 2).sqrt())

    def decode(self, z):
        return torch.fft.ifft2(self.weight * torch.fft.fft2(z.view(-1, *SHAPE))).real


def measured(m=60, **changed):
    torch.manual_seed(0)
    operator = Gaussian(m=m, seed=0).bind(SHAPE)
    y = operator.A(Scales().decode(torch.randn(4, N, dtype=torch.float64)))
    return a_problem(operator, y, **{"prior": Scales(), "space": "latent", **changed})


def test_the_weight_is_the_inverse_of_what_its_docstring_says():
    problem = measured()
    A, weigh = problem.operator, Deflation.of(problem)
    U, cycles = _modes(SHAPE, problem.y)
    flat = U.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(len(flat), dtype=torch.float64), atol=1e-12)
    assert float(cycles.max()) < CYCLES
    b = A.gain**2 * N / 60
    B = A.A(U).T * (STRENGTH / b / (1 + cycles**2).sqrt()).sqrt()
    whole = torch.eye(60, dtype=torch.float64) + B @ B.T
    r = torch.randn(4, 60, dtype=torch.float64)
    assert torch.allclose(weigh(r) @ whole, r, atol=1e-9)


def test_what_is_reported_is_the_misfit_itself():
    problem, start = measured(), torch.zeros(4, N, dtype=torch.float64)
    found = run(LBFGS(tolerance=1e-3), problem, start, 400)
    r = problem.operator.A(problem.image(found.u)) - problem.y
    assert torch.allclose(found.misfit, r.square().sum(1), rtol=1e-9)
    assert torch.equal(found.value, found.misfit)
    assert bool((found.misfit < 1e-4 * problem.y.square().sum(1)).all())


@pytest.mark.slow
def test_a_face_is_found_in_fewer_evaluations():
    """At 30 evaluations the misfit is less than three quarters of what it is otherwise."""
    said = {"prior": "glow-celeba", "op": "gaussian", "m": 500, "budget": 30}
    deflated, plain = (
        priorkit.recover(**said, solver={"name": "lbfgs", "deflate": deflate})
        for deflate in (True, False)
    )
    assert float(deflated.misfit[0]) < 0.75 * float(plain.misfit[0])
    assert float(deflated.psnr) > float(plain.psnr)


@pytest.mark.parametrize(
    "changed",
    [{"space": "pixel"}, {"gamma": 0.1}, {"noise": Laplace(sigma=0.1)}],
    ids=["pixels", "a penalty", "other noise"],
)
def test_what_it_is_not_for(changed):
    assert Deflation.of(measured(**changed)) is None


def test_it_is_not_for_operators_that_are_not_random():
    operator = Mask(fraction=0.5).bind(SHAPE)
    y = operator.A(torch.rand(1, *SHAPE, dtype=torch.float64))
    problem = a_problem(operator, y, prior=Scales(), space="latent")
    assert Deflation.of(problem) is None


def test_it_is_not_for_more_measurements_than_latents():
    """What no latents fit is to be as near as it can be, in plain squares."""

    class Few(Scales):
        latent_size = 50

        def decode(self, z):
            return super().decode(torch.nn.functional.pad(z, (0, N - 50)))

    assert Deflation.of(measured(m=40, prior=Few())) is not None
    assert Deflation.of(measured(m=60, prior=Few())) is None
