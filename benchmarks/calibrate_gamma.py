"""Choose γ of total variation and of a basis by noise and gain, on validation photographs.

    python benchmarks/calibrate_gamma.py --data photos.zip [--problems blur …] [--sigmas 0.01 …]

Where A and y are multiplied by g, γ must be by g²: so γ = c·gain²·(σ/gain)^p, with ‖A‖_F/√n for
the gain, `LinearOperator.gain`. A row per problem and σ: the best γ on a grid by factors of 10^¼,
and what the rule of the penalty's hint, or of the prior's defaults, gives and reaches. c and
p = 1.5 are what loses least over all rows. The pictures are gray, 96×144, of the last of the file,
which no weights were trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

import priorkit
from priorkit.interfaces import LinearOperator
from priorkit.io.values import LUMA
from priorkit.training.dataset import TrainingPictures

SIDES = (96, 144)
KEPT = 30  # photographs at the end of the file that are for validation
PROBLEMS: dict[str, dict[str, Any]] = {
    "identity": {"op": "identity"},
    "half": {"op": "mask", "mask": "random"},
    "blur": {"op": "blur"},
    "x4": {"op": "downsample"},
    "fourier": {"op": "fourier"},
    "coils": {"op": "fourier", "coils": 4},
    "radon": {"op": "radon"},
}
KINDS: dict[str, dict[str, Any]] = {
    "tv": {"prior": "none", "penalty": "tv", "budget": 120},
    "dct": {"prior": "dct", "penalty": "l1", "budget": 150},
    "wavelet": {"prior": "wavelet", "penalty": "l1", "budget": 150},
}
FACTORS = {"tv": 3.8, "dct": 5.6, "wavelet": 5.6}


def main() -> None:
    """Print a row per penalty, problem and σ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["tv", "dct"])
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--sigmas", type=float, nargs="+", default=[0.01, 0.03, 0.1])
    options = parser.parse_args()
    x = photographs(options.data, options.pictures)
    print("| R | problem | σ | gain | best γ | dB | rule's γ | dB |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in options.kinds:
        for problem in options.problems:
            for sigma in options.sigmas:
                row(x, kind, problem, sigma)


def photographs(data: Path, count: int) -> torch.Tensor:
    """Gray validation photographs (count, 1, H, W), spread over those that were kept."""
    pictures = TrainingPictures(data, SIDES)
    first = len(pictures) - KEPT
    picked = [pictures.crop(first + i * (KEPT // count)) for i in range(count)]
    luma = torch.tensor(LUMA).view(3, 1, 1)
    return (torch.stack(picked).float() / 255 * luma).sum(1, keepdim=True)


def row(x: torch.Tensor, kind: str, problem: str, sigma: float) -> None:
    """Climb to the best γ from the rule's, and print both."""
    settings = {**PROBLEMS[problem], **KINDS[kind], "sigma": sigma, "seed": 1}
    operator = priorkit.recover(x.numpy(), **settings | {"gamma": 1.0, "budget": 1}).operator
    assert isinstance(operator, LinearOperator)
    gain = operator.gain
    rule = FACTORS[kind] * sigma**1.5 * gain**0.5
    scores: dict[int, float] = {}

    def score(step: int) -> float:
        if step not in scores:
            scores[step] = reached(x, settings, rule * 10 ** (step / 4))
        return scores[step]

    best, stride = 0, 2
    while stride:
        nearby = max((best - stride, best, best + stride), key=score)
        stride -= nearby == best
        best = nearby
    print(f"| {kind} | {problem} | {sigma:g} | {gain:.3f} | {rule * 10 ** (best / 4):.2g} | "
          f"{score(best):.2f} | {rule:.2g} | {score(0):.2f} |", flush=True)  # fmt: skip


def reached(x: torch.Tensor, settings: dict[str, Any], gamma: float) -> float:
    """Mean PSNR."""
    found = priorkit.recover(x.numpy(), **settings, gamma=gamma)
    assert found.psnr is not None
    return float(found.psnr.mean())


if __name__ == "__main__":
    main()
