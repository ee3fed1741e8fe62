"""The mean of several solves of one problem."""

import numpy as np
import pytest
import torch
from priorkit_glow.prior import GlowPrior
from priorkit_operators.gaussian import Gaussian as Sensing
from priorkit_operators.pointwise import Mask
from priorkit_operators.srht import SRHT
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.errors import MismatchError, PriorkitError
from priorkit.interfaces import Denoiser, MatrixOperator, Mirror, RandomOperator, Requires
from priorkit.linear import column
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


class Smooth(Denoiser):
    """Towards gray the more, the more noise there is."""

    def denoise(self, x, sigma):
        part = column(1 / (1 + 4 * torch.as_tensor(sigma).square()), x)
        return 0.5 + part * (x - 0.5)


DRAWN = {"op": "gaussian", "m": 60, "solver": "diffpir", "budget": 12, "sigma": 0.01}


def test_the_draws_of_all_runs_are_one_sample(tmp_path):
    told = {"prior": Smooth(), "draws": 3, **DRAWN}
    found = priorkit.recover(FACES, averaging=2, **told)
    one, mirrored = found.rows[:2], found.rows[2:]
    assert found.draws.count.tolist() == [6, 6]
    assert found.reason == ["6 draws", "6 draws"]
    for i, (first, second) in enumerate(zip(one, mirrored, strict=True)):
        x = torch.cat([first.draws.samples, second.draws.samples])[:, 0]
        assert torch.equal(found.draws.samples[:, i], x)  # in the order of the runs
        assert torch.allclose(found.draws.mean[i], x.mean(0), atol=1e-6)
        assert torch.allclose(found.draws.spread[i], x.std(0), atol=1e-6)
        assert torch.allclose(second.x, second.draws.mean[0].clamp(0, 1))  # both turned back
    assert torch.equal(found.x, found.draws.mean.clamp(0, 1))
    assert torch.equal(one[0].x, priorkit.recover(FACES, **told).x[0])
    alone = priorkit.recover(FACES[:1], averaging=2, **told)
    assert torch.allclose(alone.draws.spread[0], found.draws.spread[0], atol=1e-5)
    saved = found.save(tmp_path / "run")
    spread = torch.from_numpy(np.load(saved / "spread.npy"))
    assert torch.equal(spread, found.draws.spread)
    assert [image["draws"] for image in found.record["images"]] == [6, 6]


def test_draws_of_a_run_that_was_cut_are_kept():
    def stop(now, done):
        if done == 2 and int(now.draws.min()) == 1:  # one of the mirrored pictures
            raise KeyboardInterrupt

    told = {"prior": Smooth(), "draws": 3, **DRAWN}
    cut = priorkit.recover(FACES, averaging=2, progress=stop, **told)
    assert cut.interrupted
    assert cut.draws.count.tolist() == [4, 4]
    assert torch.equal(cut.x, cut.draws.mean.clamp(0, 1))
    assert cut.reason == ["interrupted, 4 of 6 draws"] * 2


def test_draws_of_a_run_that_goes_on_are_those_of_one_that_was_never_cut(tmp_path):
    def stop(now, done):
        if done == 2 and int(now.draws.min()) == 1:
            raise KeyboardInterrupt

    told = {"prior": "denoiser-photos", "draws": 2, **DRAWN}
    whole = priorkit.recover(FACES, averaging=2, **told)
    out = tmp_path / "out"
    priorkit.recover(FACES, averaging=2, progress=stop, out=out, **told)
    again = priorkit.recover(FACES, averaging=2, out=out, resume=True, **told)
    for one, other in zip(vars(again.draws).values(), vars(whole.draws).values(), strict=True):
        assert torch.equal(one, other)
    replayed = priorkit.replay(out)
    assert torch.equal(replayed.draws.spread, whole.draws.spread)


def test_one_draw_of_each_run(caplog):
    caplog.set_level("INFO", "priorkit")
    found = priorkit.recover(FACES, prior=Smooth(), draws=1, averaging=2, **DRAWN)
    assert found.draws.count.tolist() == [2, 2]
    assert torch.isfinite(found.draws.spread).all()
    said = "Solving 2 images of 3×8×8, 2 tries of each, each in at most 12 calls of the denoiser, "
    assert caplog.text.count(said) == caplog.text.count("Solving") == 1
    assert "for 1 draw: about" in caplog.text
