"""What a refused run is told to try: settings with which nothing refuses it."""

import itertools
import re

import numpy as np
import pytest
import torch

import priorkit
from priorkit.errors import MismatchError, PriorkitError
from priorkit.interfaces import Denoiser
from priorkit.registry import registry
from priorkit.settings.config import split
from priorkit.settings.select import resolve
from priorkit.verbs.recover import ready

X = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
X64 = torch.zeros(1, 3, 64, 64)
OPERATORS = {"identity": {"sigma": 0.1}, "gaussian": {"m": 3}, "mask": {}}


def names(kind):
    return [entry.name for entry in registry().entries(kind)]


def refusal(x, settings):
    """What a run is refused by, before any compute; None where it isn't."""
    try:
        ready(x, None, *split(settings))
    except PriorkitError as error:
        return error
    return None


def followed(settings, way):
    return settings | {name: 0.01 if value is ... else value for name, value in way.items()}


def problems(prior):
    """Every solver with every operator, in turn in each space and with each penalty."""
    pairs = itertools.product([None, *names("solver")], OPERATORS)
    others = list(itertools.product([None, "latent", "pixel"], [None, "tv", "nll", "l1"]))
    for i, (solver, op) in enumerate(pairs):
        space, penalty = others[(5 * i + i // 12) % len(others)]
        own = {"prior": prior, "solver": solver, "op": op, "space": space, "penalty": penalty}
        yield own | OPERATORS[op]


@pytest.mark.parametrize("prior", names("prior"))
def test_what_a_refusal_suggests_is_not_refused(prior, no_compute):
    """Of every registered prior, solver and penalty: each of its ways is followed, once."""
    try:
        shape = resolve("prior", prior).build(0).shape
    except PriorkitError as error:  # a family without weights, or of a package that isn't there
        pytest.skip(str(error))
    x = X if shape is None else torch.rand(1, *shape)
    for settings in problems(prior):
        error = refusal(x, settings)
        if error is None:
            continue
        assert error.ways or error.words, f"{settings}: {error}"
        for way in error.ways:
            assert refusal(x, followed(settings, way)) is None, f"{settings}: {error}: {way}"


def test_both_settings_are_said_where_one_leads_to_the_next_refusal():
    settings = {"prior": "dct", "op": "gaussian", "m": 50, "solver": "diffpir", "space": "latent"}
    said = r"and 'dct' isn't\. Try: prior='denoiser-photos' and space='pixel'"
    with pytest.raises(MismatchError, match=said):
        priorkit.recover(X, **settings)
    del settings["space"]  # which needn't be said, then
    with pytest.raises(MismatchError, match=r"'dct' isn't\. Try: prior='denoiser-photos'"):
        priorkit.recover(X, **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"solver": "diffpir", "draws": 4}, "solver='perturb', or prior="),
        ({"solver": "ancestral"}, "solver='langevin' or 'perturb', or prior="),
        ({"solver": "pnp-admm"}, "no solver, or prior="),
        ({"draws": 4}, "solver='perturb'$"),
        # Where the prior is taken over pixels unless somebody says otherwise.
        ({"draws": 4, "op": "identity"}, "solver='perturb' and space='latent', or solver="),
        ({"solver": "diffpir", "draws": 4, "op": "identity"},
         "solver='perturb' and space='latent', or prior="),
        # Where there is no noise, which such draws need.
        ({"draws": 4, "op": "mask"}, "solver='perturb' and sigma=0.01, or prior="),
    ],
    ids=str,
)  # fmt: skip
def test_the_solver_is_changed_before_the_prior(settings, said):
    """To one that draws too, where draws are asked for."""
    settings = {"prior": "glow-celeba", "op": "blur"} | settings
    error = refusal(X64, settings)
    assert re.search(rf"Try: {said}", str(error)), error
    assert refusal(X64, followed(settings, error.ways[0])) is None


def test_a_prior_that_is_none_is_not_moved_to_another_space():
    """It has one only: of the priors that the solver can use, there was none to try."""
    error = refusal(X64, {"prior": "none", "op": "identity", "solver": "perturb", "draws": 4})
    assert "requires the prior to be a Sampler, and 'none' isn't. Try: prior=" in str(error)


def test_a_prior_of_the_same_data_comes_first():
    settings = {"prior": "glow-celeba", "op": "gaussian", "m": 50, "solver": "ancestral"}
    with pytest.raises(MismatchError, match=r", or prior='diffusion-celeba' or"):
        priorkit.recover(**settings)


def test_what_was_measured_is_not_measured_otherwise():
    """Nor by other noise: the solver goes."""
    y = torch.rand(1, 3, 16, 16)
    with pytest.raises(MismatchError, match=r"to be a MatrixOperator, and 'mask' .*Try: no solver"):
        priorkit.recover(
            y=y, prior="dct", op="mask", solver="coordinate-descent", penalty="l1", gamma=0.1
        )


def test_an_option_of_others_names_those_that_fit():
    """None of the solvers that have it with this prior: the prior is said too."""
    settings = {"prior": "dct", "op": "gaussian", "m": 50, "draws": 4}
    error = refusal(X, settings)
    assert str(error).startswith("Unknown option 'draws' here: it is an option of solver")
    assert error.ways
    assert all("solver" in way for way in error.ways)
    assert refusal(X, settings | error.ways[0]) is None


def test_an_option_of_other_solvers_than_the_one_that_is_named():
    """Those that have it and fit are what to try, not all that could be said."""
    settings = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1, "solver": "denoise"}
    error = refusal(X, settings | {"draws": 4})
    assert str(error).startswith("Unknown option 'draws' here: it is an option of solver")
    assert str(error).endswith("Try: solver='ancestral' or 'diffpir'")
    assert refusal(X, settings | {"draws": 4} | error.ways[0]) is None


class Quiet(Denoiser):
    """Knows pictures of 16×16 alone, by objects of its own."""

    shape = (3, 16, 16)

    def denoise(self, x, sigma):
        return x


def test_components_as_objects_and_their_options_stay():
    settings = {"prior": Quiet(), "op": "mask", "mask": np.eye(16), "solver": "lbfgs"}
    error = refusal(X, settings)
    assert {way["solver"] for way in error.ways} >= {"pnp-admm", "diffpir"}
    assert refusal(X, settings | error.ways[0]) is None


def test_what_is_tried_is_not_logged(caplog):
    """Such as that a prior for pictures goes over the bands of this."""
    bands = torch.rand(1, 5, 16, 16)
    settings = {"op": "gaussian", "m": 50, "solver": "diffpir", "shape": (5, 16, 16)}
    with caplog.at_level("INFO", logger="priorkit"):
        error = refusal(bands, settings | {"prior": "dct"})
        assert error.ways[0] == {"prior": "denoiser-photos"}
        assert not caplog.messages
        assert refusal(bands, settings | error.ways[0]) is None
    assert caplog.messages


def test_a_large_picture_is_tried_a_few_times(monkeypatch):
    """As each takes its time."""
    from priorkit.run import advice

    calls = []
    begin = advice.set_up
    monkeypatch.setattr(advice, "NUMBERS", 1)
    monkeypatch.setattr(advice, "set_up", lambda *a, **k: calls.append(a) or begin(*a, **k))
    settings = {"prior": "realnvp-2d", "op": "gaussian", "solver": "denoise", "penalty": "l1"}
    assert refusal(torch.rand(1, 2), settings) is not None
    assert len(calls) <= 1 + advice.LEAST


def test_where_draws_are_asked_for_priors_are_offered_that_can_draw():
    """A filter has no distribution to draw from, and takes minutes."""
    settings = {"prior": "none", "op": "gaussian", "m": 50}
    found = refusal(X, settings | {"solver": "ancestral"}).ways
    assert [way["prior"] for way in found] == ["denoiser-photos"]
    found = refusal(X, settings | {"solver": "amp"}).ways
    assert {"prior": "bm3d"} in found
