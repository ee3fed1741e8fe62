"""Recoveries in several threads at once: each gives what it gives alone, bit for bit."""

import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch
from priorkit_glow.network import Glow, GlowConfig
from priorkit_solvers.coordinate_descent import CoordinateDescent
from torch import nn

import priorkit
from priorkit.discovery import isolated
from priorkit.errors import WeightsError
from priorkit.io.weights import restore
from tests.helpers import PATIENCE


def together(*tasks):
    """What the tasks give that begin at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(tasks))

    def begin(task):
        barrier.wait(PATIENCE)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [found.result() for found in [pool.submit(begin, task) for task in tasks]]


@pytest.fixture
def switching():
    """Threads take turns as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


RUNS = {
    "glow": {"op": "gaussian", "m": 40, "budget": 12},
    "glow again": {"op": "mask", "budget": 9, "seed": 2},
    "lasso": {"prior": "dct", "op": "gaussian", "m": 60, "budget": 30},
    "tv": {"prior": "none", "op": "blur", "width": 0.7, "penalty": "tv", "gamma": 0.01},
    "patches": {"prior": "patch-flow", "op": "identity", "budget": 4},
    "gan": {"prior": {"name": "deep-decoder", "channels": 8, "layers": 2}, "m": 50, "budget": 20},
    "draws": {"solver": {"name": "perturb", "draws": 2}, "m": 40, "sigma": 0.05, "budget": 12},
}


def test_recoveries_at_once_are_those_of_one_after_another(tiny_weights, face):
    def run(settings):
        return priorkit.recover(face[None], **{"prior": str(tiny_weights)} | settings)

    alone = [run(settings) for settings in RUNS.values()]
    for _ in range(2):
        found = together(*[lambda s=s: run(s) for s in RUNS.values()])
        for one, other in zip(found, alone, strict=True):
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y)
            assert (one.evaluations, one.status) == (other.evaluations, other.status)


@pytest.mark.usefixtures("switching")
def test_weights_are_read_while_others_build_networks(tiny_weights):
    """A network is judged by its own parameters, not by those that another thread makes."""
    ready = threading.Event()

    def others():
        ready.set()
        return [nn.Linear(2, 2) for _ in range(3000)]

    def reads():
        ready.wait(PATIENCE)
        return [restore(tiny_weights, "glow", GlowConfig, Glow)[0].name for _ in range(10)]

    names = together(others, reads, reads, others)[1]
    assert names == ["tiny"] * 10


def test_a_network_that_never_ends_is_still_refused(tiny_weights):
    class Endless(nn.Module):
        def __init__(self, config):
            super().__init__()
            while True:
                self.register_parameter("w", nn.Parameter(torch.empty(1)))

    with pytest.raises(WeightsError, match="more parameters than the file's"):
        restore(tiny_weights, "glow", GlowConfig, Endless)


def test_the_code_of_plugins_runs_in_one_thread_at_a_time():
    """Else stdout would stay stderr, and torch's defaults those of the one that changed them."""
    before = sys.stdout, torch.get_default_dtype()

    begun = threading.Event()

    def first():
        with isolated(lambda what: None):
            torch.set_default_dtype(torch.float64)
            begun.set()
            time.sleep(0.1)

    def second():
        begun.wait(PATIENCE)
        with isolated(lambda what: None):
            time.sleep(0.2)

    together(first, second)
    assert (sys.stdout, torch.get_default_dtype()) == before


def test_warnings_that_are_held_back_come_again(monkeypatch):
    before, one = list(warnings.filters), CoordinateDescent._one
    running = threading.Barrier(2)

    def slow(self, *given):
        with suppress(threading.BrokenBarrierError):
            running.wait(0.2)  # so that one begins before the other has ended
        time.sleep(0.1 * self.tolerance)
        return one(self, *given)

    def lasso(tolerance):
        x = torch.full((1, 1, 8, 8), 0.5)
        settings = {"solver": "coordinate-descent", "budget": 2, "tolerance": tolerance}
        priorkit.recover(x, prior="dct", op="gaussian", m=30, **settings)

    monkeypatch.setattr(CoordinateDescent, "_one", slow)
    together(lambda: lasso(0.01), lambda: lasso(0.9))
    assert list(warnings.filters) == before
