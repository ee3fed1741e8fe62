"""Priors that know no kind of picture, on photographs of 256×256 pixels.

    python benchmarks/photographs.py FOLDER [--pictures 5] [--problems srht-10 srht-4 …]

Mean PSNR over the first pictures of a folder, centre squares resized to 256×256, with the standard
error over pictures, for A a subsampled randomized Hadamard transform with m/n = 0.1 and 0.25 (‖η‖ =
0.1), noise of σ = 0.1, and a random half of the pixels. γ of total variation was chosen on the
photograph of an astronaut that scikit-image ships, which is none of those measured here; the others
have their defaults.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import priorkit
from priorkit.io.pictures import load

SIDE = 256
N = 3 * SIDE**2
PROBLEMS: dict[str, dict[str, Any]] = {
    "srht-10": {"op": "srht", "m": N // 10},
    "srht-4": {"op": "srht", "m": N // 4},
    "noise": {"op": "identity", "sigma": 0.1},
    "half": {"op": "mask", "mask": "random", "fraction": 0.5},
}
TV = {"srht-10": 3e-3, "srht-4": 1e-3, "noise": 0.14, "half": 3e-4}
PRIORS: dict[str, dict[str, Any]] = {
    "tv": {"prior": "none", "penalty": "tv", "budget": 400},
    "dct": {"prior": "dct"},
    "bm3d": {"prior": "bm3d"},
    "deep-decoder": {"prior": "deep-decoder"},
    "patch-flow": {"prior": "patch-flow"},
}


def main() -> None:
    """Print a row per problem and prior as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--priors", nargs="+", choices=PRIORS, default=list(PRIORS))
    options = parser.parse_args()
    x = load(options.folder, (3, SIDE, SIDE)).x[: options.pictures]
    print("| problem | prior | PSNR | ± | evaluations | seconds per picture |")
    print("|---|---|---|---|---|---|")
    for problem in options.problems:
        for name in options.priors:
            started = time.perf_counter()
            settings = PROBLEMS[problem] | PRIORS[name]
            settings |= {"gamma": TV[problem]} if name == "tv" else {}
            found = priorkit.recover(x.numpy(), seed=1, **settings)
            seconds = (time.perf_counter() - started) / len(x)
            assert found.psnr is not None
            error = float(found.psnr.std()) / len(x) ** 0.5
            count = sum(found.evaluations) / len(x)
            print(f"| {problem} | {name} | {float(found.psnr.mean()):.2f} | {error:.2f} | "
                  f"{count:.0f} | {seconds:.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
