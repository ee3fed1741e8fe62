"""Kernels that can't be had cost one warning; those that disagree aren't used."""

import pytest
import torch
from priorkit_operators import kernels as gaussian

from priorkit import cuda

DEVICE = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    monkeypatch.setattr(cuda, "_loaded", {})
    monkeypatch.setattr(cuda, "_said", {})


@pytest.fixture
def reachable(monkeypatch, host):
    """As on a machine with a device, whose kernels the processor executes."""
    monkeypatch.setattr(cuda, "obstacle", lambda: None)
    monkeypatch.setattr(cuda, "_Device", lambda sources, index: host)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "a device")


def asked(check):
    return cuda.kernels("gaussian", gaussian.SOURCES, check, DEVICE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_there_is_one_warning(recwarn):
    assert asked(lambda launch: None) is None
    assert asked(lambda launch: None) is None
    assert [str(w.message) for w in recwarn] == [
        "No kernels of our own for gaussian: torch sees no CUDA device. PyTorch does it."
    ]
    assert cuda.state() == {"gaussian": "torch sees no CUDA device"}


def test_kernels_that_agree_are_used(reachable, host):
    def check(launch):
        gaussian.check(launch, torch.device("cpu"))

    assert asked(check) is host
    assert cuda.state() == {"gaussian": "in use on a device"}


def test_kernels_that_disagree_are_not(reachable):
    def disagrees(launch):
        raise RuntimeError("A x by our kernels is off by 3.0e-02")

    with pytest.warns(UserWarning, match="off by 3.0e-02. PyTorch does it"):
        assert asked(disagrees) is None
    assert "off by" in cuda.state()["gaussian"]


def test_a_compiler_that_fails_is_quoted(monkeypatch, reachable, tmp_path):
    pytest.importorskip("cuda.core", reason="needs the extra cuda")
    broken = tmp_path / "broken.cu"
    broken.write_text('extern "C" __global__ void f() { no such thing }')

    def compiles(sources, index):
        return [cuda.compiled(path, "sm_90") for path in sources]

    monkeypatch.setattr(cuda, "_Device", compiles)
    with pytest.warns(UserWarning, match="(?s)for broken: .*identifier"):
        assert cuda.kernels("broken", {broken: ("f",)}, lambda launch: None, DEVICE) is None
