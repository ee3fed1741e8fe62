"""A recovery in a process that was forked after one."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers import PATIENCE

FORKED = """
import multiprocessing, torch, priorkit

x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
settings = {"prior": "dct", "op": "gaussian", "m": 100, "solver": "fista", "budget": 5}

def run(_):
    return torch.get_num_threads(), float(priorkit.recover(x, **settings).psnr)

if __name__ == "__main__":
    torch.set_num_threads(2)
    here = run(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        there = pool.map(run, range(3))
    assert here[0] == torch.get_num_threads() == 2
    for _, psnr in there:
        assert abs(psnr - here[1]) < 1e-3, (psnr, here)
    print("done")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_pool_of_forks_after_a_recovery_ends():
    """With two threads before it waited for ever; one computes, and it is said."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-c", FORKED], start_new_session=True, **pipes
    ) as process:
        try:
            said, errors = process.communicate(timeout=PATIENCE)
        finally:
            if process.poll() is None:  # forks that hang go too
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors
    assert said == "done\n"
    assert "get_context('spawn')" in errors
