"""Choose γ for denoising on validation pictures and write the table onto a weight card.

    python benchmarks/calibrate_denoising.py WEIGHTS.safetensors --data faces.zip

Which pictures were kept for validation, and how all are framed, is read from the card. For each
σ their mean PSNR is measured on a grid of γ, and the best is kept. ``prior.defaults`` then
interpolates between the σ.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

import priorkit
from priorkit.io.files import write_atomic
from priorkit.io.weights import read
from priorkit.registry import registry
from priorkit.training.dataset import TrainingPictures

SIGMAS = [0.01, 0.05, 0.1, 0.2]
FACTOR = 2**0.5  # between neighbouring γ of the search


def main() -> None:
    """Print the grid and write the best γ per σ onto the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sigma", type=float, nargs="+", default=SIGMAS)
    parser.add_argument("--pictures", type=int, default=12)
    options = parser.parse_args()
    card_path = read(options.weights).path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    pictures = validation(options.data, card["training"], options.pictures)
    old = card.setdefault("defaults", {}).get("denoising", {"sigma": [], "gamma": []})
    table = dict(zip(old["sigma"], old["gamma"], strict=True))
    for sigma in options.sigma:
        table[sigma] = float(f"{climb(pictures, options.weights, sigma):.3g}")
    card["defaults"]["denoising"] = {
        "space": "pixel",
        "penalty": "nll",
        "sigma": sorted(table),
        "gamma": [table[sigma] for sigma in sorted(table)],
        "chosen_on": f"{options.pictures} validation pictures",
    }
    write_atomic(card_path, (json.dumps(card, indent=2) + "\n").encode())
    print(f"Wrote {card_path}")


def climb(pictures: torch.Tensor, weights: Path, sigma: float) -> float:
    """The γ of highest mean PSNR: from 0.7σ² by factors of √2, until both neighbours are lower."""
    scores: dict[int, float] = {}

    def score(step: int) -> float:
        if step not in scores:
            gamma = 0.7 * sigma**2 * FACTOR**step
            result = priorkit.recover(
                pictures,
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


def training_of(prior: str) -> dict[str, Any]:
    """How the weights of that name were trained, from their card."""
    return dict(read(registry().get("prior", prior).preset["weights"]).card.training)


def validation(data: Path, training: dict[str, Any], count: int) -> torch.Tensor:
    """``count`` pictures spread over those that were kept, framed as in training."""
    pictures = TrainingPictures(data, (training["size"],) * 2, training["box"] or None)
    kept = training["validation"]
    first = len(pictures) - kept
    picked = [pictures.crop(first + i * (kept // count)) for i in range(count)]
    return torch.stack(picked).float() / 255


if __name__ == "__main__":
    main()
