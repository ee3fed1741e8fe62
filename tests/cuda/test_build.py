"""Every kernel builds for every architecture, and nothing of it spills."""

from pathlib import Path

import pytest
from priorkit_glow.device.glow import SOURCES as GLOW
from priorkit_operators.kernels import SOURCES as GAUSSIAN

from priorkit import cuda
from tests.cuda.cubin import frames

TESTED = ("sm_75", "sm_90", "sm_120")  # the oldest; of later ones, most and least shared memory
SOURCES = {**GLOW, **GAUSSIAN}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "architecture",
    ["sm_90", *(pytest.param(a, marks=pytest.mark.slow) for a in TESTED if a != "sm_90")],
)
def test_kernels_keep_to_their_registers(path, architecture, core):
    found = frames(bytes(cuda.compiled(path, architecture).code))
    assert found == dict.fromkeys(SOURCES[path], 0)


def test_a_spill_is_found(core):
    source = Path(__file__).parents[1] / "cuda_host/planted/spill.cu"
    assert frames(bytes(cuda.compiled(source, "sm_90").code))["spill"] > 0


def test_one_source_with_its_headers(tmp_path):
    (tmp_path / "a.cuh").write_text("#pragma once\nint a;\n")
    (tmp_path / "b.cuh").write_text('#include "a.cuh"\nint b;\n')
    whole = tmp_path / "whole.cu"
    whole.write_text('#include "a.cuh"\n#include "b.cuh"\nint c;\n')
    assert cuda.source(whole).split() == ["int", "a;", "int", "b;", "int", "c;"]
