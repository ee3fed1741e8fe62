"""Every first-party component passes the contract that third-party ones are held to."""

import numpy as np
import pytest
import scipy.sparse
import torch
from priorkit_glow.network import Glow, GlowConfig
from priorkit_glow.prior import GlowPrior
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.matrix import Matrix
from priorkit_operators.pointwise import Identity, Mask
from priorkit_penalties.likelihood import NLL
from priorkit_penalties.norms import L1, L2, L2Squared, NoPenalty
from priorkit_penalties.variation import TotalVariation
from priorkit_solvers.adam import Adam
from priorkit_solvers.lbfgs import LBFGS
from scipy.sparse.linalg import aslinearoperator

from priorkit.interfaces import LinearOperator
from priorkit.testing import check_operator, check_penalty, check_prior, check_solver

SHAPE = (3, 8, 8)
DENSE = np.random.default_rng(0).normal(size=(17, 192))

OPERATORS = {
    "identity": Identity(),
    "gaussian": Gaussian(m=20, seed=3),
    "gaussian not stored": Gaussian(m=20, seed=3, store=0),
    "mask center": Mask(),
    "mask random": Mask(mask="random", fraction=0.4, seed=5),
    "mask left": Mask(mask="left"),
    "mask bottom": Mask(mask="bottom", fraction=0.25),
    "mask array": Mask(mask=np.eye(8)),
    "matrix dense": Matrix(matrix=DENSE),
    "matrix sparse": Matrix(matrix=scipy.sparse.random(17, 192, 0.1, random_state=0)),
    "matrix free": Matrix(matrix=aslinearoperator(DENSE)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name):
    check_operator(OPERATORS[name], shape=SHAPE)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_can_be_bound_again(name):
    """What was worked out for one shape isn't used for another."""
    bound = OPERATORS[name].bind(SHAPE)
    bound.A(torch.zeros(1, *SHAPE))
    if not name.startswith("matrix") and name != "mask array":
        check_operator(bound, shape=(3, 4, 4))
    check_operator(bound, shape=SHAPE)


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


@pytest.mark.parametrize("coupling", ["affine", "additive"])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_glow(coupling, offset):
    check_prior(GlowPrior.from_network(random_glow(coupling=coupling, offset=offset)))


PENALTIES = {
    "none": NoPenalty(),
    "l1": L1(),
    "l2": L2(),
    "l2-squared": L2Squared(),
    "tv": TotalVariation(),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalty(name):
    check_penalty(PENALTIES[name], shape=SHAPE)


def test_likelihood():
    prior = GlowPrior.from_network(random_glow(offset=0.1))
    check_penalty(NLL(), shape=SHAPE, prior=prior)


@pytest.mark.parametrize("history", [5, 100])
def test_lbfgs(history):
    check_solver(LBFGS(history=history, tolerance=1e-9), tolerance=1e-8)


def test_adam():
    check_solver(Adam(rate=0.05), budget=1500)


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


@pytest.mark.parametrize(
    ("operator", "message"), [(WrongAdjoint(), "Jacobian"), (Leaky(), "of a batch")]
)
def test_the_contract_finds_defects(operator, message):
    """A contract that can't fail proves nothing."""
    with pytest.raises(AssertionError, match=message):
        check_operator(operator, shape=SHAPE)


class WrongGradient(L2Squared):
    """‖u‖² with the gradient of half of it."""

    def value_grad(self, u):
        value, gradient = super().value_grad(u)
        return value, gradient / 2


def test_the_contract_finds_a_wrong_gradient():
    with pytest.raises(AssertionError, match="gradient"):
        check_penalty(WrongGradient(), shape=SHAPE)
