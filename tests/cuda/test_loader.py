"""Kernels that can't be had cost one warning; those that disagree aren't used."""

import threading
import tomllib
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError
from pathlib import Path

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


def test_a_compiler_that_fails_is_quoted(monkeypatch, core, reachable, tmp_path):
    broken = tmp_path / "broken.cu"
    broken.write_text('extern "C" __global__ void f() { no such thing }')

    def compiles(sources, index):
        return [cuda.compiled(path, "sm_90") for path in sources]

    monkeypatch.setattr(cuda, "_Device", compiles)
    with pytest.warns(UserWarning, match="(?s)for broken: .*identifier"):
        assert cuda.kernels("broken", {broken: ("f",)}, lambda launch: None, DEVICE) is None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("0.4.2", "cuda.core is 0.4.2, and 1.2 is needed: pip install -U 'priorkit[cuda]'"),
        ("1.1.9", "cuda.core is 1.1.9, and 1.2 is needed: pip install -U 'priorkit[cuda]'"),
        ("1.2.0", None),
        ("1.10.0rc1", None),
        ("2.0", None),
        (None, "cuda.core is missing: pip install 'priorkit[cuda]'"),
    ],
)
def test_a_cuda_core_that_is_missing_or_too_old(found, said, monkeypatch):
    def version(package):
        if found is None:
            raise PackageNotFoundError(package)
        return found

    monkeypatch.setattr(cuda, "version", version)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert cuda.obstacle() == said


def test_the_version_that_is_needed_is_that_of_the_extra():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = ".".join(map(str, cuda.CORE))
    assert f"cuda-core>={needed}" in project["optional-dependencies"]["cuda"]


@pytest.fixture
def second(monkeypatch, core):
    """The device cuda:1 without a driver: what is done to it, by thread, and its kernels."""
    did = []

    def done(what, *about):
        did.append((threading.get_ident(), what, *about))

    class Device:
        def __init__(self, index):
            self.index = index

        def set_current(self):
            done("enters", self.index)

    class Stream:
        from_handle = staticmethod(lambda handle: handle)
        cuda_stream = 0

        def __init__(self, index):
            self.cuda_stream = 100 + index

    monkeypatch.setattr(core, "Device", Device)
    monkeypatch.setattr(core, "Stream", Stream)
    monkeypatch.setattr(core, "launch", lambda stream, *_: done("launches", stream))
    monkeypatch.setattr(core, "LaunchConfig", lambda **_: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda index=0: Stream(index))
    monkeypatch.setattr(torch.cuda, "device", lambda index: done("uses", index) or nullcontext())
    device = cuda._Device({}, 1)
    device._kernels["f"] = None
    return device, did


def test_a_thread_enters_its_device_once_and_takes_its_stream(second):
    device, did = second

    def twice():
        for _ in range(2):
            device("f", (1, 1), 32, [])

    for _ in range(2):
        thread = threading.Thread(target=twice)
        thread.start()
        thread.join()
    one = [("uses", 1), ("enters", 1), ("launches", 101), ("uses", 1), ("launches", 101)]
    assert [tuple(what) for _, *what in did] == one * 2
