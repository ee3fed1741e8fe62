"""How much memory a run takes: said before it starts, kept to, and refused where it can't fit."""

import logging

import pytest
import torch

import priorkit
from priorkit.engine.config import split
from priorkit.engine.memory import BATCH_BYTES, available, plan, size
from priorkit.engine.recover import prepare
from priorkit.errors import BadInputError


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


def test_it_is_said_before_it_starts(caplog):
    with caplog.at_level(logging.INFO, logger="priorkit"):
        priorkit.recover(prior="none", op="mask", shape=(3, 16, 16), budget=1)
    (record,) = caplog.records
    assert "Solving 1 image: about" in record.getMessage()
    assert "each 3×16×16" in record.getMessage()


def test_what_cannot_fit_is_refused(monkeypatch):
    """A 72 GB matrix on a machine of 8, at once; its regenerated form is a choice of the user's."""
    monkeypatch.setattr("priorkit.engine.memory.available", lambda device: 8 << 30)
    x = torch.full((3, 256, 256), 0.5)
    with pytest.raises(BadInputError, match=r"doesn't fit.*GiB for one image.*matrices.*free"):
        priorkit.recover(x, prior="none", op="gaussian", m=98304, budget=1)
    assert plan(setup(op="gaussian", m=98304, store=0), 1).bytes < 1 << 30


def test_a_container_s_limit_counts(monkeypatch):
    monkeypatch.setattr("priorkit.engine.memory._cgroup", lambda: 10_000)
    assert available(torch.device("cpu")) == 10_000
    with pytest.raises(BadInputError, match=r"9\.8 KiB are free"):
        priorkit.recover(prior="none", op="mask", shape=(3, 16, 16))


def test_sizes_in_words():
    assert [size(n) for n in (5, 2048, 5 << 20)] == ["5 B", "2.0 KiB", "5.0 MiB"]
