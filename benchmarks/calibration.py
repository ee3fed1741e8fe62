"""How true is what a sampler says of its own error, printed.

    python benchmarks/calibration.py --data ../shared/data [--draws 16] [--faces 6]

Samplers on test faces and, where the prior is a sampler, on faces that it drew itself. Per
problem: the PSNR of the mean of the draws, the root of the mean squared error beside that of the
draws' variance, and which part of the truth's pixels lies within their 90% interval. For truths
drawn from the prior it should be 90%. What a solver without draws expects of its PSNR is a column
of ``quality.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from quality import machine
from torch import Tensor
from torch.nn import functional

import priorkit
from priorkit.interfaces import Sampler
from priorkit.io.pictures import load
from priorkit.settings.select import resolve


def film(x: Tensor) -> Tensor:
    """A blurred picture on a film whose density comes to an end, 1 − exp(−3 blur(x))."""
    wide = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return 1 - torch.exp(-3 * functional.avg_pool2d(wide, 3, 1))


HALF = {"op": "mask", "mask": "random", "fraction": 0.5}
PROBLEMS: dict[str, dict[str, Any]] = {
    "hole": {"op": "mask", "sigma": 0.01},
    "half of the pixels": HALF | {"sigma": 0.05},
    "blur": {"op": "blur", "width": 1.6, "sigma": 0.01},
    "m = 500": {"op": "gaussian", "m": 500},
    "m = 2500": {"op": "gaussian", "m": 2500},
    "srht, m = 1200": {"op": "srht", "m": 1200},
    "noise": {"op": "identity", "sigma": 0.1},
    "downsample": {"op": "downsample", "factor": 4, "sigma": 0.01},
    "fourier": {"op": "fourier", "sigma": 0.01},
    "radon": {"op": "radon", "angles": 30, "sigma": 0.05},
    "phase": {"op": "phase", "sigma": 0.1},
    "film": {"op": film, "sigma": 0.01},
}
for photons in (10, 100, 1000):  # at white
    counted = {"noise": {"name": "poisson", "gain": 1 / photons}}
    PROBLEMS[f"{photons} photons"] = {"op": "identity"} | counted
    PROBLEMS[f"{photons} photons, half of the pixels"] = HALF | counted
    PROBLEMS[f"{photons} photons, blur"] = {"op": "blur", "width": 1.6} | counted
TRUTHS = ("test faces", "its own draws")
RUNS: dict[str, dict[str, Any]] = {
    "ancestral": {"prior": "diffusion-celeba", "solver": {"name": "ancestral"}, "budget": None},
    "diffpir": {"prior": "diffusion-celeba", "solver": {"name": "diffpir"}},
    "perturb": {"prior": "glow-celeba", "solver": {"name": "perturb"}},
}


def main() -> None:
    """A row per sampler, kind of truth and problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--faces", type=int, default=6)
    parser.add_argument("--draws", type=int, default=16)
    parser.add_argument("--calls", type=int, default=30, help="for each draw, but of ancestral")
    parser.add_argument("--solvers", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--truths", nargs="+", choices=TRUTHS, default=list(TRUTHS))
    options = parser.parse_args()
    print(f"{options.faces} truths, {options.draws} draws of {options.calls} calls, {machine()}\n")
    print("| solver | truths | problem | PSNR | error | spread | within 90% |")
    print("|---|---|---|---|---|---|---|")
    files = sorted((options.data / "celeba" / "test12").iterdir())[: options.faces]
    for name in options.solvers:
        run = RUNS[name]
        prior = resolve("prior", run["prior"]).build(0)
        assert isinstance(prior, Sampler)
        drawn = prior.sample(options.faces, generator=torch.Generator().manual_seed(0))
        truths = dict(zip(TRUTHS, (load(files, (3, 64, 64)).x, drawn.clamp(0, 1)), strict=True))
        for kind in options.truths:
            x = truths[kind]
            for problem in options.problems:
                print(f"| {name} | {kind} | {problem} | {row(x, run, problem, options)} |",
                      flush=True)  # fmt: skip


def row(x: Tensor, run: dict[str, Any], problem: str, options: argparse.Namespace) -> str:
    """The cells of one problem."""
    found = priorkit.recover(
        x.numpy(),
        prior=run["prior"],
        solver=run["solver"] | {"draws": options.draws},
        budget=run.get("budget", options.draws * options.calls),
        **PROBLEMS[problem],
    )
    assert found.psnr is not None
    assert found.draws.spread is not None
    assert found.within_90 is not None
    error = (found.x - found.truth).square().mean().sqrt()
    spread = found.draws.spread.square().mean().sqrt()
    inside = float(found.within_90.mean())
    return f"{float(found.psnr.mean()):.2f} | {error:.4f} | {spread:.4f} | {inside:.0%}"


if __name__ == "__main__":
    main()
