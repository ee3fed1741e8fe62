"""Priors that take any picture, on photographs, beside the plain answer that needs no prior.

    python benchmarks/photographs.py FOLDER [--pictures 6] [--problems srht-10 half …]

Noise of σ = 15, 25 and 50 of 255 on whole pictures of a folder, the first by name; all else on
their centre squares of 256×256, cut and not resized: a Gaussian blur of 1.6 pixels and ×4 fewer
pixels with noise of σ = 0.01, a random half of the pixels, a subsampled randomized Hadamard
transform with m/n = 0.1 and 0.25 (‖η‖ = 0.1), sums along rays of 60 angles, a fourth of the Fourier
lines. A row has the mean PSNR over pictures and seeds, its standard error over pictures, what the
best of the plain answers of ``defaults.py`` reaches on the same measurements, and seconds per
picture. γ of total variation was chosen on the photograph of an astronaut that scikit-image ships,
which is none of those measured here, or is what its rule says; the others have their defaults.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from defaults import plain
from torch import Tensor

import priorkit
from priorkit.errors import MismatchError
from priorkit.io.pictures import load
from priorkit.settings.words import value

SIDE = 256
N = 3 * SIDE**2
WHOLE: dict[str, dict[str, Any]] = {
    f"noise-{level}": {"op": "identity", "sigma": level / 255} for level in (15, 25, 50)
}
SQUARE: dict[str, dict[str, Any]] = {
    "blur": {"op": "blur", "width": 1.6, "sigma": 0.01},
    "x4": {"op": "downsample", "factor": 4},
    "half": {"op": "mask", "mask": "random", "fraction": 0.5},
    "srht-10": {"op": "srht", "m": N // 10},
    "srht-4": {"op": "srht", "m": N // 4},
    "radon": {"op": "radon", "angles": 60},
    "fourier": {"op": "fourier"},
}
PROBLEMS = WHOLE | SQUARE
# What the rule suggests (3.8·gain²·(σ/gain)^1.5), or what was best for the astronaut.
TV = {
    "noise-15": 0.054,
    "noise-25": 0.117,
    "noise-50": 0.33,
    "blur": 3.8e-3,
    "x4": 3.8e-3,
    "half": 3e-4,
    "srht-10": 3e-3,
    "srht-4": 1e-3,
    "radon": 3.8e-3,
    "fourier": 3.8e-3,
}
PRIORS: dict[str, dict[str, Any]] = {
    "denoiser-photos": {"prior": "denoiser-photos"},
    "none": {"prior": "none"},
    "tv": {"prior": "none", "penalty": "tv", "budget": 400},
    "dct": {"prior": "dct"},
    "bm3d": {"prior": "bm3d"},
    "patch-flow": {"prior": "patch-flow"},
    "deep-decoder": {"prior": "deep-decoder"},
}


def main() -> None:
    """Print a row per problem and prior as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--priors", nargs="+", choices=PRIORS, default=list(PRIORS))
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="other settings of the runs"
    )
    options = parser.parse_args()
    pictures = [load(f).x for f in sorted(options.folder.iterdir())[: options.pictures]]
    own = {name: value(given) for name, given in (word.split("=", 1) for word in options.set)}
    print("| problem | prior | dB | ± | plain answer | dB | evaluations | seconds per picture |")
    print("|---|---|---|---|---|---|---|---|")
    for problem in options.problems:
        x = pictures if problem in WHOLE else [square(picture) for picture in pictures]
        for name in options.priors:
            print(row(x, problem, name, options.seeds, own), flush=True)


def square(x: Tensor, side: int = SIDE) -> Tensor:
    """The centre of a picture (1, C, H, W), so many pixels wide and high."""
    top, left = ((length - side) // 2 for length in x.shape[-2:])
    return x[..., top : top + side, left : left + side]


def row(
    pictures: list[Tensor], problem: str, name: str, seeds: list[int], own: dict[str, Any]
) -> str:
    """What a prior reaches on one problem, picture by picture."""
    settings = PROBLEMS[problem] | PRIORS[name] | ({"gamma": TV[problem]} if name == "tv" else {})
    reached: list[list[float]] = []
    answers: dict[str, list[float]] = {}
    evaluations, seconds = 0, 0.0
    for x in pictures:
        reached.append([])
        for seed in seeds:
            started = time.perf_counter()
            try:
                found = priorkit.recover(x.numpy(), seed=seed, **settings, **own)
            except MismatchError as error:
                return f"| {problem} | {name} | | | | | | refused: {error.what} |"
            seconds += time.perf_counter() - started
            assert found.psnr is not None
            reached[-1].append(float(found.psnr))
            evaluations += sum(found.evaluations)
            for answer, decibels in plain(x, found, PROBLEMS[problem]).items():
                answers.setdefault(answer, []).append(decibels)
    each = torch.tensor(reached).mean(1)
    error = float(each.std()) / len(each) ** 0.5 if len(each) > 1 else float("nan")
    runs = len(pictures) * len(seeds)
    best = max(answers, key=lambda answer: sum(answers[answer]))
    return (
        f"| {problem} | {name} | {float(each.mean()):.2f} | {error:.2f} | {best} | "
        f"{sum(answers[best]) / runs:.2f} | {evaluations / runs:.0f} | {seconds / runs:.1f} |"
    )


if __name__ == "__main__":
    main()
