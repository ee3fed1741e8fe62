"""A contract that can't fail proves nothing: planted faults, each caught by the right check."""

import pytest
import torch
from priorkit_noises.gaussian import Gaussian as GaussianNoise
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Identity, Mask
from priorkit_penalties.norms import L1, L2, L2Squared
from priorkit_pixels.prior import NoPrior
from priorkit_solvers.adam import Adam
from priorkit_solvers.diffpir import DiffPIR
from priorkit_solvers.fista import FISTA
from priorkit_solvers.lbfgs import LBFGS
from priorkit_sparsity.bases import DCT
from priorkit_starts.plain import Normal

from priorkit import testing
from priorkit.errors import PluginError
from priorkit.interfaces import (
    Denoiser,
    LinearOperator,
    Noise,
    Sampler,
    Solver,
    Start,
    State,
)
from priorkit.streams import Streams
from tests.helpers import SHAPE, Fourier, of_faults

# --- operators -------------------------------------------------------------------


class WrongAdjoint(LinearOperator):
    """A x = 2x with an adjoint that forgets the 2."""

    def A(self, x):
        return 2 * x

    def A_adjoint(self, y):
        return y


class Leaky(LinearOperator):
    """Subtracts the mean of the batch, so that images influence each other."""

    def A(self, x):
        return x - x.mean(0, keepdim=True)

    def A_adjoint(self, y):
        return y - y.mean(0, keepdim=True)


class NoConjugate(Fourier):
    """The transposed transform instead of the adjoint one."""

    def A_adjoint(self, y):
        return super().A_adjoint(y.conj())


class ComplexAdjoint(Fourier):
    """An adjoint that leaves the imaginary part in."""

    def A_adjoint(self, y):
        return super().A_adjoint(y) + 1j * super().A_adjoint(-1j * y)


class InPlace(Identity):
    """Clips the caller's own image."""

    def A(self, x):
        return x.clamp_(0, 1)


class NotIdentity(Identity):
    """Says that it is the identity, and is not."""

    def A(self, x):
        return 2 * x

    def A_adjoint(self, y):
        return 2 * y


class LeakyMask(Mask):
    """Measures a little behind its own mask."""

    def A(self, x):
        return x * (self.mask.to(x) + 0.1)

    A_adjoint = A


class WrongSize(Identity):
    """Says that the image is twice as large as it is."""

    def shape_from(self, y_shape):
        return (y_shape[0], 2 * y_shape[1], 2 * y_shape[2])


class WrongRows(Gaussian):
    """Rows of another scale than the products."""

    def rows(self, i, j):
        return super().rows(i, j) * (i + 1)


class BindsItself(Identity):
    """bind changes the operator that was given."""

    def bind(self, shape):
        self.shape = self.y_shape = shape
        return self


# --- priors ----------------------------------------------------------------------


class ShiftedEncoder(DCT):
    """Forgets the ½ of its decoder."""

    def encode(self, x):
        return self.decode_adjoint(x)


class HalfPullback(DCT):
    """Half the gradient."""

    def decode_vjp(self, z):
        x, pullback = super().decode_vjp(z)
        return x, lambda r: pullback(r) / 2


class Idle(Denoiser):
    """Gives the noise back."""

    def denoise(self, x, sigma):
        return x


class Blur(Denoiser):
    """A mean over neighbours, which removes noise of smooth images if there is much of it."""

    levels = (0.1, 1.0)

    def denoise(self, x, sigma):
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class BatchDenoiser(Blur):
    """Mixes a little of the batch's mean in."""

    def denoise(self, x, sigma):
        return super().denoise(x, sigma) + 1e-3 * x.mean(0, keepdim=True)


class Boundless(Blur):
    """Says that it removes the least noise too, and takes more away."""

    levels = (0.0, 1.0)


class MeanLevel(Blur):
    """One sigma for a batch, whatever each image has."""

    def denoise(self, x, sigma):
        mean = torch.as_tensor(sigma).mean()
        return x + mean.sqrt() * (super().denoise(x, sigma) - x)


class NumberAlone(Blur):
    """Another estimate where sigma comes as a tensor."""

    def denoise(self, x, sigma):
        return super().denoise(x, sigma) * (1.01 if isinstance(sigma, torch.Tensor) else 1)


class GreedyDenoiser(Blur):
    """Changes what it was given."""

    def denoise(self, x, sigma):
        return x.copy_(super().denoise(x, sigma))


class Feverish(Sampler):
    """Draws that don't cool down."""

    shape = SHAPE

    def sample(self, n, *, temperature=1.0, generator=None):
        return torch.rand(n, *SHAPE, generator=generator)


# --- noises ----------------------------------------------------------------------


class NoImaginary(GaussianNoise):
    """Noise in the real part only."""

    def sample(self, Ax, streams):
        return Ax + self.std * streams.normal(Ax[0].numel()).view(Ax.shape).to(Ax)


class SharedNoise(GaussianNoise):
    """One draw for the whole batch."""

    def sample(self, Ax, streams):
        first = Streams(streams.seed, streams.purpose, [0] * len(Ax))
        return super().sample(Ax, first)


class NoLogVariance(Noise):
    """(y − a)²/v(a) of a variance that depends on what is measured, without ln v(a): larger A x
    are then always likelier."""

    gain = 0.05
    known = True

    @property
    def energy(self):
        return self.entries * self.gain

    @property
    def std(self):
        return self.gain**0.5

    def sample(self, Ax, streams):
        return Ax + (self.gain * Ax).sqrt() * streams.normal(Ax[0].numel()).view(Ax.shape).to(Ax)

    def misfit(self, Ax, y):
        v, r = self.gain * Ax.double(), y.double() - Ax
        gradient = -2 * r / v - self.gain * r.square() / v.square()
        return self.gain * (r.square() / v).flatten(1).sum(1), (self.gain * gradient).to(Ax)


class LogVariance(NoLogVariance):
    """With it, and so with its least value beside y, and not said to be."""

    def misfit(self, Ax, y):
        value, gradient = super().misfit(Ax, y)
        return value + self.gain * self.lifted(Ax, y), gradient + self.gain / Ax

    def lifted(self, Ax, y):
        """ln v(a), moved so that y as expected isn't least."""
        return (Ax.double().log() - y.double().log() + 0.05).flatten(1).sum(1)


class FarLogVariance(LogVariance):
    """Said to be, but below 0: its least value isn't taken off."""

    centred = False

    def lifted(self, Ax, y):
        return (Ax.double().log() - y.double().log() - 0.05).flatten(1).sum(1)


class LoudNoise(GaussianNoise):
    """Twice the noise that it says."""

    def sample(self, Ax, streams):
        return 2 * super().sample(Ax, streams) - Ax


class HalfMisfit(GaussianNoise):
    """½‖A x − y‖², which is another convention."""

    def misfit(self, Ax, y):
        value, gradient = super().misfit(Ax, y)
        return value / 2, gradient / 2


# --- penalties -------------------------------------------------------------------


class WrongGradient(L2Squared):
    """‖u‖² with the gradient of half of it."""

    def value_grad(self, u):
        value, gradient = super().value_grad(u)
        return value, gradient / 2


class WrongProx(L1):
    """Thresholds at half the step."""

    def prox(self, u, step):
        return super().prox(u, step / 2)


class WrongDual(L2):
    """Its own norm is not the dual of another."""

    def dual_norm(self, u):
        return u.flatten(1).abs().amax(1)


# --- solvers and starts ----------------------------------------------------------


class Lazy(Adam):
    """Counts every second evaluation only."""

    def step(self, problem, state):
        problem.value_grad(state.point)
        return super().step(problem, state)


class Dear(Adam):
    """Counts two evaluations for one."""

    def step(self, problem, state):
        state = super().step(problem, state)
        state.evaluations = state.evaluations + 1
        return state


class DearDenoiser(DiffPIR):
    """Counts two calls of the denoiser for one."""

    def step(self, problem, state):
        state = super().step(problem, state)
        state.evaluations = state.evaluations + 1
        return state


class LazyDenoiser(DiffPIR):
    """Counts every second call of the denoiser only."""

    def step(self, problem, state):
        problem.prior.denoise(problem.image(state.u), 0.1)
        return super().step(problem, state)


class Boastful(LBFGS):
    """Reports a lower value than that of its u."""

    def step(self, problem, state):
        state = super().step(problem, state)
        state.value = state.value * 0.99
        return state


class Contagious(FISTA):
    """The curvature of image 0's own measurement, used for all."""

    def init(self, problem, u0, budget):
        state = super().init(problem, u0, budget)
        state.L = state.L * (1 + float(problem.y[0].abs().max()))
        return state


class Spendthrift(LBFGS):
    """Takes two trials for one."""

    def step(self, problem, state):
        return super().step(problem, super().step(problem, state))


class Ahead(Adam):
    """Moves u after what its value was found of, as a plain gradient step may be written."""

    def step(self, problem, state):
        state = super().step(problem, state)
        state.u = state.u - 0.01 * problem.value_grad(state.u).grad
        return state


class InDouble(Adam):
    """Goes on in float64, whatever the run is in."""

    def step(self, problem, state):
        state = super().step(problem, state)
        state.u, state.point = state.u.double(), state.point.double()
        return state


class Wordy(Adam):
    """Ends in a word of its own."""

    def step(self, problem, state):
        state = super().step(problem, state)
        state.end(state.evaluations > 3, "finished", "all is done")
        return state


class Idler(Solver):
    """Takes steps that cost nothing and lead nowhere."""

    def init(self, problem, u0, budget):
        return State.begin(u0)

    def step(self, problem, state):
        return state


class ByPlace(Normal):
    """Draws by the place in the batch, not by the number of the image."""

    def make(self, problem):
        return super().make(problem.at(problem.y, problem.truth))


class Stuck(Normal):
    """The same draws in every restart."""

    def make(self, problem):
        return super().make(problem.at(problem.y, problem.truth, problem.images))


class Flat(Start):
    """One row for a whole batch."""

    def make(self, problem):
        return torch.zeros(1, problem.size)


FAULTS = [
    ("operator", WrongAdjoint(), {"shape": SHAPE}, "Jacobian"),
    ("operator", Leaky(), {"shape": SHAPE}, "of a batch"),
    ("operator", NoConjugate(), {"shape": SHAPE}, "Jacobian"),
    ("operator", ComplexAdjoint(), {"shape": SHAPE}, "complex"),
    ("operator", InPlace(), {"shape": SHAPE}, "changes its input"),
    ("operator", WrongSize(), {"shape": SHAPE}, "shape_from says that x is .3, 16, 16.,"),
    ("operator", NotIdentity(), {"shape": SHAPE}, "A x isn't x"),
    ("operator", LeakyMask(), {"shape": SHAPE}, "isn't 0 where the mask is"),
    ("operator", WrongRows(m=9), {"shape": SHAPE}, "rows"),
    ("operator", BindsItself(), {"shape": SHAPE}, "not a copy"),
    ("prior", ShiftedEncoder(), {"shape": SHAPE}, "isn't x"),
    ("prior", HalfPullback(), {"shape": SHAPE}, "transposed Jacobian"),
    ("prior", Idle(), {"shape": (1, 16, 16)}, "doesn't remove noise"),
    ("prior", BatchDenoiser(), {"shape": (1, 16, 16)}, "differs from a batch"),
    ("prior", Boundless(), {"shape": (1, 16, 16)}, "doesn't remove noise of sigma 0.02"),
    ("prior", MeanLevel(), {"shape": (1, 16, 16)}, "sigma 0.1 as a number and as that of one"),
    ("prior", NumberAlone(), {"shape": (1, 16, 16)}, "sigma 0.1 as a number and as that of one"),
    ("prior", GreedyDenoiser(), {"shape": (1, 16, 16)}, "changes its input"),
    ("prior", Feverish(), {}, "temperature 0"),
    ("noise", NoImaginary(sigma=0.1), {}, "two parts"),
    ("noise", SharedNoise(sigma=0.1), {}, "depends on the batch|same noise"),
    ("noise", LoudNoise(sigma=0.1), {}, "expected_misfit says"),
    ("noise", HalfMisfit(sigma=0.1), {}, "second order"),
    ("noise", NoLogVariance(), {}, "estimates are biased"),
    ("noise", LogVariance(), {}, "misfit isn't 0 at A x = y"),
    ("noise", FarLogVariance(), {}, "misfit is below 0"),
    ("penalty", WrongGradient(), {"shape": SHAPE}, "gradient"),
    ("penalty", WrongProx(), {"shape": SHAPE}, "minimiser"),
    ("penalty", WrongDual(), {"shape": SHAPE}, "dual|above"),
    ("solver", Lazy(rate=0.05), {"budget": 1500}, "products with A"),
    ("solver", Dear(rate=0.05), {"budget": 3000}, "1 product with A and counted 2 evaluations"),
    ("solver", DearDenoiser(), {}, "1 call of the denoiser and counted 2 calls of the denoiser"),
    ("solver", LazyDenoiser(), {}, "2 calls of the denoiser and counted 1 call of the denoiser"),
    ("solver", Boastful(), {}, "value isn't that of u"),
    ("solver", Contagious(tolerance=1e-9), {}, "another measured|fell to"),
    ("solver", Spendthrift(), {}, "budget"),
    ("solver", Ahead(), {}, "value isn't that of u after two evaluations"),
    ("solver", InDouble(), {}, "must leave state.u in the precision of u0, torch.float32"),
    ("solver", Wordy(), {}, "'finished'. is no status: converged, stopped, diverged"),
    ("start", ByPlace(), {}, "depends on its batch"),
    ("start", Stuck(), {}, "two restarts"),
    ("start", Flat(), {}, "shape"),
]


@of_faults(FAULTS)
def test_a_fault_is_caught(kind, component, told, message):
    with pytest.raises((AssertionError, PluginError), match=message):
        getattr(testing, f"check_{kind}")(component, **told)


def test_the_same_without_its_fault_passes():
    """So that what is caught is the fault."""
    testing.check_operator(Fourier(), shape=SHAPE)
    testing.check_prior(Blur(), shape=(1, 16, 16))
    testing.check_prior(NoPrior(), shape=SHAPE)


class Single(LinearOperator):
    """Weights in float32, which refuse a float64 input."""

    def __init__(self, scale=1.0):
        self.kernel, self.scale = torch.full((1, 1, 3, 3), 1 / 9), scale

    def A(self, x):
        return torch.nn.functional.conv2d(x, self.kernel.to(x.device), padding=1)

    def A_adjoint(self, y):
        kernel = self.kernel.to(y.device)
        return self.scale * torch.nn.functional.conv_transpose2d(y, kernel, padding=1)


def test_float32_alone_is_checked_in_float32():
    testing.check_operator(Single(), shape=(1, 8, 8))
    with pytest.raises(AssertionError, match="Jacobian"):
        testing.check_operator(Single(scale=1.2), shape=(1, 8, 8))


def test_a_step_that_leads_nowhere_is_an_error():
    """Rather than a loop that never ends."""
    with pytest.raises(PluginError, match="without counting an evaluation"):
        testing.check_solver(Idler())
