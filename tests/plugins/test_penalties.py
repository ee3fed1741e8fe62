"""Penalties beyond their contract."""

import tomllib

import numpy as np
import pytest
import torch
from priorkit_penalties.variation import TotalVariation

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import Penalty, Prior, ProximalPenalty
from priorkit.run.setup import set_up
from priorkit.settings.config import split
from priorkit.settings.select import resolve
from priorkit.settings.selections import select_all
from priorkit.testing import check_penalty

EPSILON = 0.1


def variation(x: np.ndarray, axes: tuple[int, ...]) -> float:
    """Σ √(|∂x|² + ε²) − ε by numpy, with ∂ along ``axes`` and 0 past the end."""
    steps = [np.diff(x, axis=axis, append=np.take(x, [-1], axis)) for axis in axes]
    return float((np.sqrt(sum(d**2 for d in steps) + EPSILON**2) - EPSILON).sum())


@pytest.mark.parametrize(
    ("shape", "depth", "axes"),
    [
        ((2, 9), False, (1,)),
        ((3, 5, 6), False, (1, 2)),
        ((2, 4, 5, 6), False, (1, 2, 3)),  # a volume as (C, D, H, W)
        ((4, 5, 6), True, (0, 1, 2)),  # and as its slices
        ((4, 5, 6), False, (1, 2)),
    ],
)
def test_variation_goes_along_every_axis_that_has_neighbours(shape, depth, axes):
    x = np.random.default_rng(0).random((2, *shape))
    penalty = TotalVariation(epsilon=EPSILON, depth=depth).bind(Prior(), shape)
    value, _ = penalty.value_grad(torch.from_numpy(x))
    assert value.tolist() == pytest.approx([variation(one, axes) for one in x])
    check_penalty(TotalVariation(depth=depth), shape=shape)


@pytest.mark.parametrize("epsilon", [1e-9, 1e-2, 1e4, 1e9])
def test_variation_is_exact_in_float32(epsilon):
    """Also where ε is far above every difference, and its square nearly all of the root; and where
    nothing differs."""
    x = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    x[:, :, :4] = 0.5
    value, gradient = TotalVariation(epsilon=epsilon).value_grad(x)
    down, right = (np.diff(x.double().numpy(), axis=axis) for axis in (2, 3))
    squares = np.pad(down**2, [(0, 0)] * 2 + [(0, 1), (0, 0)]) + np.pad(
        right**2, [(0, 0)] * 3 + [(0, 1)]
    )
    exact = (squares / (np.sqrt(squares + epsilon**2) + epsilon)).sum((1, 2, 3))
    assert value.tolist() == pytest.approx(exact.tolist(), rel=1e-6)
    assert bool(gradient.isfinite().all())


def test_depth_is_of_pictures_and_nothing_is_said_of_bands(caplog):
    priorkit.recover(
        np.random.default_rng(0).random((5, 8, 8), np.float32),
        prior="none", op="identity", sigma=0.1, penalty="tv", gamma=0.1, budget=2,
    )  # fmt: skip
    assert not [said for said in caplog.messages if "tv" in said]
    with pytest.raises(BadInputError, match=r"depth=True is for pictures .*Got shape \(2, 9\)"):
        TotalVariation(depth=True).bind(Prior(), (2, 9))


class Squared(Penalty):
    """R(u) = ‖u‖², as a plugin would write it, of the solver's variable or of the image."""

    def value_grad(self, u):
        return u.flatten(1).double().square().sum(1), 2 * u


class SquaredImage(Squared):
    acts_on = "x"


def settings(**more):
    return {"prior": "dct", "space": "latent", "op": "identity", "sigma": 0.1, "budget": 40, **more}


X = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)


@pytest.mark.parametrize("name", ["tv + l2-squared", "l1 scaled", "nested"])
def test_a_sum_is_a_penalty(name):
    tv, l1 = resolve("penalty", "tv").build(0), resolve("penalty", "l1").build(0)
    made = {
        "tv + l2-squared": tv + 0.3 * Squared(),
        "l1 scaled": 0.3 * l1 + 0.0 * tv,
        "nested": 2 * (tv + 0.5 * Squared()) + SquaredImage(),
    }[name]
    check_penalty(made, shape=(2, 4, 5))
    assert isinstance(made, ProximalPenalty) is (name == "l1 scaled")
    assert made.smooth is (name != "l1 scaled")
    x = torch.rand(2, 2, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    square = x.flatten(1).square().sum(1)
    bound = tv.bind(Prior(), (2, 4, 5)).value_grad(x)[0]
    known = {"tv + l2-squared": bound + 0.3 * square, "nested": 2 * bound + 2 * square}
    expected = known.get(name, 0.3 * x.flatten(1).abs().sum(1))
    assert torch.allclose(made.bind(Prior(), (2, 4, 5)).value_grad(x)[0], expected)


def test_a_sum_acts_on_u_and_on_x_at_once():
    """Its value and gradient at a latent are those of γ·R taken one by one."""
    z = torch.randn(2, 192, generator=torch.Generator().manual_seed(0))

    def at(penalty, gamma=1.0):
        setup = set_up(
            select_all(*split(settings(penalty=penalty, gamma=gamma))), (3, 8, 8), real=False
        )
        return setup.problem.at(torch.zeros(2, 3, 8, 8)).value_grad(z)

    bare, both = at("none", None), at(0.3 * Squared() + 0.5 * resolve("penalty", "tv").build(0))
    one, other = at(Squared(), 0.3), at("tv", 0.5)
    expected = one.value + other.value - bare.value
    assert torch.allclose(both.value, expected)
    assert torch.allclose(both.grad, one.grad + other.grad - bare.grad, atol=1e-5)
    listed = at(["tv", Squared()], [0.5, 0.3])
    assert torch.allclose(listed.value, expected)


@pytest.mark.parametrize(
    "said",
    [
        {"penalty": ["tv", "l2"], "gamma": [0.02, 0.1]},
        {"penalty": "tv,l2", "gamma": "0.02,0.1"},
        {"penalty": [{"name": "tv", "gamma": 0.02}, {"name": "l2", "gamma": 0.1}]},
    ],
)
def test_several_penalties_are_recorded_and_replayed(said, tmp_path):
    found = priorkit.recover(X, **settings(**said), out=tmp_path / "run")
    config = found.record["config"]
    assert config["gamma"] == 1
    assert [(t["name"], t["gamma"]) for t in config["penalty"]] == [("tv", 0.02), ("l2", 0.1)]
    assert torch.equal(priorkit.replay(tmp_path / "run").x, found.x)
    written = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert written["penalty"] == config["penalty"]


def test_several_on_the_command_line(command_line, tmp_path):
    np.save(tmp_path / "x.npy", X[0])
    words = ["--prior", "none", "--op", "identity", "--sigma", "0.1", "--budget", "3"]
    words += ["--penalty", "tv,l2", "--gamma", "0.02,0.1", "--out", tmp_path / "out"]
    done = command_line("recover", tmp_path / "x.npy", *words)
    said = " ".join(done.out.split())
    assert "penalty tv (" in said
    assert "penalty l2 (gamma=0.1)" in said


def test_a_rule_scales_the_sum():
    said = {"penalty": [{"name": "tv", "gamma": 0.02}, {"name": "l2", "gamma": 0.1}]}
    found = priorkit.recover(X, **settings(**said, gamma="discrepancy", budget=30))
    noise = found.record["images"][0]["noise"]
    assert found.record["images"][0]["misfit"] == pytest.approx(noise, rel=0.1)
    assert found.record["config"]["penalty"][1]["gamma"] == 0.1


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (
            {"penalty": ["tv", "l2"], "gamma": [0.1]},
            BadInputError,
            "2, got 1. Try: gamma=\\[0.1, 0.1",
        ),
        ({"penalty": "tv", "gamma": [0.1, 0.2]}, BadInputError, "for each penalty: 1, got 2"),
        ({"penalty": ["tv", "l2"]}, BadInputError, "'tv \\+ l2' needs its weight"),
        (
            {"penalty": [{"name": "tv", "gamma": 1}, "l2"]},
            BadInputError,
            "all of several penalties have a",
        ),
        ({"penalty": ["tv", "l2"], "gamma": [-1, 1]}, BadInputError, "a number from 0 on. Got -1"),
        ({"penalty": ["tv", "l1"], "gamma": [1, 1]}, MismatchError, "a smooth penalty, and 'tv"),
    ],
)
def test_what_does_not_add_up(said, error, words):
    with pytest.raises(error, match=words):
        priorkit.recover(X, **settings(solver="lbfgs", **said))


def test_a_sum_needs_all_that_its_parts_need():
    words = "'tv \\+ nll' requires the prior to be a Density"
    with pytest.raises(MismatchError, match=words):
        priorkit.recover(X, **settings(penalty=["tv", "nll"], gamma=[1, 1]))
    fista = {"penalty": ["tv", "l1"], "solver": "fista"}
    with pytest.raises(MismatchError, match="requires the penalty to be a Prox"):
        priorkit.recover(X, **settings(**fista, gamma=[1, 1]))
    found = priorkit.recover(X, **settings(**fista, gamma=[0, 0.1]))
    alone = priorkit.recover(X, **settings(penalty="l1", gamma=0.1, solver="fista"))
    assert torch.equal(found.x, alone.x)
