"""The mean of several solves of one problem."""

from dataclasses import replace

import pytest
import torch
from priorkit_glow.prior import GlowPrior
from priorkit_operators.pointwise import Mask

import priorkit
from priorkit.errors import PriorkitError
from tests.helpers import SHAPE, a_problem, random_glow

FACES = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0)).numpy()
SETTINGS = {"op": "gaussian", "m": 60, "budget": 30}


@pytest.fixture(scope="module")
def prior():
    return GlowPrior.from_network(random_glow())


def test_it_is_the_mean_of_the_solves(prior):
    one = priorkit.recover(FACES, prior=prior, **SETTINGS)
    two = priorkit.recover(FACES, prior=prior, averaging=2, **SETTINGS)
    mirrored = priorkit.recover(FACES, prior=_Mirrored.from_network(random_glow()), **SETTINGS)
    assert torch.allclose(two.x, (one.x + mirrored.x) / 2, atol=1e-4)
    assert two.evaluations == [
        a + b for a, b in zip(one.evaluations, mirrored.evaluations, strict=True)
    ]
    assert len(two.attempts) == 2
    assert two.z is None
    A = two.operator
    assert torch.allclose(two.misfit, (A.A(two.x) - two.y).double().square().sum(1), rtol=1e-4)


def test_more_of_them_begin_elsewhere(prior):
    found = priorkit.recover(FACES, prior=prior, averaging=4, **SETTINGS)
    objectives = torch.stack([attempt.objective for attempt in found.attempts])
    assert len(objectives[:, 0].unique()) == 4
    again = priorkit.recover(FACES[1:], prior=prior, averaging=4, **SETTINGS)
    assert again.x.shape == (1, *SHAPE)


@pytest.mark.parametrize("space", ["latent", "pixel"])
def test_the_gradient_is_that_of_the_mirrored_objective(prior, space):
    """The mask isn't symmetric, so that a mirroring that is missing somewhere is noticed."""
    mask = torch.ones(8, 8)
    mask[:, :3] = 0
    operator = Mask(mask=mask).bind(SHAPE)
    y = operator.A(torch.from_numpy(FACES).double())
    problem = a_problem(operator, y, prior=prior, space=space)
    twice = replace(problem, averaged=True).at(y, None, [0, 1], [0, 1])
    u = 0.3 * torch.randn(2, 192, generator=torch.Generator().manual_seed(1)).double()
    now = twice.value_grad(u)
    step = torch.randn(2, 192, generator=torch.Generator().manual_seed(2)).double()
    ahead, behind = (twice.value_grad(u + t * 1e-5 * step).value for t in (1, -1))
    assert torch.allclose((ahead - behind) / 2e-5, (now.grad * step).sum(1), rtol=1e-5)
    assert torch.allclose(now.misfit, problem.noise.misfit(operator.A(twice.image(u)), y)[0])
    assert torch.equal(twice.image(u)[0], problem.image(u)[0])
    assert torch.equal(twice.image(u)[1], problem.image(u)[1].flip(-1))
    assert torch.allclose(twice.image(twice.to_u(image=y)), y, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"restarts": 2}, "not both"),
        ({"solver": "perturb"}, "'perturb' isn't one"),
        ({"start": torch.zeros(192).numpy()}, "one was given"),
        ({"averaging": 0}, "averaging"),
    ],
)
def test_what_cannot_be_averaged(prior, settings, said):
    with pytest.raises(PriorkitError) as caught:
        priorkit.recover(FACES, prior=prior, **{"averaging": 2, **SETTINGS, **settings})
    assert said in str(caught.value)


def test_a_run_that_averages_is_replayed(prior, tmp_path):
    found = priorkit.recover(
        prior="glow-celeba", op="mask", averaging=2, budget=4, out=tmp_path / "run"
    )
    again = priorkit.replay(tmp_path / "run")
    assert torch.equal(found.x, again.x)
    assert "averaging = 2" in (tmp_path / "run/config.toml").read_text()


class _Mirrored(GlowPrior):
    """The same prior, of mirrored pictures."""

    def decode(self, z):
        return super().decode(z).flip(-1)

    def decode_vjp(self, z):
        x, pullback = super().decode_vjp(z)
        return x.flip(-1), lambda r: pullback(r.flip(-1))
