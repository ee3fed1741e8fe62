"""A component that answers otherwise than it promises is named, by what it did, whoever would have
reckoned with it next."""

import pytest
import torch
from priorkit_noises.gaussian import Gaussian
from priorkit_operators.fourier import Fourier
from priorkit_operators.pointwise import Identity
from priorkit_penalties.norms import L2Squared
from priorkit_pixels.prior import NoPrior
from priorkit_solvers.adam import Adam
from priorkit_starts.plain import Zero

import priorkit
from priorkit.interfaces import Decoder, Denoiser, Noise, Penalty, Requires, Solver, Start


def changed(base, **methods):
    """A class like another one but for some methods, which get what the others give."""

    def method(name, change):
        return lambda self, *args: change(getattr(base, name)(self, *args))

    return type("Odd", (base,), {name: method(name, change) for name, change in methods.items()})


class Halving(Denoiser):
    def denoise(self, x, sigma):
        return x / 2


class Doubling(Decoder):
    shape, latent_size = (1, 8, 8), 64

    def decode(self, z):
        return 2 * z.view(-1, 1, 8, 8)


IDENTITY = {"prior": NoPrior(), "op": Identity(), "sigma": 0.1, "shape": (1, 8, 8), "budget": 3}
PENALISED = {"penalty": L2Squared(), "gamma": 0.1, "solver": Adam()}


def moved(state):
    state.u = state.u.view(-1, 1, 8, 8)
    return state


def summed(state):
    state.value = state.value.sum()
    return state


def doubled(state):
    state.u = state.u.double()
    return state


def flat(x):
    return x.flatten(1)


def first(found):
    return found[0]


def nothing(found):
    return None


def summed_first(found):
    return found[0].sum(), found[1]


def own(state):
    state.first, state.second = state.first[0], state.second
    return state


CASES = [
    ("op", changed(Identity, A=nothing)(), {}, "Odd.A must give measurements .*Got None"),
    ("op", changed(Identity, A=lambda y: y[..., 1:])(), {}, "Odd.A_adjoint must .*8, 7"),
    ("op", changed(Identity, A_adjoint=flat)(), {}, r"Odd.A_adjoint must .*\(1, 1, 8, 8\).*64"),
    ("op", changed(Identity, A_adjoint=nothing)(), {}, "Odd.A_adjoint must .*Got None"),
    (
        "op",
        changed(Fourier, A_adjoint=lambda x: x + 1j)(),
        {"solver": Adam()},
        "Odd.A_adjoint must give a real tensor .*Got torch.complex64 of shape",
    ),
    ("op", changed(Identity, bind=nothing)(), {}, "Odd.bind must return.*Got None"),
    ("prior", changed(Halving, denoise=first)(), {}, "Odd.denoise must .*shape .1, 8, 8."),
    ("prior", changed(Halving, bind=nothing)(), {}, "Odd.bind must return.*Got None"),
    ("prior", changed(Doubling, decode=flat)(), {}, "Odd.decode must .*Got shape .1, 64."),
    ("noise", changed(Gaussian, sample=flat)(sigma=0.1), {}, "Odd.sample must .*Got shape .1, 64."),
    ("noise", changed(Gaussian, misfit=first)(sigma=0.1), {}, "Odd.misfit must give two tensors"),
    ("noise", changed(Gaussian, misfit=summed_first)(sigma=0.1), {}, "Odd.misfit must .*Got shape"),
    ("penalty", changed(L2Squared, value_grad=first)(), PENALISED, "Odd.value_grad must give two"),
    ("penalty", changed(L2Squared, value_grad=summed_first)(), PENALISED, "Odd.value_grad must"),
    ("penalty", changed(L2Squared, bind=nothing)(), PENALISED, "Odd.bind must return.*Got None"),
    ("solver", changed(Adam, init=nothing)(), {}, "Odd.init must return the state. Got None"),
    ("solver", changed(Adam, step=nothing)(), {}, "Odd.step must return the state. Got None"),
    ("solver", changed(Adam, step=moved)(), {}, "Odd.step, as state.u, must .*Got shape"),
    ("solver", changed(Adam, step=summed)(), {}, "Odd.step, as state.value, must .*Got shape"),
    ("solver", changed(Adam, step=doubled)(), {}, "must leave state.u in .*float32. Got torch.f"),
    ("solver", changed(Adam, init=own)(), {}, "Odd.init: state.first must have a row per image"),
    ("start", changed(Zero, make=nothing)(), {}, "Odd.make must .*Got None"),
    ("start", changed(Zero, make=lambda u: u.numpy())(), {}, "Odd.make must .*Got ndarray"),
]


@pytest.mark.parametrize(("kind", "component", "settings", "message"), CASES)
def test_who_answers_otherwise_is_named(kind, component, settings, message):
    said = {**IDENTITY, **settings, kind: component}
    if "noise" in said:
        del said["sigma"]
    with pytest.raises(priorkit.PriorkitError, match=message) as told:
        priorkit.recover(**said)
    assert "Try: priorkit check" in str(told.value)


# --- what is known when a class is written -------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "name", "value", "message"),
    [
        (Noise, "energy", lambda self: 1.0, "Mine.energy overrides a property of Noise.*@property"),
        (Decoder, "latent_size", lambda self: 3, "overrides a property of Decoder"),
        (Denoiser, "denoise", property(lambda self: 1.0), "overrides a method of Denoiser"),
        (Penalty, "acts_on", "image", "Mine.acts_on is 'u' or 'x', and not 'image'"),
        (Penalty, "requires", Requires(), "Mine.requires is a tuple of classes of priors"),
        (Solver, "requires", (Denoiser,), "Mine.requires is a Requires, such as"),
        (Start, "requires", (Decoder,), "Mine.requires is a Requires, such as"),
    ],
)
def test_a_class_that_can_not_work_is_refused_where_it_is_written(base, name, value, message):
    with pytest.raises(TypeError, match=message):
        type("Mine", (base,), {name: value})


def test_a_property_may_be_an_attribute_of_the_class():
    assert Doubling().latent_size == 64
    assert torch.equal(Doubling().decode(torch.ones(1, 64)), torch.full((1, 1, 8, 8), 2.0))
