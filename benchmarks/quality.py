"""Recovery quality beside the paper's, with default settings.

    python benchmarks/quality.py --data ../shared/data
    python benchmarks/quality.py --data ../shared/data --all [--averaging 8]
    python benchmarks/quality.py --data ../shared/data --all --prior diffusion-celeba
    python benchmarks/quality.py --data ../shared/data --all --faces ffhq/test100 --first 25

Mean PSNR over the twelve CelebA test faces, solved as one batch on one seed, with
evaluations and seconds per image. ``--all`` takes every m of the paper, four σ and the hole, each
on seeds 0, 1 and 2, with the standard error of the mean over faces and seeds, and the PSNR that
the solver expects without the truth and how far off it is, where it can tell. γ of denoising and
all other choices were made on validation faces. The paper's numbers are the means that its
authors published (../shared/paper/*.csv).
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


PAPER = {
    12288: 38.65, 10000: 38.31, 7500: 37.84, 5000: 36.95, 2500: 34.56, 1000: 30.09, 750: 28.78,
    500: 27.00, 400: 25.80, 300: 24.58, 200: 22.77, 100: 20.23, 50: 18.09, 30: 16.47, 20: 15.75,
}  # fmt: skip
DENOISING = {0.01: 40.85, 0.05: 34.04, 0.1: 30.48, 0.2: 27.09}
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
    parser.add_argument("--all", action="store_true", help="every m and σ, on three seeds")
    parser.add_argument("--averaging", type=int, default=1, help="with --all: solves averaged")
    parser.add_argument("--faces", default="celeba/test12", help="with --all: folder in --data")
    parser.add_argument("--seeds", type=int, default=3, help="with --all: seeds 0 to SEEDS - 1")
    parser.add_argument("--first", type=int, help="with --all: so many of the faces, by name")
    parser.add_argument("--only", default="", help="rows whose name ends with this: 'm = 500'")
    parser.add_argument("--out", type=Path, help="also save each run in this folder")
    parser.add_argument(
        "--alone", action="store_true", help="also solve each face alone and compare"
    )
    options = parser.parse_args()
    if options.all:
        print_all(options)
        return
    faces = options.data / "celeba" / "test12"
    print(f"{options.prior}, seed {options.seed}, {machine()}\n")
    print("| problem | PSNR | SSIM | goal | paper | evaluations | seconds per image |")
    print("|---|---|---|---|---|---|---|")
    for case in [case for case in CASES if case.name.endswith(options.only)]:
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


def print_all(options: argparse.Namespace) -> None:
    """A row per problem, the mean over faces and seeds."""
    cases = [
        Case(f"gaussian m = {m}", {"op": "gaussian", "m": m}, None, p) for m, p in PAPER.items()
    ]
    cases += [
        Case(f"denoising σ = {s:g}", {"op": "identity", "sigma": s}, None, p)
        for s, p in DENOISING.items()
    ]
    cases.append(CASES[-1])
    faces = sorted((options.data / options.faces).iterdir())[: options.first]
    print(f"{options.prior}, {len(faces)} of {options.faces}, seeds 0 to {options.seeds - 1}, "
          f"averaging {options.averaging}, {machine()}\n")  # fmt: skip
    print("| problem | PSNR | ± | paper | expected | off by | evaluations | seconds per image |")
    print("|---|---|---|---|---|---|---|---|")
    for case in [case for case in cases if case.name.endswith(options.only)]:
        started, found, counts = time.perf_counter(), [], []
        foretold = []  # without the truth, where the solver can tell
        for seed in range(options.seeds):
            result = priorkit.recover(
                faces,
                prior=options.prior,
                seed=seed,
                averaging=options.averaging,
                **case.settings,
            )
            assert result.psnr is not None
            found.append(result.psnr)
            foretold += [] if result.expected_psnr is None else [result.expected_psnr]
            counts += result.evaluations
        values = torch.cat(found)
        seconds = (time.perf_counter() - started) / len(values)
        error = float(values.std()) / len(values) ** 0.5
        told = "— | —"
        if foretold:
            expected = torch.cat(foretold)
            gap = float((expected - values).abs().mean())
            told = f"{float(expected.mean()):.2f} | {gap:.2f}"
        row = [case.name, f"{float(values.mean()):.2f}", f"{error:.2f}", f"{case.paper:.2f}", told]
        row += [f"{sum(counts) / len(counts):.0f}", f"{seconds:.1f}"]
        print(f"| {' | '.join(row)} |", flush=True)


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
