"""Recover the sample photograph from 500 random measurements of its 12,288 numbers.

python examples/quickstart.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import priorkit


def main() -> None:
    """Measure the photograph, recover it from the measurements, and save everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/quickstart"))
    parser.add_argument("--prior", default="glow-celeba", help="name, or path to weights")
    parser.add_argument("--budget", type=int, help="evaluations; default: the prior's choice")
    args = parser.parse_args()

    # For a picture of your own: priorkit.recover("face.png", prior=…)
    result = priorkit.recover(prior=args.prior, op="gaussian", m=500, budget=args.budget)
    print(f"PSNR {float(result.psnr[0]):.2f} dB")
    folder = result.save(args.out)
    print(f"See {folder / 'grid.png'} and {folder / 'report.html'}")


if __name__ == "__main__":
    main()
