import pytest
from priorkit_glow import kernels as glow
from priorkit_operators import kernels as operators

from tests.cuda_host import COMPILER, HostLibrary


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """Our kernels on the processor."""
    if COMPILER is None:
        pytest.skip("needs g++")
    return HostLibrary({**glow.SOURCES, **operators.SOURCES}, tmp_path_factory.mktemp("cuda"))


@pytest.fixture(autouse=True)
def poisoned():
    """What nobody has written is NaN, or a large number."""
    import torch

    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
