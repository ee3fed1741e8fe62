"""What several test files share."""

import gc
import runpy
import sys
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch.nn import functional as F

from tests.bad_files import files, no_compute  # noqa: F401  (fixtures)
from tests.far import register

# Slow is not wrong: hypothesis makes its tables of characters once per clone, in seconds.
# The same cases on every machine; make fuzz looks for others.
settings.register_profile(
    "here", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("here")

register()
torch.manual_seed(0)  # also of devices, once they are there


def seed():
    """As ``torch.manual_seed(0)`` does, which notes for each device that isn't there yet who called
    it: a millisecond for each test, and all of it kept."""
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    seed()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call():
    """A test that asks for random numbers gets the same ones, whatever ran before it."""
    seed()


def pytest_collection_finish():
    """What is imported by now stays: garbage isn't looked for among it again, second by second."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Reports travel between processes, which bytes that are no text can't."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "replace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory):
    """The path of a small Glow for pictures of shape (3, 8, 8), untrained, with its card."""
    from priorkit_glow.export import write_weights
    from priorkit_glow.network import Glow, GlowConfig

    config = GlowConfig(shape=(3, 8, 8), steps=(1, 1), width=(4, 4), scale_offset=(0.0, 0.0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Glow(config)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    return write_weights(path, dict(network.state_dict()), config, {"data": "none"})


@pytest.fixture
def face():
    """A smooth random picture (3, 8, 8) in [0, 1], the size that ``tiny_weights`` takes."""
    coarse = torch.rand(1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=8, mode="bilinear", align_corners=True)[0]


class Finished(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def script(monkeypatch, capsys):
    """``script(path, "--out", folder)`` runs a script as Python does, but in this process; gives
    what it printed."""

    def run(path, *words):
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, words)])
        monkeypatch.syspath_prepend(path.parent)  # whose modules it can import
        capsys.readouterr()
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    yield run
    sys.modules.pop("common", None)  # of examples/figures


@pytest.fixture
def command_line(monkeypatch, capsys):
    """``command_line("list", "--json")`` runs priorkit's command line in this process."""
    from priorkit import cli

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["priorkit", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Finished(ended.value.code, *capsys.readouterr())

    return run
