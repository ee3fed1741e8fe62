"""Which ways to begin and to scale a solve help, on validation faces.

    python benchmarks/ablation.py --data faces.zip 500 2500

Every variant spends the same number of evaluations on the same measurements of the same faces
(never trained on, never a test picture). Printed are the mean PSNR on the way and at the end,
and the evaluations to 0.1 dB below the end of the default.

Variants: ``default``; ``not deflated``, the residual without weights; ``tilt`` of other sizes;
``coarse`` (the first evaluations in a scale in which little but the coarsest latents moves, then
the default from there); ``continuation`` (the first evaluations with the penalty γ‖z‖², then
without it); ``pseudo-inverse`` (from the latent of the least-squares image instead of z = 0);
``chi`` (the negative log density of ‖z‖ for z ~ N(0, 1), which keeps ‖z‖ near √n, weighted by γ
throughout).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from calibrate_denoising import training_of, validation
from published import PRIOR, ours
from quality import machine
from torch import Tensor

from priorkit.interfaces import Penalty


class ChiNorm(Penalty):
    """R(z) = ½‖z‖² − (n − 1) log‖z‖ with its least value, at ‖z‖² = n − 1, taken off."""

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        n = u[0].numel() - 1
        square = u.flatten(1).double().square().sum(1).clamp_min(1e-12)
        value = 0.5 * square - 0.5 * n * square.log() - 0.5 * n * (1 - math.log(n))
        return value, u * (1 - n / square).to(u)[:, None]


def chi(gamma: float) -> dict[str, Any]:
    return {"penalty": ChiNorm(), "gamma": gamma}


FIRST = 25  # evaluations of the stage that others follow
MARKS = (25, 50, 100, 200, 400)
Stage = tuple[int, dict[str, Any]]


def tilted(tilt: float) -> dict[str, Any]:
    return {"prior": {"name": PRIOR, "tilt": tilt}}


def penalised(gamma: float) -> dict[str, Any]:
    return {"penalty": "l2-squared", "gamma": gamma}


VARIANTS: dict[str, list[Stage]] = {
    "default": [(400, {})],
    "not deflated": [(400, {"solver": {"name": "lbfgs", "deflate": False}})],
    "tilt 0": [(400, tilted(0.0))],
    "tilt 0.25": [(400, tilted(0.25))],
    "tilt 0.5": [(400, tilted(0.5))],
    "coarse": [(FIRST, tilted(2.0)), (400 - FIRST, {})],
    "coarsest": [(FIRST, tilted(4.0)), (400 - FIRST, {})],
    "continuation 0.1": [(FIRST, penalised(0.1)), (400 - FIRST, {})],
    "continuation 0.01": [(FIRST, penalised(0.01)), (400 - FIRST, {})],
    "chi 0.0001": [(400, chi(1e-4) | {"start": {"name": "normal", "std": 0.1}})],
    "chi 0.001": [(400, chi(1e-3) | {"start": {"name": "normal", "std": 0.1}})],
    "chi 0.01": [(400, chi(1e-2) | {"start": {"name": "normal", "std": 0.1}})],
    "pseudo-inverse": [(400, {"start": "pseudo-inverse"})],
}


def main() -> None:
    """Print a row per variant and m."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ms", nargs="*", type=int, default=[500, 2500])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=6)
    parser.add_argument("--only", default="", help="variants whose name has this in it")
    options = parser.parse_args()
    faces = validation(options.data, training_of(PRIOR), options.faces)
    print(f"{PRIOR}, {options.faces} validation faces, {machine()}", flush=True)
    for m in options.ms:
        goal = None
        for name, stages in VARIANTS.items():
            if options.only in name or name == "default":
                path = follow(faces, m, stages)
                goal = goal or path[-1][1] - 0.1
                print(f"m = {m}, {name:18}" + row(path, goal), flush=True)


def follow(faces: Tensor, m: int, stages: list[Stage]) -> list[tuple[int, float]]:
    """Evaluations and mean PSNR at every iterate of the stages, one after the other."""
    points: list[tuple[int, float]] = []
    spent, start = 0, None
    for budget, settings in stages:
        chosen = {"prior": PRIOR, "start": start, "budget": budget, **settings}
        path, result = ours(faces, faces, op="gaussian", m=m, **chosen)
        for evaluations, psnr in zip(path.evaluations, path.psnr.mean(1).tolist(), strict=True):
            points.append((spent + evaluations, psnr))
        spent, start = spent + max(result.evaluations), result.z
    return points


def row(path: list[tuple[int, float]], goal: float) -> str:
    """PSNR at the marks, and the evaluations to the goal."""
    at = [max((p for p in path if p[0] <= mark), key=lambda p: p[0])[1] for mark in MARKS]
    reached = next((str(e) for e, value in path if value >= goal), "never")
    values = ", ".join(f"{value:.2f}" for value in at)
    return f"{values} dB at {', '.join(map(str, MARKS))}; {goal:.2f} dB: {reached}"


if __name__ == "__main__":
    main()
