"""The frozen problem: its rows, its spaces, and its matrix."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from priorkit_operators.matrix import Matrix
from priorkit_penalties.norms import L2Squared
from priorkit_sparsity.bases import DCT

from priorkit.interfaces import Pixels, Requires
from priorkit.linear import least_squares
from priorkit.testing import check_operator, check_prior, problem_for
from tests.helpers import Rotated, a_problem


def test_it_is_frozen_and_can_be_replaced():
    problem = problem_for(Requires())
    with pytest.raises(FrozenInstanceError):
        problem.gamma = 1.0
    heavier = replace(problem, gamma=2.0, penalty=L2Squared())
    u = torch.ones(4, 16, dtype=torch.float64)
    gap = heavier.value_grad(u).value - problem.value_grad(u).value
    assert torch.allclose(gap, torch.full_like(gap, 2.0 * 16))


def test_without_data_it_says_so():
    problem = replace(problem_for(Requires()), data=None)
    assert problem.size == 16
    assert problem.image(torch.zeros(1, 16)).shape == (1, 1, 4, 4)
    with pytest.raises(RuntimeError, match=r"no data yet: use problem.at\(y\)"):
        problem.value_grad(torch.zeros(1, 16))


def test_rows_keep_the_numbers_of_their_images():
    problem = problem_for(Requires())
    some = problem.rows(torch.tensor([3, 1]))
    assert some.images == (3, 1)
    assert torch.equal(some.y, problem.y[[3, 1]])
    assert torch.equal(some.truth, problem.truth[[3, 1]])
    again = some.rows(torch.tensor([1]))
    assert again.images == (1,)
    draws = problem.streams("x").normal(5)
    assert torch.equal(again.streams("x").normal(5), draws[1:2])
    other = again.at(again.y, None, again.images, [1])
    assert not torch.equal(other.streams("x").normal(5), draws[1:2])
    assert not torch.equal(again.streams("x", step=1).normal(5), draws[1:2])


def test_images_and_latents_become_u():
    latent = problem_for(Requires())
    pixel = replace(latent, space="pixel")
    x = latent.truth
    z = latent.prior.encode(x)
    assert torch.allclose(latent.to_u(image=x), z)
    assert torch.allclose(pixel.to_u(image=x), x.flatten(1))
    assert torch.equal(latent.to_u(latent=z), z)
    assert torch.allclose(pixel.to_u(latent=z), x.flatten(1))


def test_d_is_the_prior_or_the_identity():
    latent = problem_for(Requires())
    pixel = replace(latent, space="pixel")
    assert latent.decoder is latent.prior
    assert latent.latent_decoder is pixel.latent_decoder is latent.prior
    assert isinstance(pixel.decoder, Pixels)
    check_prior(pixel.decoder, shape=(1, 4, 4))
    x = latent.truth
    u = pixel.decoder.encode(x)
    assert torch.equal(pixel.image(u), x)
    assert torch.equal(pixel.matrix(), pixel.operator.rows(0, 32))
    bare = a_problem(pixel.operator, pixel.y)
    assert bare.latent_decoder is bare.decoder
    assert torch.equal(bare.to_u(latent=u), u)


def test_the_matrix_of_a_complex_operator_is_real():
    """Real parts over imaginary parts, so that a real solver can have it."""
    check_operator(Rotated(7), shape=(1, 3, 5))
    basis = DCT().bind((1, 3, 5))
    operator = Rotated(7).bind((1, 3, 5))
    z = torch.randn(2, 15, dtype=torch.float64)
    y = operator.A(basis.decode(z))
    problem = a_problem(operator, y, prior=basis, space="latent")
    matrix = problem.matrix()
    assert matrix.shape == (14, 15)
    assert torch.allclose(z @ matrix.T, problem.stacked(y - problem.offset()), atol=1e-6)


def test_the_data_step_is_the_regularised_least_squares():
    problem = replace(problem_for(Requires()), space="pixel")
    x = torch.randn(4, 1, 4, 4, dtype=torch.float64)
    found = problem.prox_data(x, 0.3, steps=60).flatten(1)
    M = problem.operator.rows(0, 32)
    right = problem.y @ M + 0.3 * x.flatten(1)
    exact = torch.linalg.solve(M.T @ M + 0.3 * torch.eye(16, dtype=torch.float64), right.T).T
    assert torch.allclose(found, exact, atol=1e-8)


def test_least_squares_of_a_matrix_with_dependent_rows():
    """Where y isn't in the range, the pseudo-inverse is reached all the same."""
    generator = torch.Generator().manual_seed(0)
    M = torch.randn(20, 6, generator=generator, dtype=torch.float64)
    M = torch.cat([M, M[:5]])
    y = torch.randn(3, 25, generator=generator, dtype=torch.float64)
    operator = Matrix(matrix=M).bind((1, 2, 3))
    zero = torch.zeros(3, 1, 2, 3, dtype=torch.float64)
    found = least_squares(operator.A, operator.A_adjoint, y, zero, steps=50)
    assert torch.allclose(found.flatten(1), y @ torch.linalg.pinv(M).T, atol=1e-9)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"A": lambda x: x.flatten(1)[:, :5] / 0}, "A(x) is not finite"),
        ({}, "u is not finite"),
    ],
)
def test_what_is_not_finite_is_said(broken, said):
    problem = problem_for(Requires()).rows(torch.tensor([0]))
    for name, value in broken.items():
        setattr(problem.operator, name, value)
    u = torch.full((1, 16), 0.5 if broken else torch.nan, dtype=torch.float64)
    assert problem.blame(u) == said


def test_the_names_that_plugins_import():
    """They were one file once; a plugin imports them from where they always were."""
    import priorkit.interfaces

    names = "Choices Decoder Denoiser Density Encoder Evaluation IdentityOperator L1Penalty "
    names += "LinearDecoder LinearOperator MatrixOperator Mirror Noise NormPenalty Operator "
    names += "Penalty Prior ProximalPenalty Requires Sampler Snapshot Solver Start"
    assert set(names.split()) <= set(priorkit.interfaces.__all__)
