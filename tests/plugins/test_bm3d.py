"""BM3D, and the solvers for priors that only denoise."""

import importlib.util
import sys

import pytest
import torch
from priorkit_bm3d.prior import BM3D
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_operators.gaussian import Gaussian
from priorkit_solvers.pnp_admm import PnPADMM

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Denoiser
from priorkit.io.pictures import astronaut, load
from priorkit.linear import column
from priorkit.metrics import psnr
from tests.helpers import a_problem, run

needs_bm3d = pytest.mark.skipif(
    importlib.util.find_spec("bm3d") is None, reason="bm3d isn't installed"
)


@needs_bm3d
def test_images_are_independent_and_no_noise_is_no_change():
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    together = BM3D().denoise(x, 0.1)
    assert torch.equal(BM3D().denoise(x[1:], 0.1), together[1:])
    assert torch.equal(BM3D().denoise(x, 0.0), x)


@needs_bm3d
@pytest.mark.filterwarnings("error")
def test_a_gray_picture_is_denoised_in_colour_too():
    """The package divides by the range of its colours, which is 0, and makes nothing but NaN."""
    generator = torch.Generator().manual_seed(0)
    square = torch.zeros(1, 16, 16)
    square[:, 4:12, 4:12] = 0.7
    gray = (square + 0.1 * torch.randn(1, 16, 16, generator=generator)).expand(1, 3, -1, -1)
    truth = square.expand(1, 3, -1, -1)
    assert psnr(BM3D().denoise(gray, 0.1), truth) > psnr(gray, truth) + 1


@pytest.mark.slow
@needs_bm3d
@pytest.mark.filterwarnings("error")
def test_a_picture_of_one_colour_stays_as_it_is():
    even = torch.full((1, 3, 16, 16), 0.4)
    torch.testing.assert_close(BM3D().denoise(even, 0.1), even, atol=1e-3, rtol=0)


@needs_bm3d
def test_each_image_has_its_own_level():
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    levels = [0.0, 0.2]
    together = BM3D().denoise(x, torch.tensor(levels))
    for image, level, found in zip(x.split(1), levels, together.split(1), strict=True):
        assert torch.allclose(BM3D().denoise(image, level), found, atol=1e-6)


@needs_bm3d
def test_the_identity_calls_it_once():
    x = load(astronaut(), (1, 32, 32)).x
    result = priorkit.recover(x, prior="bm3d", op="identity", sigma=0.1)
    assert result.evaluations == [1]
    assert result.status == ["converged"]
    assert torch.allclose(result.x, BM3D().denoise(result.y, 0.1).clamp(0, 1))
    assert float(result.psnr[0]) > float(psnr(result.y.clamp(0, 1), x)[0]) + 3


@needs_bm3d
def test_plug_and_play_fills_missing_pixels():
    x = load(astronaut(), (1, 32, 32)).x
    result = priorkit.recover(x, prior="bm3d", op="mask", mask="random", fraction=0.3, budget=2)
    assert result.evaluations == [2]
    assert float(result.psnr[0]) > float(psnr(result.y, x)[0]) + 10


class Shrink(Denoiser):
    """The proximal map of ½‖x‖² at step σ²: plug-and-play must then solve ridge regression."""

    def denoise(self, x, sigma):
        return x / column(1 + sigma**2, x)


def ridge(images=3, prior=None):
    generator = torch.Generator().manual_seed(0)
    operator = Gaussian(m=12, seed=1).bind((1, 4, 4))
    y = torch.randn(images, 12, generator=generator, dtype=torch.float64)
    return a_problem(operator, y, prior=prior or Shrink(), noise=Noise(sigma=0.5))


def exact_solver(**options):
    return PnPADMM(
        trust=0.5, sigma_start=0.5, sigma_end=0.5, renoise=0, dual=True, cg_steps=60, **options
    )


def test_plug_and_play_solves_what_the_denoiser_stands_for():
    """The fixed point minimises ‖A x − y‖² + λs²‖x‖², here with λs² = 1/8."""
    problem = ridge()
    zero = torch.zeros(3, 16, dtype=torch.float64)
    found = run(exact_solver(tolerance=1e-12), problem, zero, 500)
    A = problem.operator.rows(0, 12).double()
    eye = torch.eye(16, dtype=torch.float64)
    weight = 0.5 * problem.noise.std**2
    expected = torch.linalg.solve(A.T @ A + weight * eye, (problem.y @ A).T).T
    assert found.status == ["converged"] * 3
    assert torch.allclose(found.u, expected, atol=1e-5)
    assert torch.allclose(found.misfit, (found.u @ A.T - problem.y).square().sum(1))


def test_plug_and_play_keeps_images_apart():
    problem = ridge()
    zero = torch.zeros(3, 16, dtype=torch.float64)
    together = run(exact_solver(), problem, zero, 30)
    alone = run(exact_solver(), problem.rows(torch.tensor([1])), zero[:1], 30)
    assert torch.allclose(alone.u, together.u[1:2], atol=1e-10)
    assert alone.evaluations == together.evaluations[1:2]


class Broken(Denoiser):
    """Gives NaN, at first, for every image but the first."""

    broke = False

    def denoise(self, x, sigma):
        x = x.clone()
        if not self.broke:
            x[1:] = torch.nan
        self.broke = True
        return x


def test_an_image_that_breaks_costs_no_other():
    problem = ridge(2, Broken())
    found = run(exact_solver(), problem, torch.zeros(2, 16, dtype=torch.float64), 5)
    assert found.status[1] == "diverged"
    assert found.status[0] != "diverged"
    assert torch.isfinite(found.u).all()


MESSAGES = {
    "latent space": ({"space": "latent", "m": 20}, MismatchError, "space 'latent' requires"),
    "log p": (
        {"op": "identity", "penalty": "nll", "gamma": 1.0},
        MismatchError,
        "'nll' requires the prior to be a Density",
    ),
    "a gradient solver's prior": (
        {"op": "mask", "prior": "none", "solver": "pnp-admm"},
        MismatchError,
        "requires the prior to be a Denoiser.*'bm3d'",
    ),
    "one call elsewhere": (
        {"op": "mask", "solver": "denoise"},
        MismatchError,
        "IdentityOperator.*'identity'",
    ),
    "too small": ({"op": "identity", "shape": (3, 8, 8)}, BadInputError, "at least 16×16"),
}


@needs_bm3d
@pytest.mark.parametrize("name", MESSAGES)
def test_refused_before_any_compute(name, monkeypatch):
    settings, error, pattern = MESSAGES[name]
    monkeypatch.setattr(
        "priorkit.verbs.recover.solved", lambda *_: pytest.fail("it went on to compute")
    )
    with pytest.raises(error, match=f"(?s){pattern}"):
        priorkit.recover(**{"prior": "bm3d", "shape": (3, 32, 32), **settings})


@needs_bm3d
def test_a_real_measurement_needs_its_noise_level():
    y = torch.rand(3, 16, 16).numpy()
    with pytest.raises(BadInputError, match=r"noise level.*sigma="):
        priorkit.recover(y=y, prior="bm3d", op="identity")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(MismatchError, match=r"non-commercial use only.*priorkit\[bm3d\]"):
        priorkit.recover(prior="bm3d", op="identity")


def test_show_says_the_terms(command_line):
    assert "non-commercial" in command_line("show", "bm3d").out
