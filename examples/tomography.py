"""Few X-rays of a fan through the sample photograph, as if its gray were matter 40 mm wide.

python examples/tomography.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from denoise_and_inpaint import stacked  # beside this file

import priorkit

WIDTH = 40.0  # mm
SIDE = 128  # pixels
SCANNER = {
    "op": "radon",
    "geometry": "fan",
    "angles": 90,
    # White absorbs 0.05 per mm. x is in [0, 1], so that it is a part of lengths here.
    "pixel_size": WIDTH / SIDE * 0.05,
    "source_distance": 100 * 0.05,
    "detector_distance": 60 * 0.05,
    "noise": {"name": "transmission", "photons": 5000},
    "shape": (1, SIDE, SIDE),
}


def main() -> None:
    """A row per prior: truth, filtered back-projection, recovery, error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/tomography"))
    parser.add_argument("--budget", type=int, help="evaluations of each; default: the solver's")
    args = parser.parse_args()
    contestants = {
        "total variation": {"prior": "none", "penalty": "tv", "gamma": 0.01},
        "a denoising network": {"prior": "denoiser-photos", "solver": "pnp-admm"},
    }
    rows = []
    for name, own in contestants.items():
        result = priorkit.recover(**SCANNER, **own, budget=args.budget)
        print(f"{name:20} {float(result.psnr[0]):.2f} dB")
        rows.append(result.grid())
    args.out.mkdir(parents=True, exist_ok=True)
    stacked(rows).save(args.out / "grid.png")
    print(f"See {args.out / 'grid.png'}: truth, filtered back-projection, recovery, error")


if __name__ == "__main__":
    main()
