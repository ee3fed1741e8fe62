"""What several test files share: small networks, and problems of one's own."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork
from priorkit_glow.network import Glow, GlowConfig
from priorkit_noises.gaussian import Gaussian
from priorkit_operators.gaussian import Gaussian as Sensing
from priorkit_penalties.norms import NoPenalty
from priorkit_pixels.prior import NoPrior

from priorkit.interfaces import Level, LinearOperator, MatrixOperator, Operator, Problem
from priorkit.interfaces.draws import stacked
from priorkit.loop import solve
from priorkit.testing import check_prior

SHAPE = (3, 8, 8)
PATIENCE = 600  # seconds: what takes longer hangs, however busy the machine is


def smooth_pictures(folder, count, side):
    """So many small smooth pictures, 0.png and on, written into a folder."""
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def of_faults(table):
    """A test of each planted fault: what kind the component is, the component, what its check is
    told, and the message that the check must give."""
    names = [type(component).__name__ for _, component, _, _ in table]
    return pytest.mark.parametrize(("kind", "component", "told", "message"), table, ids=names)


def the_real_deepinv():
    """deepinv as a user has it; skips where it isn't there or can't be imported."""
    try:
        return pytest.importorskip("deepinv", reason="deepinv isn't installed: make venv doesn't")
    except RuntimeError as error:  # of a torchvision that is built for another torch
        return pytest.skip(f"deepinv can't be imported: {error}", allow_module_level=True)


def random_glow(seed=0, coupling="affine", offset=0.0, shape=SHAPE):
    """A Glow whose every parameter is random, so that no term of it is trivial."""
    torch.manual_seed(seed)
    config = GlowConfig(
        shape=shape, steps=(2, 2), width=(6, 5), scale_offset=(offset, 1.0), coupling=coupling
    )
    network = Glow(config).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.15 * torch.randn_like(parameter)
    return network


def a_problem(operator, y, *, prior=None, penalty=None, gamma=0.0, space="pixel", noise=None):
    """A problem with its data; the operator is bound already."""
    noise = (noise or Gaussian()).bind(operator.entries)
    penalty = penalty or NoPenalty()
    prior = prior or NoPrior()
    return Problem(operator, prior, noise, penalty, gamma, space, operator.shape).at(y)


def check_basis(basis, shape):
    """A prior that is an orthonormal basis, for images of a shape."""
    check_prior(basis, shape=shape)
    bound = basis.bind(shape)
    z = torch.randn(2, bound.latent_size, dtype=torch.float64)
    energy = (bound.decode(z) - 0.5).square().flatten(1).sum(1)
    assert torch.allclose(energy, z.square().sum(1)), "the basis isn't orthonormal"
    assert torch.allclose(bound.encode(bound.decode(z)), z)


def run(solver, problem, u0, budget):
    """The solution of a solver on a problem."""
    return found(*solve(solver, problem, u0, budget))


def found(ledger, cut=None):
    """What a ledger holds, in numbers of Python, with the draws put together."""
    drawn = [ledger.draws and ledger.draws.of(i) for i in range(ledger.count)]
    draws = stacked(drawn, ledger.problem.image(ledger.u)[: ledger.count])
    return SimpleNamespace(
        **vars(ledger) | {"evaluations": ledger.evaluations.tolist(), "draws": draws, "cut": cut}
    )


class Residuals(Operator):
    """A(x) whose squared norm is a function to minimise, with y = 0."""

    def __init__(self, function):
        self.function = function

    def A(self, x):
        return self.function(x)


def minimise(solver, function, u0, budget, y=None):
    """Minimise ‖function(u) − y‖² from u0 (B, n)."""
    operator = Residuals(function).bind((u0.shape[1],))
    y = torch.zeros(len(u0), *operator.y_shape, dtype=u0.dtype) if y is None else y
    return run(solver, a_problem(operator, y), u0, budget)


class Fourier(LinearOperator):
    """Every second row of the orthonormal Fourier transform: y is complex."""

    default_noise = Level(sigma=0.1)

    def A(self, x):
        return torch.fft.fft2(x, norm="ortho")[..., ::2, :]

    def A_adjoint(self, y):
        whole = torch.zeros(len(y), *self.shape, dtype=y.dtype)
        whole[..., ::2, :] = y
        return torch.fft.ifft2(whole, norm="ortho").real


class Rotated(MatrixOperator):
    """A complex matrix: every row of a real one with a phase of its own."""

    def __init__(self, m):
        self.base = Sensing(m=m)

    def prepare(self):
        self.base = self.base.bind(self.shape)
        self.y_shape = self.base.y_shape
        self.phase = torch.exp(1j * torch.arange(self.base.m, dtype=torch.float64))

    def A(self, x):
        return self.base.A(x) * self.phase.to(x.device, x.dtype.to_complex())

    def A_adjoint(self, y):
        return self.base.A_adjoint((y * self.phase.conj().to(y)).real)

    def rows(self, i, j):
        return self.base.rows(i, j) * self.phase[i:j, None]


def small_denoiser(shape=(3, 4, 4), channels=8):
    """A noise-conditional network that takes part of what differs from the mean of 2×2 pixels
    away, F(x) ≈ 2(mean − x), with every parameter random beside that."""
    torch.manual_seed(0)
    config = DenoiserConfig(
        channels=(channels, channels), blocks=(1, 1), attention=True, shape=shape, sigma=(0.1, 4.0)
    )
    network = DenoisingNetwork(config)
    with torch.no_grad():
        for part in (network.enter, network.leave, network.shrink, network.grow, network.merge):
            for parameter in part.parameters():
                parameter.zero_()
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
        network.shrink[0].weight += torch.eye(channels)[..., None, None] / 4
        network.grow[0].weight += torch.eye(channels)[..., None, None]
        ends = torch.eye(channels)[:, :3]
        network.enter.weight[:, :, 1, 1] += ends
        network.leave.weight[:, :, 1, 1] += ends.T
        both = torch.cat([2 * torch.eye(channels), -2 * torch.eye(channels)], 1)
        network.merge[0].weight += both[..., None, None]
    return network
