"""Who chooses what, and what is refused because it doesn't fit."""

import json

import pytest
import torch
from priorkit_penalties.norms import NoPenalty
from priorkit_solvers.lbfgs import LBFGS

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Choices, Denoiser, Operator
from priorkit.io.pictures import astronaut, load


class Mean(Denoiser):
    """A third-party denoiser that says nothing of what suits it."""

    def denoise(self, x, sigma):
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def test_a_denoiser_is_used():
    """The solver that asks most of the problem among those that call the prior."""
    x = load(astronaut(), (3, 32, 32)).x
    direct = priorkit.recover(x, prior=Mean(), op="identity", sigma=0.1)
    assert direct.record["config"]["solver"]["name"] == "denoise"
    assert torch.allclose(direct.x, Mean().denoise(direct.y, 0.1).clamp(0, 1))
    filled = priorkit.recover(x, prior=Mean(), op="mask", budget=3)
    assert filled.record["config"]["solver"]["name"] == "pnp-admm"
    assert filled.record["unit"] == "calls of the denoiser"


def test_a_denoiser_that_nothing_uses_is_refused():
    with pytest.raises(MismatchError, match=r"makes no use of prior .*only denoises.*'denoise'"):
        priorkit.recover(prior=Mean(), op="identity", solver="lbfgs")

    class Square(Operator):
        def A(self, x):
            return x**2

    found = priorkit.recover(prior=Mean(), op=Square(), shape=(3, 16, 16), budget=4)
    assert found.record["config"]["solver"]["name"] == "diffpir"
    y = torch.rand(1, 3, 16, 16)
    with pytest.raises(BadInputError, match="by their noise level, which wasn't given"):
        priorkit.recover(y=y, prior=Mean(), op=Square(), shape=(3, 16, 16))


def test_message_passing_is_chosen_where_a_measures_at_random():
    x = load(astronaut(), (3, 32, 32)).x
    for op, solver in (("srht", "amp"), ("fourier", "pnp-admm")):
        found = priorkit.recover(x, prior=Mean(), op=op, budget=2, m=99 if op == "srht" else None)
        assert found.record["config"]["solver"]["name"] == solver


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"prior": "dct", "solver": "perturb", "sigma": 0.1, "space": "pixel"},
            r"solver 'perturb' works in latent space only\. Try: space='latent'",
        ),
        (
            {"prior": Mean(), "solver": "denoise", "space": "latent"},
            r"space 'latent' requires the prior to be a Decoder, and .*Mean>' isn't",
        ),
        (
            {"prior": "denoiser-photos", "solver": "denoise", "space": "latent"},
            r"solver 'denoise' works in pixel space only\. Try: space='pixel'",
        ),
    ],
)
def test_the_space_is_refused_by_what_it_lacks(settings, said):
    with pytest.raises(MismatchError, match=said):
        priorkit.recover(op="identity", shape=(3, 16, 16), **settings)


def test_a_rule_that_is_not_for_the_operator_is_refused_before_it_asks_for_sigma():
    said = {"prior": "none", "penalty": "tv", "gamma": "sure", "op": "mask", "shape": (3, 16, 16)}
    words = r"the whole picture.*Try: gamma='discrepancy' and sigma=0\.1$"
    with pytest.raises(MismatchError, match=words):
        priorkit.recover(**said)


def test_components_as_objects():
    """The core knows no name: a penalty that is an object is no penalty all the same."""
    x = load(astronaut(), (3, 16, 16)).x
    common = {"prior": "none", "op": "gaussian", "m": 60}
    named = priorkit.recover(x, **common, penalty="none", solver="lbfgs")
    objects = priorkit.recover(x, **common, penalty=NoPenalty(), solver=LBFGS())
    assert torch.equal(named.x, objects.x)
    assert objects.record["config"]["gamma"] == 0.0
    with pytest.raises(priorkit.PriorkitError, match="gamma weighs a penalty"):
        priorkit.recover(x, **common, penalty=NoPenalty(), gamma=0.1)


@pytest.mark.parametrize("solver", ["denoise", "pnp-admm", "diffpir"])
def test_a_penalty_that_a_solver_leaves_out_is_refused(solver, no_compute):
    """With its weight or without."""
    x = load(astronaut(), (3, 16, 16)).x
    own = {"prior": Mean(), "op": "identity", "sigma": 0.1, "solver": solver, "penalty": "tv"}
    with pytest.raises(
        MismatchError,
        match=rf"{solver}' weighs no penalty.*gamma=0\.1\. Try: no penalty and no gamma",
    ):
        priorkit.recover(x, **own, gamma=0.1)
    with pytest.raises(
        MismatchError, match=rf"{solver}' weighs no penalty.*Got penalty 'tv'\. Try: no penalty"
    ):
        priorkit.recover(x, **own)


@pytest.mark.parametrize("solver", ["ancestral", "diffpir"])
def test_what_a_solver_lacks_is_said_before_the_space(solver, no_compute):
    """Which is that of no such run where it takes no penalty, or the prior isn't of its kind."""
    said = {"op": "gaussian", "m": 500, "solver": solver}
    with pytest.raises(MismatchError, match=rf"{solver}' weighs no penalty.*tv', gamma=0\.1\. Try"):
        priorkit.recover(**said, penalty="tv", gamma=0.1)
    with pytest.raises(MismatchError, match=r"requires the prior to be a Denoiser, and 'glow-cel"):
        priorkit.recover(**said, prior="glow-celeba")


class Weighing(Mean):
    """A denoiser that suggests a penalty, whatever the solver."""

    def defaults(self, operator, noise):
        return Choices(penalty="tv", gamma=0.1, space="pixel")


def test_a_penalty_that_nobody_asked_for_is_left_out_and_recorded_so(tmp_path):
    """So that the record, given back, is no run that is refused."""
    x = load(astronaut(), (3, 16, 16)).x
    own = {"prior": Weighing(), "op": "identity", "sigma": 0.1}
    found = priorkit.recover(x, **own, solver="denoise")
    said = found.record["config"]
    assert (said["penalty"]["name"], said["gamma"]) == ("tv", 0.0)
    again = priorkit.recover(x, config={**said, **own})
    assert torch.equal(again.x, found.x)


def test_a_record_of_a_penalty_that_was_left_out_is_replayed(tmp_path):
    """As runs were recorded before they were refused."""
    x = load(astronaut(), (3, 16, 16)).x
    own = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1}
    found = priorkit.recover(x, **own, out=tmp_path / "a")
    path = tmp_path / "a" / "record.json"
    record = json.loads(path.read_text())
    record["config"] |= {"penalty": {"name": "tv"}, "gamma": 0.1}
    path.write_text(json.dumps(record))
    assert torch.equal(priorkit.replay(tmp_path / "a").x, found.x)


def test_what_the_prior_chose_has_the_budget_of_its_solver():
    assert priorkit.recover(prior="none", op="mask", m=None).record["config"]["budget"] == 400
    result = priorkit.recover(prior="dct", op="fourier", shape=(3, 16, 16))
    assert result.record["config"]["budget"] == 3000
