"""An exposure of a telescope with cosmic rays, from a FITS file to a FITS file.

python examples/telescope.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from denoise_and_inpaint import stacked  # beside this file
from scipy.ndimage import gaussian_filter, median_filter

import priorkit

SIDE = 128
SKY, READOUT = 200.0, 8.0  # electrons: what the sky adds to every pixel, and the noise of readout
METHODS: dict[str, dict[str, Any]] = {
    # Pixels that stand out from all around are left out, and filled in from what is left.
    "mask of outliers": {
        "op": "mask",
        "mask": "outliers",
        "range": "auto",
        "sigma": "auto",
        "prior": "denoiser-photos",
    },
    # Or no pixel is left out, and a few that are far off count for little.
    "robust noise": {
        "op": "identity",
        "range": (0, 20000),
        "noise": {"name": "laplace", "sigma": 20},
        "prior": "none",
        "penalty": {"name": "tv", "epsilon": 1e-3},
        "gamma": 0.002,
    },
}


def field(rng: np.random.Generator) -> np.ndarray:
    """Electrons that are expected: stars and three galaxies through the air, and the sky."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    light = np.zeros((SIDE, SIDE))
    for _ in range(60):
        light[tuple(rng.integers(0, SIDE, 2))] += 10 ** rng.uniform(3, 4.5)
    for row, column, size, turn in ((40, 36, 6, 0.5), (90, 84, 9, 2.2), (30, 98, 4, 1.2)):
        along = (rows - row) * np.sin(turn) + (columns - column) * np.cos(turn)
        across = (rows - row) * np.cos(turn) - (columns - column) * np.sin(turn)
        light += 900 * np.exp(-np.hypot(along, 2 * across) / size)
    return SKY + gaussian_filter(light, 1.5)


def exposure(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts with the noise of light and of the readout, and the tracks of cosmic rays."""
    counts = rng.poisson(truth) + READOUT * rng.standard_normal(truth.shape)
    for _ in range(40):
        start, turn = rng.uniform(0, SIDE, 2), rng.uniform(0, 2 * np.pi)
        steps = np.arange(0, rng.uniform(1, 12), 0.5)
        track = start + steps[:, None] * [np.sin(turn), np.cos(turn)]
        track = np.unique(track[((track >= 0) & (track < SIDE)).all(1)].astype(int), axis=0)
        counts[tuple(track.T)] += rng.uniform(1000, 20000)
    return counts


def decibels(x: np.ndarray, truth: np.ndarray) -> float:
    """PSNR of values for the span of the truth."""
    return float(20 * np.log10(np.ptp(truth) / np.sqrt(np.mean((x - truth) ** 2))))


def main() -> None:
    """A row per method: measurement and recovery."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/telescope"))
    parser.add_argument("--budget", type=int, help="evaluations of each; default: the solver's")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    truth = field(rng)
    path = args.out / "exposure.fits"
    counts = exposure(truth, rng).astype(np.float32)
    fits.PrimaryHDU(counts).writeto(path, overwrite=True)
    plain = max(decibels(median_filter(counts, size), truth) for size in (3, 5, 7))
    print(f"{'median filter':18} {plain:.1f} dB")
    rows = []
    for name, method in METHODS.items():
        result = priorkit.recover(y=str(path), budget=args.budget, **method)
        print(f"{name:18} {decibels(result.x[0, 0].numpy(), truth):.1f} dB")
        result.save(args.out / name.replace(" ", "-"))  # images/image.fits, in electrons
        rows.append(result.grid())
    stacked(rows).save(args.out / "grid.png")
    print(f"See {args.out / 'grid.png'}: measurement and recovery")


if __name__ == "__main__":
    main()
