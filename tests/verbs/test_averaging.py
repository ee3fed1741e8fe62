"""The mean of several solves of one problem."""

import pytest
import torch
from priorkit_glow.prior import GlowPrior
from priorkit_operators.gaussian import Gaussian as Sensing
from priorkit_operators.pointwise import Mask
from priorkit_operators.srht import SRHT
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.errors import MismatchError, PriorkitError
from priorkit.interfaces import MatrixOperator, Mirror, RandomOperator, Requires
from priorkit.run import memory
from priorkit.testing import check_operator
from tests.helpers import SHAPE, Rotated, random_glow

FACES = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0)).numpy()
SETTINGS = {"op": "gaussian", "m": 60, "budget": 30}


@pytest.fixture(scope="module")
def prior():
    return GlowPrior.from_network(random_glow())


@pytest.mark.parametrize("settings", [SETTINGS, {"op": "identity", "sigma": 0.1, "budget": 30}])
def test_it_is_the_mean_of_the_solves(prior, settings):
    """To the last bit: of A, and of A in a mirror, turned back."""
    settings = settings | {"prior": prior, "precision": "float64"}
    two = priorkit.recover(FACES, averaging=2, **settings)
    config = two.record["config"] | {"averaging": 1, "image": None, "prior": None}
    again = {"config": {k: v for k, v in config.items() if k not in ("op", "m")}, "y": two.y}
    A, y = two.operator, two.y
    turned = {"op": A, "y": y.flip(-1)} if A.sees_all else {"op": A @ Mirror(), "y": y}
    one = priorkit.recover(**again, prior=prior, op=A)
    mirrored = priorkit.recover(**again | turned, prior=prior)
    both = torch.stack([one.x, mirrored.x.flip(-1)]).clamp(0, 1)  # as pictures that were measured
    assert torch.equal(two.x, both.mean(0))
    assert two.evaluations == [
        a + b for a, b in zip(one.evaluations, mirrored.evaluations, strict=True)
    ]
    assert len(two.rows) == 2 * len(FACES)
    assert two.z is None
    gap = (A.A(two.x) - two.y).flatten(1)
    assert torch.allclose(two.misfit, gap.square().sum(1), rtol=1e-4)


def test_more_of_them_begin_elsewhere(prior):
    found = priorkit.recover(FACES, prior=prior, averaging=4, **SETTINGS)
    assert len({row.value for row in found.rows if row.trace.image == 0}) == 4
    again = priorkit.recover(FACES[1:], prior=prior, averaging=4, **SETTINGS)
    assert again.x.shape == (1, *SHAPE)


@pytest.mark.parametrize(
    ("operator", "kinds"),
    [
        (Mask(mask=torch.ones(8, 8).index_fill(1, torch.arange(3), 0)), ()),
        (Sensing(m=20), (MatrixOperator, RandomOperator)),
        (SRHT(m=20), (MatrixOperator, RandomOperator)),
        (Rotated(7), (MatrixOperator,)),
    ],
)
def test_an_operator_in_a_mirror_is_what_it_was(operator, kinds):
    """The mask isn't symmetric, so that a mirroring that is missing somewhere is noticed."""
    check_operator(operator @ Mirror(), shape=SHAPE)
    plain, turned = operator.bind(SHAPE), (operator @ Mirror()).bind(SHAPE)
    x = torch.from_numpy(FACES)
    assert torch.equal(turned.A(x), plain.A(x.flip(-1)))
    for kind in (MatrixOperator, RandomOperator):
        assert isinstance(turned, kind) == (kind in kinds)
    if RandomOperator in kinds:
        assert (turned.ensemble, turned.gain) == (plain.ensemble, plain.gain)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"restarts": 2}, "not both"),
        ({"start": torch.zeros(192).numpy()}, "one was given"),
        ({"averaging": 0}, "averaging"),
    ],
)
def test_what_cannot_be_averaged(prior, settings, said):
    with pytest.raises(PriorkitError) as caught:
        priorkit.recover(FACES, prior=prior, **{"averaging": 2, **SETTINGS, **settings})
    assert said in str(caught.value)


def test_noise_alone_is_averaged_by_what_only_denoises():
    """The mean of D(y) and of D(M y), turned back: A = 1 is the same in a mirror."""
    settings = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1}
    found = priorkit.recover(FACES, averaging=2, **settings)
    assert found.record["config"]["solver"]["name"] == "denoise"
    one = priorkit.recover(y=found.y, **settings)
    turned = priorkit.recover(y=found.y.flip(-1), **settings).x.flip(-1)
    assert torch.allclose(found.x, ((one.x + turned) / 2).clamp(0, 1), atol=1e-5)
    assert not torch.allclose(one.x, turned, atol=1e-5)


def test_draws_are_averaged_where_y_is_noise_alone():
    settings = {"op": "identity", "sigma": 0.1, "averaging": 2}
    solver = {"name": "ancestral", "draws": 2, "levels": 4}
    found = priorkit.recover(FACES, prior="denoiser-photos", solver=solver, **settings)
    assert found.evaluations == [2 * 2 * 2 * 4] * len(FACES)


class OfMasks(LBFGS):
    """A solver that is for masks alone."""

    requires = Requires(operator=(Mask,))


def test_what_is_of_the_plain_picture_alone_cannot_be_averaged(prior):
    settings = {"prior": prior, "op": Mask(), "solver": OfMasks()}
    with pytest.raises(MismatchError, match=r"the operator to be a Mask then\. Try: averaging=1"):
        priorkit.recover(FACES, averaging=2, **settings)


def test_a_run_that_averages_is_replayed(prior, tmp_path):
    found = priorkit.recover(
        prior="glow-celeba", op="mask", averaging=2, budget=4, out=tmp_path / "run"
    )
    again = priorkit.replay(tmp_path / "run")
    assert torch.equal(found.x, again.x)
    assert "averaging = 2" in (tmp_path / "run/config.toml").read_text()


def test_a_try_that_was_cut_short_is_in_no_mean(prior, monkeypatch):
    monkeypatch.setattr(memory, "BATCH_BYTES", 1)  # one try of one image at a time

    def stop(now, done):
        if done == 2:  # both images have been tried once
            raise KeyboardInterrupt

    settings = {"prior": prior, **SETTINGS}
    cut = priorkit.recover(FACES, averaging=4, progress=stop, **settings)
    assert cut.interrupted
    one = priorkit.recover(FACES, **settings)
    assert torch.equal(cut.x, one.x)
    assert torch.equal(cut.objective, one.objective)
    assert cut.status == ["stopped", "stopped"]
