"""Renoising: its draws, its mean, and its data step."""

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as Noise
from priorkit_noises.poisson import Poisson
from priorkit_operators.matrix import Matrix
from priorkit_solvers.data_step import CONTRAST, data_step, noise_floor
from priorkit_solvers.diffpir import DiffPIR
from priorkit_solvers.pnp_admm import PnPADMM

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Denoiser, Operator
from priorkit.interfaces import Noise as NoiseOfAnyKind
from priorkit.io.pictures import astronaut, load
from priorkit.linear import column, matvec
from priorkit.settings.select import resolve
from tests.helpers import a_problem, run

M = torch.randn(12, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 4


class Normal(Denoiser):
    """E[x | v] of entries that are N(½, ¼²), independent of each other."""

    def denoise(self, x, sigma):
        share = CONTRAST**2 / (CONTRAST**2 + torch.as_tensor(sigma) ** 2)
        return 0.5 + column(share, x) * (x - 0.5)


class Squares(NoiseOfAnyKind):
    """The misfit of Gaussian noise, of a class that isn't."""

    energy = 0.0

    def sample(self, Ax, streams):
        return Ax

    def misfit(self, Ax, y):
        return (Ax - y).square().sum(1), 2 * (Ax - y)


def normal(noise, images=2, matrix=M):
    generator = torch.Generator().manual_seed(1)
    x = 0.5 + CONTRAST * torch.randn(images, 20, generator=generator, dtype=torch.float64)
    operator = Matrix(matrix=matrix).bind((20,))
    y = operator.A(x)
    if noise.known:
        y = y + noise.std * torch.randn(y.shape, generator=generator, dtype=y.dtype)
    return a_problem(operator, y, prior=Normal(), noise=noise), x


@pytest.mark.parametrize("matrix", [M, torch.complex(M[:6], M[6:])], ids=["real", "complex"])
def test_its_mean_is_the_posterior_mean_of_normal_entries(matrix):
    """Of complex y each part has half of the noise's variance."""
    sigma, copies = 0.1, 40
    noise = Noise(sigma=sigma).bind(len(matrix))
    problem, _ = normal(noise, matrix=matrix)
    weight = sigma**2 / (1 if matrix is M else 2) / CONTRAST**2
    residual = problem.y - problem.operator.A(torch.full((2, 20), 0.5).double())
    square = (matrix.mH @ matrix).real + weight * torch.eye(20).double()
    ridge = torch.linalg.solve(square, (matrix.mH @ residual.mT).real).mT
    many = problem.at(problem.y.repeat(copies, 1))  # each measurement, with draws of its own
    u0 = torch.full((2 * copies, 20), 0.5, dtype=torch.float64)
    found = run(DiffPIR(draws=4, data_steps=15), many, u0, 40)
    gap = (found.draws.mean.view(copies, 2, 20).mean(0) - 0.5 - ridge).square().mean().sqrt()
    assert found.draws.count.tolist() == [4] * len(u0)
    assert float(gap) < 0.1 * float(ridge.square().mean().sqrt())


@pytest.mark.parametrize("rho", [0.01, 1.0])
def test_the_data_step_by_descent_is_that_by_conjugate_gradients(rho):
    """Where both can be had: the first is for noises that aren't near squares."""
    problem, _ = normal(Noise(sigma=0.05).bind(12))
    weight = torch.full((2,), rho, dtype=torch.float64)
    centre = torch.full((2, 20), 0.3, dtype=torch.float64)
    exact = data_step(problem, centre, weight, start=centre, steps=60)

    other = a_problem(problem.operator, problem.y, prior=Normal(), noise=Squares())
    found = data_step(other, centre, weight, start=centre, steps=400)
    few = data_step(other, centre, weight, start=centre, steps=1)
    assert torch.allclose(found, exact, atol=1e-4)
    objective = problem.noise.misfit(problem.operator.A(few), problem.y)[0]
    objective = objective + rho * (few - centre).square().sum(1)
    first = problem.noise.misfit(problem.operator.A(centre), problem.y)[0]
    assert bool((objective <= first).all())


class Curve(Operator):
    """A(x) = f(M x), entry by entry."""

    def __init__(self, f):
        self.f = f

    def A(self, x):
        return self.f(matvec(M.to(x), x))


CURVES = {
    "affine": lambda y: 3 - 2 * y,
    "film": lambda y: 1 - torch.exp(-2 * y),
    "steep": lambda y: torch.exp(6 * y),
    "root": lambda y: y.clamp_min(1e-6).sqrt(),
    "kinks": lambda y: y.abs(),
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("rho", [1e-4, 0.3])
def test_the_data_step_of_curved_measurements_lowers_what_it_minimises(curve, rho):
    """However they bend, and again and again it comes to where the objective has no slope; those
    of an affine operator are the same in one step as those of the linear one that it is."""
    operator = Curve(CURVES[curve]).bind((20,))
    generator = torch.Generator().manual_seed(4)
    x = 0.5 + CONTRAST * torch.randn(3, 20, generator=generator, dtype=torch.float64)
    y = operator.A(x) + 0.01 * torch.randn(3, 12, generator=generator, dtype=torch.float64)
    problem = a_problem(operator, y, prior=Normal(), noise=Noise(sigma=0.01).bind(12))
    weight = torch.full((3,), rho, dtype=torch.float64)
    centre = torch.full_like(x, 0.3)

    def objective(v):
        return (operator.A(v) - y).square().sum(1) + rho * (v - centre).square().sum(1)

    found = data_step(problem, centre, weight, start=centre, steps=40)
    assert bool((objective(found) <= objective(centre)).all())
    if curve in ("affine", "film"):
        assert bool((objective(found) < 0.6 * objective(centre)).all())
    if curve == "affine":
        linear = a_problem(
            Matrix(matrix=-2 * M).bind((20,)), y - 3, prior=Normal(), noise=problem.noise
        )
        same = data_step(linear, centre, weight, start=centre, steps=40)
        assert torch.allclose(found, same, atol=1e-6)


def test_the_data_step_of_curved_measurements_is_of_each_image_alone():
    operator = Curve(CURVES["film"]).bind((20,))
    x = torch.rand(3, 20, generator=torch.Generator().manual_seed(5))
    problem = a_problem(operator, operator.A(x), prior=Normal(), noise=Noise(sigma=0.01).bind(12))
    weight, centre = torch.full((3,), 0.01, dtype=torch.float64), torch.full_like(x, 0.4)
    among = data_step(problem, centre, weight, start=centre, steps=8)
    index = torch.tensor([1])
    alone = data_step(problem.rows(index), centre[1:2], weight[1:2], start=centre[1:2], steps=8)
    assert torch.equal(alone, among[1:2])


def test_data_are_trusted_as_far_as_an_image_explains_them():
    """By a root of the ratio where y is beyond the range of A, image by image; else by the noise,
    also where least squares are far from an answer still."""
    generator = torch.Generator().manual_seed(3)
    noise = Noise(sigma=0.05).bind(40)
    tall = torch.randn(40, 20, generator=generator, dtype=torch.float64)
    operator = Matrix(matrix=tall).bind((20,))
    x = torch.rand(2, 20, generator=generator, dtype=torch.float64)
    y = operator.A(x) + torch.randn(2, 40, generator=generator, dtype=torch.float64) * torch.tensor(
        [[0.05], [0.5]], dtype=torch.float64
    )
    problem = a_problem(operator, y, prior=Normal(), noise=noise)
    left = [torch.linalg.lstsq(tall, row).solution for row in y]
    rest = [float((tall @ best - row).norm()) / 40**0.5 for best, row in zip(left, y, strict=True)]
    found = DiffPIR().init(problem, torch.zeros_like(x), 20).s
    assert found.tolist() == pytest.approx([0.05, rest[1]], rel=0.02)
    assert rest[1] > 0.25

    steep = Matrix(matrix=torch.diag(torch.logspace(0, -5, 40).double())).bind((40,))
    truth = torch.rand(1, 40, generator=generator, dtype=torch.float64)
    slow = a_problem(steep, steep.A(truth), prior=Normal(), noise=Noise(sigma=1e-9).bind(40))
    floor = DiffPIR().init(slow, torch.zeros_like(truth), 20).s
    assert float(floor) == pytest.approx(1e-4 * steep.gain, rel=1e-6)


class Unstable(Normal):
    """The same, but for images with less noise than it is told of, of which it makes noise."""

    def denoise(self, x, sigma):
        rough = (x[:, 1:] - x[:, :-1]).square().mean(1, keepdim=True).sqrt()
        level = torch.as_tensor(sigma).view(-1, 1)
        return torch.where(rough < 0.5 * level, 10 * (1 - x), super().denoise(x, sigma))


def test_plug_and_play_adds_the_noise_that_a_denoiser_is_told_of():
    """Of smooth images, where it has no noise to remove otherwise."""
    x = torch.linspace(0.3, 0.7, 400, dtype=torch.float64).expand(2, -1).contiguous()
    operator = Matrix(matrix=torch.eye(400, dtype=torch.float64)).bind((400,))
    noise = Noise(sigma=0.001).bind(400)
    problem = a_problem(operator, x.clone(), prior=Unstable(), noise=noise)
    estimates = []
    for part in (0.7, 0.0):
        solver = PnPADMM(renoise=part)
        state = solver.init(problem, torch.full_like(x, 0.5), 1)
        estimates.append(solver.step(problem, state).v)
    calm, wild = estimates
    assert float((calm - x).abs().max()) < 1
    assert float((wild - x).abs().min()) > 2


def test_wild_values_take_a_descent():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 16, 16).cumsum(2).cumsum(3)
    x = x / x.amax((2, 3), keepdim=True)
    found = priorkit.recover(
        x, prior="denoiser-photos", op="gray", noise={"name": "laplace", "sigma": 0.1},
        solver={"name": "diffpir", "draws": 1}, start="flat", budget=4,
    )  # fmt: skip
    assert found.status == ["converged"] * 2
    assert bool((found.misfit < 4 * found.noise_misfit).all())


def test_counts_of_light_are_squares_with_the_weights_of_an_estimate():
    """Of dark pixels, whose counts scatter little, y says more; but not by chance alone, as where
    nothing was counted."""
    noise = Poisson(gain=0.1).bind(20)
    operator = Matrix(matrix=torch.eye(20, dtype=torch.float64)).bind((20,))
    near = torch.linspace(0.1, 1.0, 20, dtype=torch.float64).expand(2, 20)
    y = torch.stack([near[0], torch.zeros(20, dtype=torch.float64)])
    problem = a_problem(operator, y, prior=Normal(), noise=noise)
    assert noise_floor(problem, 1e-4) == pytest.approx(0.1**0.5)
    rho = torch.full((2,), 2.0, dtype=torch.float64)
    found = data_step(problem, near, rho, start=near, steps=60)
    may = near.clone()  # of nothing at most three times 0.07, the deviation of half a count
    may[1] = may[1].clamp_max(3 * (0.1 * 0.05) ** 0.5)
    assert torch.allclose(found, (y / may + 2.0 * near) / (1 / may + 2.0))


@pytest.mark.parametrize("solver", ["diffpir", "pnp-admm"])
def test_counts_of_light_are_explained_as_far_as_they_are_noise(solver):
    """Where few were counted too, of which weights at y itself would darken all."""
    x = load(astronaut(), (3, 32, 32)).x * torch.tensor([1.0, 0.3, 0.1]).view(3, 1, 1)
    found = priorkit.recover(
        x, prior="denoiser-photos", op="identity", noise="poisson", gain=0.05, solver=solver,
        start="noisy", budget=24,
    )  # fmt: skip
    assert 0.2 < float(found.misfit / found.noise_misfit) < 1.2
    assert torch.allclose(found.x.mean((2, 3)), x.mean((2, 3)), rtol=0.1)
    assert float((found.x - x).square().mean()) < 0.3 * float((found.y - x).square().mean())


def test_few_counts_are_not_taken_for_texture():
    """A denoiser that is told of less noise takes single counts for specks, and makes it dark."""
    told = {"prior": "denoiser-photos", "op": "identity", "noise": {"name": "poisson", "gain": 1.0}}
    found = priorkit.recover(shape=(3, 32, 32), solver="diffpir", **told)
    assert float(found.x.mean()) > 0.7 * float(found.truth.mean())


def test_weights_are_of_what_y_may_be_of():
    """An estimate that is far from many counts is no estimate of their variance."""
    noise = Poisson(gain=1e-4).bind(2)
    y = torch.tensor([[0.25, 0.0]], dtype=torch.float64)
    problem = a_problem(Matrix(matrix=torch.eye(2)).bind((2,)), y, noise=noise)
    A, _, b = problem.squares(near=torch.zeros_like(y))
    weights = (A(torch.ones_like(y)) ** 2)[0]
    assert float(weights[0]) == pytest.approx(4, rel=0.1)
    assert float(weights[1]) > 1000
    assert float(b[0, 0]) == pytest.approx(0.5, rel=0.1)


class Wide(Poisson):
    """A noise whose weights are in 64 bits, as of one that computes in them."""

    def weights(self, Ax):
        return super().weights(Ax).double()


def test_weights_may_be_wider_than_images():
    """As those of a plugin; solvers had left u in 64 bits then, which ended the run."""
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    told = {"prior": "denoiser-photos", "op": "identity", "noise": Wide(gain=0.01)}
    for name in ("diffpir", "pnp-admm", "ancestral"):
        found = priorkit.recover(x, solver=name, budget=4, **told)
        assert found.x.dtype == torch.float32


def test_draws_have_a_spread_and_a_record():
    x = torch.rand(1, 3, 16, 16)
    found = priorkit.recover(x, prior="denoiser-photos", op="mask", solver="diffpir", budget=8)
    assert found.draws.count.tolist() == [4]
    assert "within_90" in found.record["images"][0]


def test_messages():
    y = torch.rand(1, 3, 16, 16)
    with pytest.raises(BadInputError, match=r"noise level, which wasn't given.*sigma=0.01"):
        priorkit.recover(y=y, prior="denoiser-photos", op="blur", solver="diffpir")
    for solver in ("diffpir", "pnp-admm"):
        levels = {"name": solver, "sigma_start": 0.1, "sigma_end": 0.2}
        with pytest.raises(BadInputError, match=r"fall.*sigma_start=0.2, sigma_end=0.1"):
            priorkit.recover(y, prior="denoiser-photos", op="mask", solver=levels)


def test_plug_and_play_never_rises_above_its_start():
    operator = Matrix(matrix=torch.eye(8, dtype=torch.float64)).bind((8,))
    x = torch.full((1, 8), 0.5, dtype=torch.float64)
    problem = a_problem(operator, x, prior=Normal(), noise=Noise(sigma=0.1).bind(8))
    levels = PnPADMM(sigma_start=0.02).init(problem, x, 5).levels
    assert levels.tolist() == pytest.approx([0.02] * 5)


@pytest.mark.parametrize(("settings", "said"), [
    ({"draws": 1000, "budget": 10}, "diffpir' may need 1,000 calls of the denoiser"),
    ({"draws": 1000}, "and ends after 120. Try: budget=1000, or more"),
    ({"draws": 10, "budget": 10}, ""),
    ({}, ""),
])  # fmt: skip
def test_more_draws_than_calls_are_warned_of(settings, said, caplog):
    """As many as the budget has are made, and the draws say how many those were."""
    x = torch.full((1, 1, 4, 4), 0.5)
    found = priorkit.recover(x, prior=Normal(), op="mask", solver="diffpir", **settings)
    assert said in caplog.text
    assert ("may need" in caplog.text) == bool(said)
    assert int(found.draws.count[0]) == min(settings.get("draws", 4), settings.get("budget", 120))
    assert found.status == ["stopped" if said else "converged"]


@pytest.mark.parametrize("solver", [
    {"name": "perturb", "draws": 20}, {"name": "denoise", "estimate": True}
])  # fmt: skip
def test_what_is_enough_for_a_solver_follows_from_its_options(solver):
    built, (problem, _) = resolve("solver", solver).build(0), normal(Noise(sigma=0.1).bind(12))
    assert built.least(problem) == solver.get("draws", 2)
