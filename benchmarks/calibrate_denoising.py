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
from priorkit_glow.data import Pictures

import priorkit
from priorkit.files import write_atomic
from priorkit.weights import read

# γ/σ², about the MAP weight 2 divided by how much sharper the density is than faces are.
RATIOS = [0.35, 0.5, 0.7, 1.0, 1.4]
SIGMAS = [0.01, 0.05, 0.1, 0.2]


def main() -> None:
    """Print the grid and write the best γ per σ onto the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--box", type=float, nargs=4, default=[4.5, 18, 84.5, 98])
    parser.add_argument("--faces", type=int, default=12)
    options = parser.parse_args()
    faces = validation(options.data, options.box, options.faces)
    best = []
    for sigma in SIGMAS:
        scores = {}
        for ratio in RATIOS:
            gamma = ratio * sigma**2
            result = priorkit.recover(
                faces,
                prior=str(options.weights),
                op="identity",
                sigma=sigma,
                space="pixel",
                penalty="nll",
                gamma=gamma,
                seed=1,
            )
            assert result.psnr is not None
            scores[gamma] = float(result.psnr.mean())
            print(f"σ = {sigma:<5} γ = {gamma:.3g}: {scores[gamma]:.2f} dB", flush=True)
        best.append(max(scores, key=lambda g: scores[g]))
    card_path = read(options.weights).path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card.setdefault("defaults", {})["denoising"] = {
        "space": "pixel",
        "penalty": "nll",
        "sigma": SIGMAS,
        "gamma": [float(f"{g:.3g}") for g in best],
        "chosen_on": f"{options.faces} validation pictures",
    }
    write_atomic(card_path, (json.dumps(card, indent=2) + "\n").encode())
    print(f"Wrote {card_path}")


def validation(data: Path, box: list[float], count: int) -> torch.Tensor:
    """``count`` pictures spread over the last 336 by name, framed as in training."""
    pictures = Pictures(data, (64, 64), box)
    first = len(pictures) - 336
    picked = [pictures.crop(first + i * (336 // count)) for i in range(count)]
    return torch.stack(picked).float() / 255


if __name__ == "__main__":
    main()
