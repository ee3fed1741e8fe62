"""Recovery quality beside the paper's, with default settings.

    python benchmarks/quality.py --data ../shared/data

Mean PSNR over the twelve CelebA test faces, solved as one batch on one seed, with
evaluations and seconds per image. The paper's numbers are the means that its authors
published (../shared/paper/*.csv).
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import priorkit
from priorkit.metrics import psnr


@dataclass(frozen=True)
class Case:
    """One row: what is measured, what must be reached, and what the paper reports."""

    name: str
    settings: dict[str, Any]
    goal: float | None
    paper: float


CASES = [
    Case("gaussian m = 500", {"op": "gaussian", "m": 500}, 26.5, 27.00),
    Case("gaussian m = 2500", {"op": "gaussian", "m": 2500}, 34.2, 34.56),
    Case("gaussian m = 5000", {"op": "gaussian", "m": 5000}, 37.2, 36.95),
    Case("denoising σ = 0.1", {"op": "identity", "sigma": 0.1}, 29.5, 30.48),
    Case("centre hole", {"op": "mask", "gamma": 0.0}, 33.0, 34.64),
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--prior", default="glow-celeba")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--out", type=Path, help="also save each run in this folder")
    parser.add_argument(
        "--alone", action="store_true", help="also solve each face alone and compare"
    )
    options = parser.parse_args()
    faces = options.data / "celeba" / "test12"
    print(f"{options.prior}, seed {options.seed}, {machine()}\n")
    print("| problem | PSNR | SSIM | goal | paper | evaluations | seconds per image |")
    print("|---|---|---|---|---|---|---|")
    for case in [case for case in CASES if options.only in case.name]:
        started = time.perf_counter()
        result = priorkit.recover(faces, prior=options.prior, seed=options.seed, **case.settings)
        seconds = (time.perf_counter() - started) / len(result.x)
        evaluations = sum(result.evaluations) / len(result.evaluations)
        assert result.psnr is not None
        assert result.ssim is not None
        goal = f"{case.goal:.1f}" if case.goal else ""
        print(
            f"| {case.name} | {float(result.psnr.mean()):.2f} | {float(result.ssim.mean()):.3f} "
            f"| {goal} | {case.paper:.2f} | {evaluations:.0f} | {seconds:.1f} |",
            flush=True,
        )
        if options.out:
            result.save(options.out / case.name.replace(" ", "-"))
        if options.alone:
            print_alone(faces, options, case, result)


def print_alone(faces: Path, options: argparse.Namespace, case: Case, batch: Any) -> None:
    """Largest difference in PSNR between an image solved alone and in the batch.

    The noise of image i follows from its place in the batch, so the image alone is given
    the same y.
    """
    gaps = []
    for i in range(len(batch.x)):
        config = dict(batch.record["config"])
        alone = priorkit.recover(y=batch.y[i], config=config)
        gap = psnr(alone.x, batch.truth[i : i + 1]) - batch.psnr[i]
        gaps.append(abs(float(gap)))
    print(f"  alone against in the batch: at most {max(gaps):.4f} dB apart", flush=True)


def machine() -> str:
    """Kind of machine and date, for whoever quotes the table."""
    threads = torch.get_num_threads()
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {threads} threads, "
        f"torch {torch.__version__}, {datetime.date.today()}"
    )


if __name__ == "__main__":
    main()
