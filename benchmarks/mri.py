"""Complex pictures from some of the spectrum of eight coils, beside filling up with zeros.

    python benchmarks/mri.py [--folder SLICES] [--objects head brain] [--accelerations 4 8]
        [--methods wavelet tv …] [--side 128] [--slices 3]

Objects are the head of ellipses of ``examples/scanner.py``, and slices of a folder of DICOM
magnitudes (which needs pydicom), the middle ones by name. Each gets a smooth phase and is measured
on a grid that is finer than the image's, by loops of wire, with noise of σ = 0.01; a third of the
measured columns, and at least eight, are in the middle, the others at random. What recovers it has
the spectrum alone: the mask is where it isn't 0, and maps come from its middle. Truth is the root
of the sum of squares of all coils without noise; scores are the means of those of sizes, as fastMRI
counts them. A row is one object, acceleration and method. γ was chosen on another
slice, the fourth from the middle, at four-fold.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import priorkit

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from scanner import SIGMA, head, lines, scanned, scores

METHODS: dict[str, dict[str, Any]] = {
    "zero-filled": {"prior": "none", "budget": 1},
    "least squares": {"prior": "none", "budget": 10},
    "wavelet": {
        "prior": {"name": "wavelet", "wavelet": "db4", "levels": 4},
        "gamma": 3e-3,
    },
    "tv": {"prior": "none", "penalty": "tv", "gamma": 3e-3},
    "pnp-admm": {"prior": "denoiser-photos", "solver": "pnp-admm", "precision": "mixed"},
    "diffpir": {"prior": "denoiser-photos", "precision": "mixed"},
}
KEPT = 99.9  # percent of a slice's pixels that are at most 1


def main() -> None:
    """Print a row per object, acceleration and method as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of DICOM slices, for the object 'brain'")
    parser.add_argument("--objects", nargs="+", choices=["head", "brain"], default=["head"])
    parser.add_argument("--accelerations", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--maps", choices=["estimate", "espirit"], default="estimate")
    options = parser.parse_args()
    if "brain" in options.objects and options.folder is None:
        parser.error("the object 'brain' needs --folder")
    print("| object | fold | method | dB | SSIM | evaluations | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name in options.objects:
        objects = [head(3 * options.side)]
        if name == "brain":
            objects = slices(options.folder, options.slices)
        measured = [scanned(x, options.side, seed=i) for i, x in enumerate(objects)]
        for fold in options.accelerations:
            for method in options.methods:
                print(row(measured, name, fold, method, options.maps), flush=True)


def slices(folder: Path, count: int) -> list[np.ndarray]:
    """The middle slices of a folder, nearly all within 1."""
    import pydicom

    files = sorted(folder.glob("*.dcm"))
    first = (len(files) - count) // 2
    planes = [pydicom.dcmread(file).pixel_array.astype(float) for file in files[first:][:count]]
    return [plane / np.percentile(plane, KEPT) for plane in planes]


def row(
    measured: list[tuple[np.ndarray, np.ndarray]], name: str, fold: int, method: str, maps: str
) -> str:
    """What a method reaches, the mean over objects."""
    reached, evaluations, started = [], 0, time.perf_counter()
    for seed, (y, best) in enumerate(measured):
        found = priorkit.recover(
            y=y * lines(y.shape[-1], fold, seed=seed),
            op="fourier",
            maps=maps,
            kind="complex",
            sigma=SIGMA,
            **METHODS[method],
        )
        x = found.operator.image(found.y) if method == "zero-filled" else found.x
        assert x is not None
        reached.append(scores(x, best))
        evaluations += sum(found.evaluations)
    seconds = (time.perf_counter() - started) / len(measured)
    psnr, ssim = np.mean(reached, 0)
    count = "" if method == "zero-filled" else f"{evaluations / len(measured):.0f}"
    return f"| {name} | {fold} | {method} | {psnr:.2f} | {ssim:.3f} | {count} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
