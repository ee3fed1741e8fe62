"""Faults that authors planted: global randomness, values that aren't finite, kinks, other dtypes,
and what a broken promise then says."""

import random
import sys

import numpy as np
import pytest
import torch
from priorkit_noises.gaussian import Gaussian as GaussianNoise
from priorkit_noises.poisson import Poisson
from priorkit_operators.pointwise import Identity
from priorkit_penalties.norms import L1, L2, L2Squared, NoPenalty
from priorkit_solvers.adam import Adam
from priorkit_sparsity.bases import DCT
from priorkit_starts.plain import Zero

from priorkit import testing
from priorkit.interfaces import (
    Component,
    Decoder,
    Denoiser,
    Density,
    IdentityOperator,
    LinearOperator,
    Noise,
    Operator,
    Penalty,
    ProximalPenalty,
    Sampler,
    Solver,
    State,
)
from priorkit.registry import registry
from priorkit.settings.select import resolve
from priorkit.testing import check_built, check_operator, outcomes
from tests.helpers import SHAPE, of_faults

# --- global random state ---------------------------------------------------------


class Seeds(Identity):
    """Seeds torch for everyone."""

    def A(self, x):
        torch.manual_seed(0)
        return x


class Dithers(Identity):
    """Draws from torch's global generator."""

    def A(self, x):
        return x + 1e-3 * torch.randn_like(x)


class NumpyNoise(GaussianNoise):
    """Draws from numpy's, and not from the streams."""

    def sample(self, Ax, streams):
        return Ax + self.std * torch.from_numpy(np.random.normal(size=tuple(Ax.shape))).to(Ax)


class RandomPenalty(L2Squared):
    """Draws from Python's, for nothing."""

    def value_grad(self, u):
        random.random()
        return super().value_grad(u)


class SeedingPrior(DCT):
    def decode(self, z):
        torch.manual_seed(1)
        return super().decode(z)


class SeedingSolver(Adam):
    def init(self, problem, u0, budget):
        np.random.seed(0)
        return super().init(problem, u0, budget)


class SeedingStart(Zero):
    def make(self, problem):
        torch.manual_seed(2)
        return super().make(problem)


# --- operators -------------------------------------------------------------------


class Affine(LinearOperator):
    """A x + 0.1."""

    def A(self, x):
        return x + 0.1

    def A_adjoint(self, y):
        return y


class Ratio(Operator):
    """x/|x|·x, which isn't a number where x is 0."""

    def A(self, x):
        return x.square() / x


class Double(LinearOperator):
    """Answers in float64 whatever it is given."""

    def A(self, x):
        return 2 * x.double()

    def A_adjoint(self, y):
        return 2 * y.double()


class Float(LinearOperator):
    """Answers in float32 whatever it is given."""

    def A(self, x):
        return 2 * x.float()

    def A_adjoint(self, y):
        return 2 * y.float()


class DoubleAdjoint(LinearOperator):
    """Its table makes float64 of what it turns back."""

    def A(self, x):
        return 2 * x

    def A_adjoint(self, y):
        return y * torch.full(y.shape, 2.0, dtype=torch.float64)


class DoubleNoise(GaussianNoise):
    """Adds what was drawn in float64."""

    def sample(self, Ax, streams):
        found = super().sample(Ax, streams)
        return found if found.is_complex() else found.double()


class Twice(IdentityOperator):
    """Says that it is the identity, and is not."""

    def A(self, x):
        return 2 * x

    A_adjoint = A


class Detached(Operator):
    def A(self, x):
        return 2 * x.detach()


class Numpy(Operator):
    def A(self, x):
        return torch.from_numpy(2 * x.numpy())


class Array(Operator):
    """Not a tensor at all."""

    def A(self, x):
        return 2 * x.detach().numpy()


# --- penalties and priors --------------------------------------------------------


class Kink(Penalty):
    """‖u‖₁, said to be smooth."""

    def value_grad(self, u):
        return u.flatten(1).double().abs().sum(1), u.sign()


class Groups(Penalty):
    """The sum of the lengths that the channels of a pixel make, said to be smooth."""

    def value_grad(self, u):
        size = u.norm(dim=1, keepdim=True)
        return size.flatten(1).double().sum(1), u / size.clamp_min(1e-30)


class RoundedOff(Penalty):
    """The same, rounded off, which is smooth."""

    def value_grad(self, u):
        size = (u.square().sum(1, keepdim=True) + 1e-6).sqrt()
        return size.flatten(1).double().sum(1), u / size


class Ones(NoPenalty):
    """1 everywhere."""

    def value_grad(self, u):
        value, gradient = super().value_grad(u)
        return value.double() + 1, gradient


class DoubleL1(L1):
    """Twice the norm, and no other promise is broken."""

    def value_grad(self, u):
        value, gradient = super().value_grad(u)
        return 2 * value, 2 * gradient

    def prox(self, u, step):
        return super().prox(u, 2 * step)

    def dual_norm(self, u):
        return super().dual_norm(u) / 2


class Alike(Sampler):
    """The same picture however many are asked for."""

    shape = SHAPE

    def sample(self, n, *, temperature=1.0, generator=None):
        return (temperature * torch.randn(1, *SHAPE, generator=generator)).expand(n, *SHAPE)


class NaNAtZero(L2):
    def value_grad(self, u):
        value, _ = super().value_grad(u)
        return value, u / value.to(u).view(-1, *[1] * (u.ndim - 1))


class SinglePenalty(L2Squared):
    """Adds up in float32."""

    def value_grad(self, u):
        value, gradient = super().value_grad(u)
        return value.float(), gradient


class ProxInPlace(ProximalPenalty):
    """R = 0 for u ≥ 0, whose prox clips the caller's own u; a second time that changes nothing."""

    smooth = False

    def value_grad(self, u):
        below = u.clamp_max(0)
        return 1e6 * -below.flatten(1).double().sum(1), -1e6 * (u < 0).to(u)

    def prox(self, u, step):
        return u.clamp_(min=0)


class DetachedDecoder(Decoder):
    latent_size = 192
    shape = SHAPE

    def decode(self, z):
        return z.detach().view(-1, *SHAPE)


class DetachedDensity(Density):
    shape = SHAPE

    def log_prob(self, x):
        return -x.detach().square().flatten(1).sum(1)


class NumpyDenoiser(Denoiser):
    def denoise(self, x, sigma):
        return 0.5 * x.numpy()


class Stays(LinearOperator):
    """Its table is on the processor, wherever x is."""

    def prepare(self):
        self.table = torch.full(self.shape, 2.0)

    def A(self, x):
        return x * self.table.to(x.dtype)

    A_adjoint = A


class Back(Identity):
    """Answers on the processor."""

    def A(self, x):
        return torch.zeros(x.shape, dtype=x.dtype)


class Counting(Identity):
    """Each answer is a little larger than the one before."""

    calls = 0

    def A(self, x):
        self.calls += 1
        return x * (1 + 1e-3 * self.calls)


class OwnDraws(Denoiser):
    """Draws from a generator of its own, which nobody seeded."""

    def __init__(self):
        self.generator = np.random.default_rng(3)

    def denoise(self, x, sigma):
        kick = torch.from_numpy(self.generator.normal(size=tuple(x.shape)))
        return 0.5 * x + 0.25 + 1e-3 * kick.to(x)


class Upside(Denoiser):
    """From the greatest level to the least."""

    levels = (1.0, 0.0)

    def denoise(self, x, sigma):
        return x


class SetsItself(DCT):
    """bind sets what it was called on, and returns that."""

    def bind(self, shape):
        self.shape = shape
        return super().bind(shape)


class PenaltySetsItself(L2Squared):
    def bind(self, prior, shape):
        self.entries = shape
        return self


class NotBound(L2Squared):
    def bind(self, prior, shape):
        self.entries = shape


class ClipsOutside(L2Squared):
    """Of what is in [0, 1] nothing is changed."""

    acts_on = "x"

    def value_grad(self, u):
        return super().value_grad(u.clamp_(0, 1))


class NoGradient(L2Squared):
    def value_grad(self, u):
        return super().value_grad(u)[0]


# --- noises and solvers ----------------------------------------------------------


class Barrier(GaussianNoise):
    """Infinite where A x is negative."""

    def misfit(self, Ax, y):
        value, gradient = super().misfit(Ax, y)
        return value.masked_fill((Ax < -0.5).flatten(1).any(1), torch.inf), gradient


class Exploding(Noise):
    """Near y a sum of squares, and further away an exponential that no number can be."""

    known = False
    energy = 0.0
    std = 0.0

    def sample(self, Ax, streams):
        return Ax

    def misfit(self, Ax, y):
        r = Ax.double() - y
        return (2 * (r.exp() - 1 - r)).flatten(1).sum(1), (2 * (r.exp() - 1)).to(Ax)


class Counter(Adam):
    """A rate that falls the more steps the object ever took, which still leads to the minimum."""

    def step(self, problem, state):
        self.rate = max(0.05, 0.99 * self.rate)
        return super().step(problem, state)


class Slow(Solver):
    """Gradient steps that are far too short."""

    def init(self, problem, u0, budget):
        return State.begin(u0)

    def step(self, problem, state):
        now = problem.value_grad(state.u)
        state.value, state.misfit = now.value, now.misfit
        state.evaluations = state.evaluations + 1
        return state


class Blended(Poisson):
    """Gives every image of a batch some of the others."""

    def restore(self, v):
        return super().restore(v) + 1e-3 * (v.mean() - v)


class Imports(Identity):
    """Needs a library at its first call, which draws when it is imported."""

    def A(self, x):
        import priorkit_drawing  # noqa: F401

        return x


def test_what_a_library_draws_when_it_is_imported_is_nobodys_call(tmp_path, monkeypatch):
    (tmp_path / "priorkit_drawing.py").write_text("import random\n\nrandom.random()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "priorkit_drawing", raising=False)
    check_operator(Imports(), shape=SHAPE)


FAULTS = [
    ("operator", Seeds(), {"shape": SHAPE}, "draws from or seeds torch's global generator"),
    ("operator", Dithers(), {"shape": SHAPE}, "draws from or seeds torch's global generator"),
    ("noise", NumpyNoise(sigma=0.1), {}, "draws from or seeds numpy.random"),
    ("penalty", RandomPenalty(), {"shape": SHAPE}, "draws from or seeds Python's random"),
    ("prior", SeedingPrior(), {"shape": SHAPE}, "draws from or seeds torch's global generator"),
    ("solver", SeedingSolver(rate=0.1), {"budget": 800}, "draws from or seeds numpy.random"),
    ("start", SeedingStart(), {}, "draws from or seeds torch's global generator"),
    ("operator", Affine(), {"shape": SHAPE}, r"A\(0\) isn't 0, it is up to 0.1"),
    ("operator", Ratio(), {"shape": SHAPE}, r"A\(0\) isn't finite: nan"),
    ("operator", Double(), {"shape": SHAPE}, "A gives torch.float64 for torch.float32"),
    ("operator", Float(), {"shape": SHAPE}, "A gives torch.float32 for torch.float64"),
    ("operator", DoubleAdjoint(), {"shape": SHAPE}, "vjp gives torch.float64 for torch.float32"),
    ("noise", Blended(gain=0.01), {}, "restore depends on the batch"),
    ("noise", DoubleNoise(sigma=0.1), {}, "sample gives torch.float64 for torch.float32"),
    ("operator", Detached(), {"shape": SHAPE}, "the result of A has no gradient"),
    ("operator", Numpy(), {"shape": SHAPE}, "the result of A has no gradient.*numpy"),
    ("operator", Array(), {"shape": SHAPE}, "A must give measurements .B, ….*Got ndarray"),
    (
        "operator",
        Stays(),
        {"shape": SHAPE},
        "A has a tensor of the processor beside one",
    ),
    ("operator", Back(), {"shape": SHAPE}, "A answers on the processor to an input on another"),
    ("operator", Counting(), {"shape": SHAPE}, "A, asked again, differs: off by"),
    ("prior", OwnDraws(), {"shape": SHAPE}, "denoise, asked again, differs: off by"),
    ("prior", OwnDraws(), {"shape": (12,)}, "denoise, asked again, differs: off by"),
    ("prior", Upside(), {"shape": SHAPE}, r"levels is \(1.0, 0.0\)"),
    ("prior", SetsItself(), {"shape": SHAPE}, "bind changes the component itself.*: shape"),
    ("penalty", PenaltySetsItself(), {"shape": SHAPE}, "bind changes the component.*: entries"),
    ("penalty", NotBound(), {"shape": SHAPE}, "bind gives builtins.NoneType, not the bound copy"),
    ("penalty", ClipsOutside(), {"shape": SHAPE}, "value_grad changes its input"),
    ("penalty", NoGradient(), {"shape": SHAPE}, "value_grad gives torch.Tensor, not two tensors"),
    ("penalty", Kink(), {"shape": SHAPE}, "the gradient jumps where entries of u pass 0"),
    ("penalty", Groups(), {"shape": SHAPE}, "the gradient jumps where entries of u pass 0"),
    ("penalty", NaNAtZero(), {"shape": SHAPE}, "the gradient at u = 0 isn't finite: nan"),
    ("penalty", SinglePenalty(), {"shape": SHAPE}, "the value is torch.float32, not float64"),
    ("penalty", ProxInPlace(), {"shape": SHAPE}, "prox changes its input"),
    ("prior", DetachedDecoder(), {}, "the result of decode has no gradient"),
    ("prior", DetachedDensity(), {}, "the result of log_prob has no gradient"),
    ("prior", NumpyDenoiser(), {"shape": SHAPE}, "denoise gives numpy.ndarray, not a tensor"),
    ("noise", Barrier(sigma=0.1), {}, "the misfit at A x = -1000 isn't finite: inf"),
    ("noise", Exploding(), {}, "the misfit at A x = 1000 isn't finite: inf"),
    ("solver", Counter(rate=0.1), {"budget": 800}, "after 20 evaluations, after another solve"),
    ("solver", Slow(), {"budget": 30}, r"it ended stopped \(budget\) after 30 evaluations"),
]


@of_faults(FAULTS)
def test_a_planted_fault_is_found(kind, component, told, message):
    with pytest.raises(AssertionError, match=message):
        getattr(testing, f"check_{kind}")(component, **told)


def test_what_is_rounded_off_is_smooth():
    testing.check_penalty(RoundedOff(), shape=SHAPE)
    testing.check_penalty(RoundedOff(), shape=(1, 20))


def test_a_fault_is_told_once_and_with_a_hint():
    """Not by what follows from it, and no hint begins in the middle of a sentence."""

    def broken(kind, component, **told):
        check = getattr(testing, f"check_{kind}")
        return [o for o in outcomes(lambda: check(component, **told)) if o.broken]

    (affine,) = broken("operator", Affine(), shape=SHAPE)
    assert "subtract b" in affine.hint
    (detached,) = broken("operator", Detached(), shape=SHAPE)
    assert ".detach()" in detached.hint
    (single,) = broken("penalty", SinglePenalty(), shape=SHAPE)
    assert ".double()" in single.hint
    (kink,) = broken("penalty", Kink(), shape=SHAPE)
    assert kink.hint.startswith("smooth = False")
    (twice,) = broken("operator", Twice(), shape=SHAPE)
    assert twice.promise == "A x is x"
    (alike,) = broken("prior", Alike())
    assert alike.promise == "sample follows its generator and temperature"
    (ones,) = broken("penalty", Ones(), shape=SHAPE)
    assert ones.promise == "R is 0"
    (double,) = broken("penalty", DoubleL1(), shape=SHAPE)
    assert double.promise == "R is ‖u‖₁"
    slow = broken("solver", Slow(), budget=30)[0]
    assert slow.hint.startswith("another rate")


def test_what_needs_numbers_is_not_tried_on_another_device():
    """A denoiser of numpy has none there, which says nothing against it."""

    class Halves(Denoiser):
        def denoise(self, x, sigma):
            return torch.from_numpy(0.5 * x.numpy() + 0.25)

    found = outcomes(lambda: testing.check_prior(Halves(), shape=SHAPE))
    (device,) = [outcome for outcome in found if outcome.untried]
    assert device.promise == "denoise computes on the device of its input"


def test_a_check_leaves_global_state_as_it_was():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for operator in (Identity(), Seeds()):
        outcomes(lambda operator=operator: testing.check_operator(operator, shape=SHAPE))
    assert torch.equal(torch.get_rng_state(), before)


# --- constructors ----------------------------------------------------------------


class Drawn(Component):
    """Weights of a seed, of its own or of nobody's."""

    def __init__(self, draw):
        self.table = {"w": draw()}


class Network(Component):
    def __init__(self, seed=None):
        self.network = torch.nn.Linear(2, 2)
        if seed is not None:
            with torch.no_grad():
                self.network.weight.fill_(seed)
                self.network.bias.fill_(seed)


@pytest.mark.parametrize(
    ("build", "place"),
    [
        (lambda: Drawn(lambda: torch.rand(())), r"Drawn.table\['w'\]"),
        (lambda: Drawn(lambda: float(np.random.default_rng().normal())), r"Drawn.table\['w'\]"),
        (lambda: Drawn(lambda: np.random.rand(3)), r"Drawn.table\['w'\]"),
        (lambda: Drawn(lambda: [0] * 99 + [{"a": torch.randn(3)}]), r"\['w'\]\[99\]\['a'\]"),
        (lambda: Drawn(lambda: torch.eye(3).to_sparse() * torch.rand(())), r"\['w'\]"),
        (lambda: Drawn(np.random.default_rng), r"Drawn.table\['w'\]"),
        (Network, "Network.network.*weight"),
    ],
)
def test_a_constructor_that_draws_is_found(build, place):
    with pytest.raises(AssertionError, match=place + ".*has other values each time"):
        check_built(build(), build)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Drawn(lambda: torch.rand((), generator=torch.Generator().manual_seed(0))),
        lambda: Drawn(lambda: np.random.default_rng(0)),
        lambda: Drawn(lambda: torch.tensor([torch.nan, 1j])),
        lambda: Drawn(lambda: torch.eye(3, dtype=torch.bool).to_sparse()),
        lambda: Drawn(lambda: np.array([object(), None, lambda: 0])),
        lambda: Drawn(lambda: {object(): [float("nan")]}),
        lambda: Network(seed=1),  # drawn, and then replaced, as weights are
    ],
)
def test_one_that_follows_its_seed_passes(build):
    check_built(build(), build)


KINDS = ("operator", "noise", "penalty", "prior", "solver", "start")
OPTIONS = {"operator": {"gaussian", "rademacher", "srht", "matrix", "deepinv", "function"}}
OPTIONS |= {"prior": {"glow", "dcgan", "realnvp", "diffusion", "deepinv", "function"}}
OPTIONS |= {"penalty": {"function"}}
OPTIONS |= {"noise": {"laplace", "weighted"}, "start": {"fixed-norm"}}  # which these need
PLAIN = [
    (entry.kind, entry.name)
    for kind in KINDS
    for entry in registry().entries(kind)
    if entry.target.startswith("priorkit_") and entry.name not in OPTIONS.get(kind, ())
]


@pytest.mark.parametrize(("kind", "name"), PLAIN)
def test_a_shipped_component_is_built_the_same_again(kind, name):
    check_built(resolve(kind, name).build(0), lambda: resolve(kind, name).build(0))
