#!/usr/bin/env bash
# On a machine with a CUDA device: build, check, time. In one call, under ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

"$python" -m priorkit.cli doctor
"$python" -m pytest -m gpu tests/cuda
if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck synccheck; do
        compute-sanitizer --tool "$tool" --error-exitcode 1 "$python" -c "
import torch
from priorkit_glow.device import kernels
assert kernels(torch.device('cuda')) is not None"
    done
fi
"$python" benchmarks/gpu.py
