"""Every kernel builds for every architecture, within the resources of ``resources.csv``.

    python -m tests.cuda.test_build        # write the table anew

The table is of the NVRTC in ``constraints.txt``. Local memory is what spills.
"""

import csv
from pathlib import Path

import pytest
from priorkit_glow.kernels import SOURCES as GLOW
from priorkit_operators.kernels import SOURCES as GAUSSIAN

from priorkit import cuda
from tests.cuda.cubin import resources

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
TESTED = ("sm_75", "sm_90", "sm_120")  # the oldest; of later ones, most and least shared memory
TABLE = Path(__file__).parent / "resources.csv"
SOURCES = {**GLOW, **GAUSSIAN}
COLUMNS = ("kernel", "architecture", "registers", "local", "shared")


def built(path, architecture):
    return resources(bytes(cuda.compiled(path, architecture).code))


def rows():
    with TABLE.open() as file:
        return list(csv.DictReader(file))


def bounds():
    return {
        (row["kernel"], row["architecture"]): tuple(int(row[c]) for c in COLUMNS[2:])
        for row in rows()
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "architecture",
    ["sm_90", *(pytest.param(a, marks=pytest.mark.slow) for a in TESTED if a != "sm_90")],
)
def test_kernels_stay_within_their_resources(path, architecture):
    pytest.importorskip("cuda.core", reason="needs the extra cuda")
    found, allowed = built(path, architecture), bounds()
    old = architecture == "sm_75"
    assert set(found) == {n for n in SOURCES[path] if not (old and n.endswith("bfloat16"))}
    for kernel, taken in found.items():
        limits = allowed[kernel, architecture]
        assert all(t <= limit for t, limit in zip(taken, limits, strict=True)), (kernel, taken)
        assert taken[1] == 0
        assert taken[2] <= 48 << 10


def test_one_source_with_its_headers(tmp_path):
    (tmp_path / "a.cuh").write_text("#pragma once\nint a;\n")
    (tmp_path / "b.cuh").write_text('#include "a.cuh"\nint b;\n')
    whole = tmp_path / "whole.cu"
    whole.write_text('#include "a.cuh"\n#include "b.cuh"\nint c;\n')
    assert cuda.source(whole).split() == ["int", "a;", "int", "b;", "int", "c;"]


if __name__ == "__main__":
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for architecture in ARCHITECTURES:
            for path in SOURCES:
                for kernel, taken in sorted(built(path, architecture).items()):
                    writer.writerow((kernel, architecture, *taken))
