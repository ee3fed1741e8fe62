import fcntl
import importlib
import os

import pytest
import torch
from priorkit_glow.device import glow
from priorkit_operators import kernels as operators

from priorkit import cuda
from tests.cuda_host import COMPILER, HostLibrary

SOURCES = {**glow.SOURCES, **operators.SOURCES}


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """Our kernels on the processor, compiled once for all processes of this run of pytest."""
    if COMPILER is None:
        pytest.skip("needs g++")
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # which is that of all
    with open(place / "cuda.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return HostLibrary(SOURCES, place / "cuda")


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def place(request):
    """What executes our kernels, and the device that their tensors lie on."""
    if request.param == "host":
        return request.getfixturevalue("host"), torch.device("cpu")
    reason = cuda.obstacle()
    if reason:
        pytest.skip(reason)
    device = torch.device("cuda")
    launch = cuda.kernels("tests", SOURCES, lambda launch: None, device)
    assert launch is not None
    return launch, device


@pytest.fixture(autouse=True)
def poisoned():
    """What nobody has written is NaN, or a large number."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def core():
    """``cuda.core``, where it is there and new enough."""
    if said := cuda.lacking():
        pytest.skip(said)
    return importlib.import_module("cuda.core")
