"""BM3D on the paper's test faces, noisy input clipped to [0, 1] as in the paper, and not.

python benchmarks/bm3d_denoising.py --data ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

from priorkit_bm3d.prior import BM3D

from priorkit.io.pictures import load
from priorkit.metrics import psnr
from priorkit.streams import normal

PAPER = {0.05: 33.95, 0.1: 29.93, 0.2: 25.16}  # ../shared/paper/denoising_results.csv


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    x = load(options.data / "celeba" / "test12", (3, 64, 64)).x
    noise = normal(options.seed, "noise", range(len(x)), x[0].numel()).view(x.shape)
    print("| σ | clipped | not clipped | paper (clipped) |")
    print("|---|---|---|---|")
    for sigma, paper in PAPER.items():
        y = x + sigma * noise
        scores = [
            float(psnr(BM3D().denoise(noisy, sigma).clamp(0, 1), x).mean())
            for noisy in (y.clamp(0, 1), y)
        ]
        print(f"| {sigma} | {scores[0]:.2f} | {scores[1]:.2f} | {paper:.2f} |", flush=True)


if __name__ == "__main__":
    main()
