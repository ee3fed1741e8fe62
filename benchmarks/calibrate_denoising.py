"""Choose γ for denoising on validation faces and write the table onto a weight card.

    python benchmarks/calibrate_denoising.py WEIGHTS.safetensors --data faces.zip

For each σ the mean PSNR over validation pictures (the last by name, never trained on, never
a test picture) is measured on a grid of γ, and the best is kept. ``prior.defaults`` then
interpolates between the σ.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

import priorkit
from priorkit.io.files import write_atomic
from priorkit.io.weights import read
from priorkit.training.dataset import TrainingPictures

SIGMAS = [0.01, 0.05, 0.1, 0.2]
FACTOR = 2**0.5  # between neighbouring γ of the search


def main() -> None:
    """Print the grid and write the best γ per σ onto the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--box", type=float, nargs=4, default=[4.5, 18, 84.5, 98])
    parser.add_argument("--sigma", type=float, nargs="+", default=SIGMAS)
    parser.add_argument("--faces", type=int, default=12)
    options = parser.parse_args()
    faces = validation(options.data, options.box, options.faces)
    card_path = read(options.weights).path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    old = card.setdefault("defaults", {}).get("denoising", {"sigma": [], "gamma": []})
    table = dict(zip(old["sigma"], old["gamma"], strict=True))
    for sigma in options.sigma:
        table[sigma] = float(f"{climb(faces, options.weights, sigma):.3g}")
    card["defaults"]["denoising"] = {
        "space": "pixel",
        "penalty": "nll",
        "sigma": sorted(table),
        "gamma": [table[sigma] for sigma in sorted(table)],
        "chosen_on": f"{options.faces} validation pictures",
    }
    write_atomic(card_path, (json.dumps(card, indent=2) + "\n").encode())
    print(f"Wrote {card_path}")


def climb(faces: torch.Tensor, weights: Path, sigma: float) -> float:
    """The γ of highest mean PSNR: from 0.7σ² by factors of √2, until both neighbours are lower."""
    scores: dict[int, float] = {}

    def score(step: int) -> float:
        if step not in scores:
            gamma = 0.7 * sigma**2 * FACTOR**step
            result = priorkit.recover(
                faces,
                prior=str(weights),
                op="identity",
                sigma=sigma,
                space="pixel",
                penalty="nll",
                gamma=gamma,
                seed=1,
            )
            assert result.psnr is not None
            scores[step] = float(result.psnr.mean())
            print(f"σ = {sigma:<5} γ = {gamma:.3g}: {scores[step]:.2f} dB", flush=True)
        return scores[step]

    best = 0
    while True:
        nearby = max((best - 1, best, best + 1), key=score)
        if nearby == best:
            return 0.7 * sigma**2 * FACTOR**best
        best = nearby


def validation(data: Path, box: list[float], count: int) -> torch.Tensor:
    """``count`` pictures spread over the last 336 by name, framed as in training."""
    pictures = TrainingPictures(data, (64, 64), box)
    first = len(pictures) - 336
    picked = [pictures.crop(first + i * (336 // count)) for i in range(count)]
    return torch.stack(picked).float() / 255


if __name__ == "__main__":
    main()
