"""The execution on the processor finds what it is there to find."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from priorkit_glow import device as glow
from priorkit_operators import kernels as gaussian

from tests.cuda_host import COMPILER, HostError, HostLibrary

PLANTED = Path(__file__).parents[1] / "cuda_host/planted"
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")


def planted(name, folder):
    return HostLibrary({PLANTED / f"{name}.cu": (name,)}, folder)


@needs_compiler
def test_a_race_comes_out_differently_in_another_order(tmp_path):
    library, found = planted("race", tmp_path), set()
    for library.seed in range(4):
        out = torch.zeros(64, dtype=torch.int32)
        library("race", (1, 1), 64, [out])
        found.add(tuple(out.tolist()))
    assert len(found) > 1


@needs_compiler
@pytest.mark.parametrize(
    ("name", "said"), [("barrier", r"ended \(thread 5\)"), ("lanes", r"ended \(thread 3\)")]
)
def test_threads_that_stay_away_are_found(name, said, tmp_path):
    library = planted(name, tmp_path)
    with pytest.raises(HostError, match=f"{name}: threads wait for others that never come.*{said}"):
        library(name, (1, 1), 64, [torch.zeros(64, dtype=torch.int32)])


@pytest.mark.parametrize("own", [glow, gaussian])
def test_the_check_at_first_use(own, host):
    own.check(host, torch.device("cpu"))

    def broken(name, grid, threads, arguments):
        host(name, grid, threads, arguments)
        if name in ("couple_float32", "gaussian_back"):
            next(a for a in reversed(arguments) if isinstance(a, torch.Tensor)).mul_(1.01)

    with pytest.raises(RuntimeError, match="by our kernels is off by"):
        own.check(broken, torch.device("cpu"))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(("what", "said"), [("outside", "overflow"), ("kernels", "all is well")])
def test_under_the_address_sanitizer(what, said, tmp_path):
    """Every kernel once, and an out-of-bounds write that is found."""
    name = ["-print-file-name=libasan.so"]
    found = subprocess.run([COMPILER, *name], check=True, capture_output=True, text=True)
    environment = {
        "LD_PRELOAD": found.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.cuda_host.sanitized", what, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) == (what == "kernels")
