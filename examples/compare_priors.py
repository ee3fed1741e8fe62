"""Put several priors on the same measurements of the sample photograph.

python examples/compare_priors.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import priorkit


def main() -> None:
    """One matrix A and one noise for all; a table, a grid of pictures and a curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/compare"))
    parser.add_argument("--priors", nargs="+", default=["glow-celeba", "dct", "wavelet"])
    parser.add_argument("--ms", nargs="+", type=int, default=[250, 1000])
    parser.add_argument("--budget", type=int, help="evaluations; default: each prior's choice")
    args = parser.parse_args()

    result = priorkit.compare(priors=args.priors, op="gaussian", ms=args.ms, budget=args.budget)
    print(result.markdown())
    folder = result.save(args.out)
    print(f"See {folder / 'report.html'}")


if __name__ == "__main__":
    main()
