"""Settings in whatever words they are said: the same run, and a record that can be replayed."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.phase import Phase
from priorkit_operators.pointwise import Mask
from priorkit_operators.rademacher import Rademacher
from priorkit_operators.srht import SRHT
from priorkit_pixels.deep_decoder import DeepDecoder

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import stack
from priorkit.settings.options import MAX_LISTED
from priorkit.studies.study import Study

X = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
KERNEL = [[0.0, 1.0, 0.5], [0.25, 2.0, 0.0], [0.0, 0.125, 0.0]]
MATRIX = [[float((i * j) % 7) for j in range(144)] for i in range(5)]
SAID = {  # as a file says it, and in other words
    "numbers of numpy": (
        {"op": "gaussian", "m": 50, "seed": 3, "sigma": 0.125, "penalty": "tv", "gamma": 0.5},
        {"op": "gaussian", "m": np.int64(50), "seed": np.uint8(3), "sigma": np.float32(0.125)}
        | {"penalty": np.str_("tv"), "gamma": np.float16(0.5)},
    ),
    "others' numbers": (
        {"op": "fourier", "acceleration": 2.5, "centre": 0.25, "coils": 2},
        {"op": "fourier", "acceleration": torch.tensor(2.5), "centre": Fraction(1, 4)}
        | {"coils": Decimal(2)},
    ),
    "an array of angles": (
        {"op": "radon", "angles": [0.0, 45.0, 90.0], "detectors": 12},
        {"op": "radon", "angles": np.linspace(0, 90, 3), "detectors": np.array(12)},
    ),
    "a range": (
        {"op": "radon", "angles": [0, 60, 120]},
        {"op": "radon", "angles": range(0, 180, 60)},
    ),
    "a kernel": (
        {"op": {"name": "blur", "kernel": KERNEL}},
        {"op": {"name": "blur", "kernel": np.array(KERNEL, dtype=">f4")}},
    ),
    "a mask": (
        {"op": {"name": "mask", "mask": np.eye(12).tolist()}},
        {"op": {"name": "mask", "mask": torch.eye(12, dtype=torch.bool)}},
    ),
    "a matrix": (
        {"op": {"name": "matrix", "matrix": MATRIX}},
        {"op": {"name": "matrix", "matrix": np.array(MATRIX)}},
    ),
    "a switch": (
        {"op": {"name": "phase", "squared": True}, "averaging": 1, "start": "normal"},
        {"op": {"name": "phase", "squared": np.bool_(True)}, "start": "normal"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_a_record_says_what_the_run_was_told(said, tmp_path):
    """The same numbers as of plain words, from the record, and from the config beside it."""
    in_words, otherwise = SAID[said]
    plainly = priorkit.recover(X, prior="none", budget=3, **in_words)
    found = priorkit.recover(X, prior="none", budget=np.int64(3), **otherwise, out=tmp_path / "a")
    assert torch.equal(found.x, plainly.x)
    assert found.record["config"]["op"] == plainly.record["config"]["op"]
    assert torch.equal(priorkit.replay(tmp_path / "a").x, found.x)
    again = priorkit.recover(config=tmp_path / "a" / "config.toml")
    assert torch.equal(again.x, found.x)


def test_paths_are_paths(tiny_weights, face, tmp_path):
    np.save(tmp_path / "A.npy", np.array(MATRIX)[:, :64].repeat(3, 1))
    settings = {"op": {"name": "matrix", "path": tmp_path / "A.npy"}, "budget": 2}
    for prior in (Path(tiny_weights), {"name": "glow", "weights": Path(tiny_weights)}):
        found = priorkit.recover(face, prior=prior, **settings, out=tmp_path / "out")
        assert torch.equal(priorkit.replay(tmp_path / "out").x, found.x)


def test_a_large_array_stays_an_object(tmp_path):
    """It serves as before; a record can't hold it, and says so."""
    mask = np.ones((1, 80, 80))
    mask[0, 40, 40] = 0
    assert mask.size > MAX_LISTED
    x = torch.rand(1, 1, 80, 80)
    priorkit.recover(
        x, prior="none", op={"name": "mask", "mask": mask}, budget=1, out=tmp_path / "a"
    )
    with pytest.raises(BadInputError, match=r"used an object, <ndarray>"):
        priorkit.replay(tmp_path / "a")


def test_comparisons_and_studies_take_the_same(tmp_path):
    shared = {"op": "gaussian", "sigma": np.float32(0.125), "budget": np.int64(3)}
    found = priorkit.compare(
        X, priors=("none", {"prior": "dct", "gamma": np.float64(0.5)}), ms=np.array([20, 30]),
        seconds=np.float32(1), out=tmp_path / "compared", **shared,
    )  # fmt: skip
    assert [row["m"] for row in found.table()] == [20, 20, 30, 30]
    with pytest.raises(BadInputError, match="ms is a list"):
        priorkit.compare(X, priors=["none"], ms=np.int64(20), **shared)
    study = {"settings": {"prior": "none", "shape": np.array([3, 8, 8])} | shared}
    keys = []
    for m in (range(20, 40, 10), np.array([20, 30]), [np.int32(20), 30], [20, 30]):
        cells = Study.read(study | {"grid": {"m": m}}).cells()
        assert [cell.settings["m"] for cell in cells] == [20, 30]
        keys.append([cell.key for cell in cells])
    assert keys == [keys[0]] * 4


def test_objects_in_a_study_are_refused_before_any_compute(tmp_path):
    for op in (Gaussian(m=20), {"name": "matrix", "matrix": np.ones((2, 9000))}):
        study = {"settings": {"prior": "none", "shape": (1, 90, 100), "op": op}}
        with pytest.raises(BadInputError, match="not objects"):
            priorkit.sweep(study, out=tmp_path / "study.parquet")


# --- seeds ------------------------------------------------------------------------------

SEEDED = {
    "gaussian": (Gaussian(m=40), {"op": "gaussian", "m": 40}),
    "rademacher": (Rademacher(m=40), {"op": "rademacher", "m": 40}),
    "srht": (SRHT(m=40), {"op": "srht", "m": 40}),
    "mask": (Mask(mask="random"), {"op": "mask", "mask": "random"}),
    "fourier": (Fourier(), {"op": "fourier"}),
    "phase": (Phase(masks=2), {"op": "phase", "masks": 2}),
}


@pytest.mark.parametrize("name", SEEDED)
def test_an_operator_without_a_seed_has_the_runs(name):
    """Whichever runs it served before; one with a seed of its own keeps that."""
    operator, settings = SEEDED[name]
    measured = []
    for seed in (3, 0, 3):
        own = {"prior": "none", "start": "normal", "seed": seed, "budget": 1}
        given, named = (priorkit.recover(X, **own, **how) for how in ({"op": operator}, settings))
        assert torch.equal(given.y, named.y)
        measured.append(given.operator.bind((1, 12, 12)).A(X))
    assert torch.equal(measured[0], measured[2])
    assert not torch.equal(measured[0], measured[1])
    alone = operator.bind((1, 12, 12)).A(X)  # outside of a run: 0
    assert torch.equal(alone, measured[1])
    assert operator.seed is None
    own = type(operator)(**{k: v for k, v in settings.items() if k != "op"}, seed=0)
    kept = priorkit.recover(X, prior="none", start="normal", op=own, seed=3, budget=1).operator
    assert torch.equal(kept.A(X), alone)


def test_no_two_parts_of_an_operator_draw_the_same():
    """The same twice would measure nothing new."""
    run = {"prior": "none", "seed": 3, "budget": 1}
    twice = priorkit.recover(X, op=stack(Gaussian(m=20), Gaussian(m=20)), **run).operator
    first, second = twice.A(X).split(20, 1)
    assert not torch.equal(first, second)
    assert torch.equal(first, Gaussian(m=20, seed=3).bind((1, 12, 12)).A(X))
    product = priorkit.recover(X, op=Mask(mask="random") @ Mask(mask="random"), **run).operator
    assert not torch.equal(product.inner.mask, product.outer.mask)
    fixed = stack(Gaussian(m=20, seed=1), Gaussian(m=20)).seeded(3).operators
    assert [part.seed for part in fixed] == [1, 3]


def test_composed_operators_and_priors_have_it_too():
    for whole in (stack(Gaussian(m=20), SRHT(m=20)), Gaussian(m=20) @ Mask(mask="random")):
        seen = [
            priorkit.recover(X, prior="none", op=whole, seed=seed, budget=1).operator.A(X)
            for seed in (3, 0)
        ]
        assert not torch.equal(*seen)
        assert torch.equal(seen[1], whole.bind((1, 12, 12)).A(X))
    small = {"channels": 4, "layers": 1}
    x = X.repeat(1, 3, 1, 1)[:1]
    settings = {"op": "mask", "seed": 3, "budget": 2}
    given = priorkit.recover(x, prior=DeepDecoder(**small), **settings)
    named = priorkit.recover(x, prior={"name": "deep-decoder"} | small, **settings)
    other = priorkit.recover(x, prior=DeepDecoder(**small, seed=0), **settings)
    assert torch.equal(given.x, named.x)
    assert not torch.equal(given.x, other.x)


def test_a_shape_of_one_number_is_that_of_vectors(command_line, tmp_path):
    """As the command line says it, where several numbers are a list."""
    np.save(tmp_path / "x.npy", X.numpy().reshape(2, 144))
    words = ["--prior", "none", "--op", "mask", "--budget", "1", "--out", tmp_path / "out"]
    done = command_line("recover", tmp_path / "x.npy", "--shape", "144", *words)
    assert done.code == 0, done.err
    assert "2 images of 144" in done.out
    with pytest.raises(BadInputError, match="Setting shape"):
        priorkit.recover(X, shape=True)
