"""See what each operator measures of the sample photograph, and what comes back.

python examples/operators.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from denoise_and_inpaint import stacked  # beside this file

import priorkit

PROBLEMS: dict[str, dict[str, Any]] = {
    "out of focus": {"op": "blur", "width": 2.0},
    "shaken": {"op": "blur", "kernel": "motion", "length": 11, "angle": 30},
    "a fourth of the size": {"op": "downsample", "factor": 4},
    "an eighth of the spectrum": {"op": "fourier", "pattern": "radial", "acceleration": 8},
    "fifteen projections": {"op": "radon", "angles": 15},
    "without colour": {"op": "gray"},
    "without phases": {"op": "phase", "masks": 4},
    # Counts of light: 20 at white. Their noise grows with the signal, so the misfit is Poisson's.
    "few photons": {
        "op": "identity", "prior": "none", "noise": {"name": "poisson", "gain": 0.05},
        "penalty": "tv", "gamma": 0.4, "shape": (3, 64, 64),
    },
}  # fmt: skip


def main() -> None:
    """A row per operator: truth, measurement, recovery, error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/operators"))
    parser.add_argument("--prior", default="glow-celeba", help="name, or path to weights")
    parser.add_argument("--budget", type=int, default=150, help="evaluations of each")
    args = parser.parse_args()
    rows = []
    for name, problem in PROBLEMS.items():
        result = priorkit.recover(**{"prior": args.prior, "budget": args.budget, **problem})
        print(f"{name:26} {float(result.psnr[0]):.2f} dB")
        rows.append(result.grid())
    args.out.mkdir(parents=True, exist_ok=True)
    stacked(rows).save(args.out / "grid.png")
    print(f"See {args.out / 'grid.png'}: truth, measurement, recovery, error")


if __name__ == "__main__":
    main()
