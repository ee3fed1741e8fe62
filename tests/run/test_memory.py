"""How much memory a run takes: said before it starts, kept to, and refused where it can't fit."""

import json
import logging
import os
import subprocess
import sys

import pytest
import torch

import priorkit
from priorkit.errors import BadInputError
from priorkit.run.memory import BATCH_BYTES, plan
from priorkit.run.room import available, size
from priorkit.settings.config import split
from priorkit.settings.select import resolve
from priorkit.verbs.recover import prepare


def setup(**settings):
    x = torch.full((1, 3, 256, 256), 0.5)
    return prepare(x, None, *split({"prior": "none", "op": "mask"} | settings))[0]


def test_chunks_follow_from_bytes():
    """32 images of 256×256×3 with 100 pairs each are 5 GB: not at a time."""
    long = plan(setup(history=100), 32)
    assert 1 <= long.together < 32
    assert long.together * 2 * 100 * 4 * 3 * 256**2 < BATCH_BYTES
    short = plan(setup(history=5), 32)
    assert short.together > 2 * long.together
    assert long.together * long.per_image <= BATCH_BYTES
    assert plan(setup(history=100), 1).together == 1


def test_draws_are_counted():
    """Of each image and try the mean, the spread and eight, and while it runs up to sixteen."""
    one, many = (
        plan(setup(prior="denoiser-photos", solver="diffpir", sigma=0.1, **told), 4)
        for told in ({"draws": 1, "budget": 40}, {"draws": 40, "averaging": 2, "budget": 40})
    )
    image = 4 * 3 * 256**2
    assert many.fixed - 2 * one.fixed >= 2 * 4 * (8 - 1) * image
    assert many.per_image - one.per_image >= 15 * image


def test_it_is_said_before_it_starts(caplog):
    with caplog.at_level(logging.INFO, logger="priorkit"):
        priorkit.recover(prior="none", op="mask", shape=(3, 16, 16), budget=1)
    (record,) = caplog.records
    said = "Solving 1 image of 3×16×16, in at most 1 evaluation: about"
    assert said in record.getMessage()


def test_what_cannot_fit_is_refused(monkeypatch):
    """A 72 GB matrix on a machine of 8, at once; its regenerated form is a choice of the user's."""
    monkeypatch.setattr("priorkit.run.room.available", lambda device: 8 << 30)
    x = torch.full((3, 256, 256), 0.5)
    with pytest.raises(BadInputError, match=r"doesn't fit.*GiB for one image.*matrices.*free"):
        priorkit.recover(x, prior="none", op="gaussian", m=98304, budget=1)
    assert plan(setup(op="gaussian", m=98304, store=0), 1).bytes < 1 << 30


def test_a_container_s_limit_counts(monkeypatch):
    monkeypatch.setattr("priorkit.run.room._cgroup", lambda: 10_000)
    assert available(torch.device("cpu")) == 10_000
    with pytest.raises(BadInputError, match=r"9\.8 KiB are free"):
        priorkit.recover(prior="none", op="mask", shape=(3, 16, 16))


def test_sizes_in_words():
    assert [size(n) for n in (5, 2048, 5 << 20)] == ["5 B", "2.0 KiB", "5.0 MiB"]


# --- absurd settings --------------------------------------------------------------------

ABSURD = """
import json, resource, sys, time
import torch
from priorkit.settings.select import class_of
from priorkit.settings.config import split
from priorkit.settings.options import option_fields
from priorkit.verbs.recover import prepare
from priorkit.errors import PriorkitError
from priorkit.registry import registry

def largest(field):
    return next((m.le for m in field.metadata if hasattr(m, "le")), 10**12)

def told(kind, entry):
    for name, field in option_fields(class_of(entry)).items():
        if "int" in str(field.annotation) and name != "seed":
            yield from ((name, value) for value in {10**12, largest(field)})
        elif "float" in str(field.annotation):
            yield name, 1e300
            yield name, float("nan")
            yield name, largest(field)

more = {"radon": [("angles", range(10**9)), ("angles", [float("nan")]), ("angles", 180)]}
more["fourier"] = [("pattern", "radial")]
x = torch.zeros(1, 1, 2048, 2048)
prepare(x, None, *split({"prior": "none", "op": "mask"}))
space = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
cases = []
for kind, key in (("operator", "op"), ("prior", "prior")):
    for entry in registry().entries(kind):
        if entry.name in ("gray", "deepinv") or entry.preset.get("weights"):
            continue
        class_of(entry)
        cases += [(key, entry.name, *option) for option in told(kind, entry)]
        cases += [(key, entry.name, *option) for option in more.get(entry.name, ())]
resource.setrlimit(resource.RLIMIT_AS, (space + (400 << 20),) * 2)
for key, name, option, value in cases:
    base = {"prior": "none", "op": "mask"} | ({"m": 100} if name == "srht" else {})
    settings = base | {key: name, option: value, "penalty": "none"}
    settings |= {"start": "normal"} if name == "phase" else {}
    settings |= {"kernel": "motion"} if option in ("length", "angle") else {}
    started = time.process_time()
    try:
        prepare(x, None, *split(settings))
        said = "planned"
    except PriorkitError as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([name, option, str(value), said, time.process_time() - started]), flush=True)
"""


@pytest.mark.slow  # tests above refuse in this process, and tests/io/test_limits.py
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_absurd_settings_are_refused_before_they_take_memory():
    """Every number of every operator, at a picture of 2048×2048, within seconds and 400 MB of
    addresses: what is too much is refused, and what isn't is made when it is used."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ABSURD], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"radon", "phase", "fourier", "gaussian", "deep-decoder"} <= {row[0] for row in found}
    for name, option, value, said, seconds in found:
        case = f"{name} {option}={value}: {said}"
        assert not said.startswith("PluginError"), case  # a MemoryError of its own
        assert said == "planned" or said.startswith(("BadInput", "Mismatch", "UnknownName")), case
        assert seconds < 20, case  # of the processor, imports included
        assert said != "planned" or value not in ("nan", "[nan]"), case


def test_what_is_made_late_is_what_was_planned():
    """The bytes that an operator says, beside those that it holds once it was used."""
    for name, options in (
        ("radon", {"angles": 7, "detectors": 20}),
        ("phase", {"masks": 3}),
        ("fourier", {"coils": 3}),
        ("downsample", {"factor": 2}),
    ):
        operator = resolve("operator", {"name": name} | options).build(0).bind((1, 32, 32))
        operator.A(torch.zeros(1, 1, 32, 32))
        held = {
            "radon": lambda A: sum(
                part.nbytes
                for matrix in A._rays._copies.like(torch.zeros(1))
                for part in (matrix.values(), matrix.col_indices(), matrix.crow_indices())
            ),
            "phase": lambda A: A._coded.like(torch.zeros(1, dtype=torch.complex64)).nbytes,
            "fourier": lambda A: A._maps.like(torch.zeros(1, dtype=torch.complex64)).nbytes,
            "downsample": lambda A: sum(c.like(torch.zeros(1)).nbytes for c in A._weights.values()),
        }[name](operator)
        assert 0.5 * operator.memory / (5 if name == "fourier" else 1) <= held
        assert held <= operator.memory + 8


def test_what_draws_cost_is_said(caplog):
    """Before the run, how many there are and what they are evaluated at most; on the way, how many
    have been made."""
    from priorkit.results.numbers import reached

    ways = []
    noisy = {"y": torch.full((1, 16, 16), 0.5), "op": "identity", "sigma": 0.1}
    chosen = {"prior": "denoiser-photos", "solver": "diffpir", "draws": 3, "budget": 6}
    with caplog.at_level(logging.INFO, logger="priorkit"):
        priorkit.recover(**noisy, **chosen, progress=lambda now, done: ways.append(reached(now)))
    said = "1 image of 1×16×16, in at most 6 calls of the denoiser, for 3 draws: about"
    assert said in caplog.text
    assert ways[0].startswith("1 evaluation, misfit")
    assert ways[-1].startswith("6 evaluations, 3 draws, misfit")
    assert str(plan(setup(restarts=2), 1)).startswith(
        "1 image of 3×256×256, 2 tries of each, each in at most 400 evaluations"
    )
