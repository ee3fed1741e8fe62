"""Which prior and which solver: every one on the same measurements, for docs/choosing.md.

    python benchmarks/choices.py --data DATA [--tables faces photos solvers] [--images 4]

Prints three tables: priors on the first test faces of 64×64, priors on the centre squares of
128×128 of the first test photographs, and solvers on the faces. ``bm3d`` isn't among them, nor
``deep-decoder`` of photographs, since they take minutes for an image; photographs.py has them. A
cell is the mean PSNR in dB and the seconds for each image, or "refused" where the library refuses,
and says why itself. Everything has its defaults but the γ of total variation, which is the one that
its rule suggests.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from photographs import square
from quality import machine
from torch import Tensor

import priorkit
from priorkit.errors import PriorkitError
from priorkit.io.pictures import load

Settings = Mapping[str, Any]

SIDE = 128
FACES: dict[str, Settings] = {
    "m = 500": {"op": "gaussian", "m": 500},
    "m = 2,500": {"op": "gaussian", "m": 2500},
    "σ = 0.1": {"op": "identity", "sigma": 0.1},
    "hole": {"op": "mask", "sigma": 0.0},
    "half of the pixels": {"op": "mask", "mask": "random", "fraction": 0.5, "sigma": 0.0},
}
PHOTOS: dict[str, Settings] = {
    "σ = 0.1": {"op": "identity", "sigma": 0.1},
    "half of the pixels": {"op": "mask", "mask": "random", "fraction": 0.5, "sigma": 0.0},
    "blur": {"op": "blur", "width": 1.6, "sigma": 0.01},
    "×4 enlarged": {"op": "downsample", "factor": 4, "sigma": 0.01},
    "srht, m/n = 0.1": {"op": "srht", "m": 3 * SIDE**2 // 10},
}
TV = {"prior": "none", "penalty": "tv"}
PRIORS: dict[str, dict[str, Settings]] = {
    "faces": {
        name: {"prior": name}
        for name in ("diffusion-celeba", "glow-celeba", "dcgan-celeba", "denoiser-photos")
    }
    | {name: {"prior": name} for name in ("deep-decoder", "patch-flow", "dct", "wavelet")}
    | {"none, tv": TV},
    "photos": {
        name: {"prior": name} for name in ("denoiser-photos", "patch-flow", "dct", "wavelet")
    }
    | {"none, tv": TV},
}
SOLVERS: dict[str, Settings] = {
    **{
        f"diffusion-celeba, {solver}": {"prior": "diffusion-celeba", "solver": solver}
        for solver in ("amp", "diffpir", "pnp-admm")
    },
    **{
        f"glow-celeba, {solver}": {"prior": "glow-celeba", "solver": solver}
        for solver in ("lbfgs", "adam", "perturb", "langevin")
    },
    **{
        f"dct, {solver}": {"prior": "dct", "solver": solver}
        for solver in ("fista", "coordinate-descent")
    },
}


def main() -> None:
    """Print the tables, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=["faces", "photos", "solvers"])
    parser.add_argument("--images", type=int, default=4)
    options = parser.parse_args()
    print(f"{machine()}, {options.images} images", flush=True)
    faces = sorted((options.data / "celeba" / "test12").iterdir())[: options.images]
    for name in options.tables:
        if name == "photos":
            paths = sorted((options.data / "photos" / "test24").iterdir())[: options.images]
            squares = torch.cat([square(load(path).x, SIDE) for path in paths])
            table(name, squares, PRIORS[name], PHOTOS)
        else:
            x = load(faces, (3, 64, 64)).x
            rows = PRIORS.get(name, SOLVERS)
            table(name, x, rows, FACES if name == "faces" else {"m = 500": FACES["m = 500"]})


def table(
    name: str, x: Tensor, rows: Mapping[str, Settings], problems: Mapping[str, Settings]
) -> None:
    """One table, a row at a time."""
    print(f"\n| {name} | " + " | ".join(problems) + " |")
    print("|---" * (len(problems) + 1) + "|", flush=True)
    for label, settings in rows.items():
        cells = [cell(x, {**settings, **problem}) for problem in problems.values()]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def cell(x: Tensor, settings: Settings) -> str:
    """What one recovery comes to."""
    started = time.perf_counter()
    try:
        result = priorkit.recover(x.numpy(), **settings)
    except PriorkitError as error:
        rule = re.fullmatch(r"gamma=([\d.e-]+)", error.try_ or "")
        return cell(x, {**settings, "gamma": float(rule[1])}) if rule else "refused"
    seconds = (time.perf_counter() - started) / len(x)
    assert result.psnr is not None
    return f"{float(result.psnr.mean()):.1f}, {seconds:.1f} s"


if __name__ == "__main__":
    main()
