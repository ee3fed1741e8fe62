"""Choose the Lasso's γ on validation faces, as a function of the share m/n that is measured.

    python benchmarks/calibrate_lasso.py --data faces.zip

For each operator and share, the mean PSNR over validation pictures (never trained on, never a
test picture) on a grid of γ by factors of √10, each solved from the γ above it, and the best.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from calibrate_denoising import training_of, validation

import priorkit

GRID = [10 ** (k / 2) for k in range(3, -7, -1)]


def main() -> None:
    """Print a row per basis, operator, share and γ; stop where PSNR has fallen for two γ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--priors", nargs="+", default=["dct", "wavelet"])
    parser.add_argument(
        "--ms", type=int, nargs="*", default=[500, 100, 2500, 50, 200, 1000, 5000, 10000]
    )
    parser.add_argument("--missing", type=float, nargs="*", default=[0.5, 0.3, 0.9])
    parser.add_argument("--faces", type=int, default=6)
    options = parser.parse_args()
    faces = validation(options.data, training_of("glow-celeba"), options.faces)
    n = faces[0].numel()
    problems: list[tuple[str, dict[str, Any]]] = [
        (f"m/n = {m / n:.4f}", {"op": "gaussian", "m": m}) for m in options.ms
    ]
    problems += [
        (f"seen = {1 - part:.4f}", {"op": "mask", "mask": "random", "fraction": part})
        for part in options.missing
    ]
    for name, settings in problems:
        for prior in options.priors:
            best(faces, prior, name, settings)


def best(faces: Any, prior: str, name: str, settings: dict[str, Any]) -> None:
    """Walk down the grid, and print the γ of the highest mean PSNR."""
    scores: dict[float, float] = {}
    start: Any = None
    for gamma in GRID:
        result = priorkit.recover(
            faces, prior=prior, penalty="l1", gamma=gamma, seed=1, start=start, **settings
        )
        assert result.psnr is not None
        scores[gamma], start = float(result.psnr.mean()), result.z
        count = sum(result.evaluations) / len(result.evaluations)
        line = f"{prior:8} {name:16} γ = {gamma:<8.3g} {scores[gamma]:6.2f} dB, {count:.0f} sweeps"
        print(line, flush=True)
        last = list(scores.values())[-3:]
        if len(last) == 3 and last[0] > last[1] > last[2]:
            break
    found = max(scores, key=lambda gamma: scores[gamma])
    print(f"{prior:8} {name:16} best γ = {found:.3g}: {scores[found]:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
