"""Bases, the Lasso's two solvers, and the choice between them."""

import numpy as np
import pytest
import pywt
import torch
from priorkit_noises.gaussian import Gaussian as GaussianNoise
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Mask
from priorkit_penalties.norms import L1, L2
from priorkit_solvers.coordinate_descent import CoordinateDescent
from priorkit_solvers.fista import FISTA
from priorkit_sparsity.bases import DCT, Wavelet

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.io.pictures import astronaut, load
from tests.helpers import Rotated, a_problem, check_basis, run

BASES = {
    "dct": (DCT(), (3, 8, 8)),
    "dct of odd sides": (DCT(), (1, 5, 7)),
    "haar": (Wavelet(), (3, 8, 8)),
    "haar, one level": (Wavelet(levels=1), (1, 6, 10)),
    "db4": (Wavelet(wavelet="db4"), (3, 16, 8)),
    "sym4": (Wavelet(wavelet="sym4", levels=2), (1, 16, 16)),
}


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize("name", BASES)
def test_basis(name):
    check_basis(*BASES[name])


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize("name", pywt.wavelist(kind="discrete"))
def test_a_wavelet_is_taken_where_its_transform_keeps_lengths(name):
    """Against one level of PyWavelets' transform of the unit vectors: WᵀW = 1, or it is refused,
    as dmey is, whose filter is cut off though PyWavelets calls it orthogonal."""
    low, high = pywt.dwt(np.eye(128), name, "periodization", axis=0)
    w = np.concatenate([low, high])
    orthogonal = np.abs(w.T @ w - np.eye(128)).max() < 1e-6
    if orthogonal:
        bound = Wavelet(wavelet=name, levels=1).bind((1, 128, 2))
        z = torch.randn(1, 256, dtype=torch.float64)
        assert float((bound.decode(z) - 0.5).norm()) == pytest.approx(float(z.norm()), rel=1e-6)
    else:
        with pytest.raises(BadInputError, match=r"orthogonal wavelet.*identity. Try: db1"):
            Wavelet(wavelet=name)


def lasso(seed=0, penalty=None, gamma=0.3, images=2, m=30):
    """A small Lasso with a sparse truth, in float64."""
    generator = torch.Generator().manual_seed(seed)
    basis = DCT().bind((1, 8, 8))
    z = torch.randn(images, 64, generator=generator, dtype=torch.float64)
    z = z * (torch.rand(images, 64, generator=generator) < 0.15)
    operator = Gaussian(m=m, seed=seed).bind((1, 8, 8))
    y = operator.A(basis.decode(z))
    y = y + 0.05 * torch.randn(y.shape, generator=generator, dtype=torch.float64)
    penalty = penalty or L1()
    return a_problem(operator, y, prior=basis, penalty=penalty, gamma=gamma, space="latent")


@pytest.mark.parametrize("solver", [CoordinateDescent(tolerance=1e-9), FISTA(tolerance=1e-9)])
def test_the_solution_meets_the_optimality_conditions(solver):
    """0 ∈ ∇f + γ∂‖z‖₁: the gradient of the misfit is −γ·sign(z) where z ≠ 0, and within γ else."""
    problem = lasso()
    found = run(solver, problem, torch.zeros(2, 64, dtype=torch.float64), budget=20000)
    assert found.status == ["converged"] * 2
    gradient = problem.smooth(found.u).grad
    there = found.u.abs() > 1e-3
    assert torch.allclose(gradient[there], -0.3 * found.u.sign()[there], atol=2e-3)
    assert float(gradient[~there].abs().max()) <= 0.3 + 2e-3
    assert torch.allclose(problem.value_grad(found.u).value, found.value)


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[] if n % 4 == 1 else pytest.mark.slow) for n in range(10)]
)
def test_both_solvers_reach_the_same_objective(seed):
    problem = lasso(seed, m=20 + 3 * seed, gamma=0.01 * 10 ** (seed / 5))
    zero = torch.zeros(2, 64, dtype=torch.float64)
    a = run(CoordinateDescent(tolerance=1e-8), problem, zero, 20000).value
    b = run(FISTA(tolerance=1e-8), problem, zero, 20000).value
    assert torch.allclose(a, b, rtol=1e-3)


def test_fista_takes_other_norms():
    problem = lasso(penalty=L2())
    zero = torch.zeros(2, 64, dtype=torch.float64)
    found = run(FISTA(tolerance=1e-9), problem, zero, 5000)
    assert found.status == ["converged"] * 2
    assert float(problem.value_grad(found.u).grad.abs().max()) < 1e-3


def test_fista_keeps_its_budget():
    found = run(FISTA(), lasso(), torch.zeros(2, 64, dtype=torch.float64), 7)
    assert found.evaluations == [7, 7]
    assert found.status == ["stopped"] * 2


def test_the_solver_follows_from_the_size():
    basis = DCT().bind((3, 64, 64))
    small = Gaussian(m=500).bind((3, 64, 64))
    assert basis.defaults(small, GaussianNoise()).solver == "coordinate-descent"
    big = DCT().bind((3, 256, 256))
    assert big.defaults(Gaussian(m=5000).bind((3, 256, 256)), GaussianNoise()).solver == "fista"
    assert basis.defaults(Mask().bind((3, 64, 64)), GaussianNoise()).solver == "fista"


@pytest.mark.parametrize("prior", ["dct", "wavelet"])
def test_a_photograph_comes_back(prior):
    """Sparsity isn't the default for holes, and all the same does what it does."""
    holes = {"op": "mask", "mask": "random", "fraction": 0.3}
    result = priorkit.recover(prior=prior, **holes, gamma=0.01, budget=100)
    assert float(result.psnr[0]) > 20


def test_sparse_pictures_come_back_from_few_numbers():
    x = load(astronaut(), (3, 16, 16)).x
    basis = DCT().bind((3, 16, 16))
    z = basis.encode(x)
    keep = z.abs() >= z.abs().sort(1).values[:, -40:-39]
    result = priorkit.recover(basis.decode(z * keep).clamp(0, 1), prior="dct", m=400, noise_norm=0)
    assert result.record["config"]["solver"]["name"] == "coordinate-descent"
    assert float(result.psnr[0]) > 30


MESSAGES = {
    "biorthogonal": (
        {"prior": "wavelet", "wavelet": "bior2.2"},
        BadInputError,
        "needs an orthogonal wavelet.*db1",
    ),
    "no such wavelet": ({"prior": "wavelet", "wavelet": "db99"}, BadInputError, "no such wavelet"),
    "odd side": (
        {"prior": "wavelet", "m": 9, "shape": (3, 15, 15)},
        BadInputError,
        "halves both sides",
    ),
    "too many levels": (
        {"prior": "wavelet", "m": 9, "levels": 3, "shape": (3, 12, 12)},
        BadInputError,
        "3 times.*levels=2",
    ),
    "descent without rows": (
        {"prior": "dct", "op": "mask", "solver": "coordinate-descent"},
        MismatchError,
        "MatrixOperator",
    ),
    "descent with another penalty": (
        {"prior": "dct", "m": 50, "penalty": "l2", "gamma": 1, "solver": "coordinate-descent"},
        MismatchError,
        "L1Penalty",
    ),
    "descent without a weight": (
        {"prior": "dct", "m": 50, "gamma": 0, "solver": "coordinate-descent"},
        BadInputError,
        "above 0",
    ),
    "descent too large": (
        {"prior": "dct", "m": 9000, "shape": (3, 256, 256), "solver": "coordinate-descent"},
        BadInputError,
        "solver='fista'",
    ),
    "fista without linearity": (
        {"prior": "glow-celeba", "m": 50, "solver": "fista", "penalty": "l1", "gamma": 1},
        MismatchError,
        "LinearDecoder.*'dct'",
    ),
    "a smooth solver": ({"prior": "dct", "m": 50, "solver": "lbfgs"}, MismatchError, "smooth"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refused_before_any_compute(name, monkeypatch):
    settings, error, pattern = MESSAGES[name]
    monkeypatch.setattr(
        "priorkit.verbs.recover.solved", lambda *_: pytest.fail("it went on to compute")
    )
    with pytest.raises(error, match=f"(?s){pattern}"):
        priorkit.recover(**{"shape": (3, 64, 64), **settings})


def test_interrupting_keeps_the_last_report():
    def stop(now, done):
        if int(now.evaluations.max()) >= 20:
            raise KeyboardInterrupt

    settings = {"prior": "dct", "m": 300, "solver": "fista", "shape": (3, 16, 16)}
    cut = priorkit.recover(**settings, progress=stop)
    assert cut.interrupted
    assert cut.status == ["stopped"]
    assert cut.evaluations == [20]
    assert np.isfinite(float(cut.objective[0]))
    assert float(cut.z.abs().max()) > 0


def test_image_0_is_nobody_else_s_business():
    """FISTA's curvature is that of the operator, however loud an image was measured."""
    problem = lasso(images=2)
    quiet = run(FISTA(), problem, torch.zeros(2, 64), 500)
    y = problem.y.clone()
    y[0] *= 1e8
    loud = run(FISTA(), problem.at(y), torch.zeros(2, 64), 500)
    assert float(loud.value[1]) == pytest.approx(float(quiet.value[1]), rel=1e-9)
    assert loud.evaluations[1] == quiet.evaluations[1]


@pytest.mark.parametrize(("m", "gamma"), [(50, 10.0), (500, 1.0), (2500, 0.098), (10000, 0.001)])
def test_the_weight_follows_from_the_share_that_is_measured(m, gamma):
    """The paper's 0.01 is too small for few numbers; it stays a keyword away."""
    basis = DCT().bind((3, 64, 64))
    sensed = Gaussian(m=m).bind((3, 64, 64))
    assert basis.defaults(sensed, GaussianNoise()).gamma == pytest.approx(gamma, rel=0.05)


def test_signals_and_vectors(tmp_path):
    """One-dimensional signals are recovered by bases and by total variation."""
    t = np.linspace(0, 1, 96, dtype=np.float32)
    x = np.where(t < 0.4, 0.2, 0.8) + 0.2 * np.sin(6 * t)
    for prior, settings in (
        ("none", {"penalty": "tv", "gamma": 0.01}),
        ("dct", {}),
        ("wavelet", {"wavelet": "db1"}),
    ):
        result = priorkit.recover(x, prior=prior, m=60, shape=(1, 96), **settings)
        assert result.x.shape == (1, 1, 96)
        assert float(result.error[0]) < 0.01
        assert result.psnr is None
    assert priorkit.replay(result.save(tmp_path)).x.equal(result.x)
    with pytest.raises(BadInputError, match=r"images \(C, H, W\) or signals \(C, N\)"):
        priorkit.recover(x, prior="none", m=60, shape=(96,), penalty="tv", gamma=0.1)


def test_the_lasso_of_complex_measurements():
    """Coordinate descent stacks real on imaginary parts; FISTA takes y as it is."""
    basis = DCT().bind((1, 8, 8))
    operator = Rotated(40).bind((1, 8, 8))
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = operator.A(basis.decode(z * (z.abs() > 1.3)))
    problem = a_problem(operator, y, prior=basis, penalty=L1(), gamma=0.1, space="latent")
    zero = torch.zeros(2, 64, dtype=torch.float64)
    a = run(CoordinateDescent(tolerance=1e-8), problem, zero, 20000)
    b = run(FISTA(tolerance=1e-8), problem, zero, 20000)
    assert torch.allclose(a.value, b.value, rtol=1e-4)
    assert a.status == b.status == ["converged"] * 2


def test_one_thread_ends_what_is_taken_twice(monkeypatch):
    """The last row of a run is solved beside a copy of itself: the run ends with either."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    found = run(CoordinateDescent(), lasso(images=3), torch.zeros(3, 64).double(), budget=2000)
    assert found.status == ["converged"] * 3
    assert min(found.evaluations) > 0
