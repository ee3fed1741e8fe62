"""Low-dose tomography of the chest: filtered back-projection beside what recover makes of counts.

    python benchmarks/tomography.py --data FOLDER [--slices 2] [--side 256] [--angles 60 180] …
    python benchmarks/tomography.py --products

FOLDER has CT slices, DICOM files of 512×512, the first ones by name are taken. They are absorption
coefficients, μ = μ_water·(1 + HU/1000) with 0.0195/mm for water, X-rays of some 68 keV. Another
projector makes the counts: the slice of 512×512 with air around it is turned by scipy and its
columns are added up, with rays of half a pixel's or a quarter's width of what is recovered; their
light is added up in each detector, and Poisson's distribution gives the counts. x is μ in parts of
that of 1,000 HU, so that [0, 1] stands for −1,000 to 1,000 HU, the window in which PSNR and SSIM
are taken; the truth is the slice, averaged over blocks of pixels.

γ of total variation and where the plug-and-play solvers begin were chosen on the last slice of the
folder, which isn't among those measured.

``--products`` compares products with A and its adjoint, of one picture and of eight, with those of
scipy's sparse matrix of the same numbers: how many times as fast ours are, from the least time of
many, taken in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import torch
from priorkit_operators.radon import Radon
from priorkit_operators.rays import matrix
from scipy.ndimage import rotate
from torch import Tensor

import priorkit
from priorkit.interfaces import Noise
from priorkit.metrics import psnr, ssim
from priorkit.settings.select import resolve

WATER = 0.0195  # μ per mm
WHITE = 1000.0  # HU of x = 1; air, at −1,000 HU, is 0
AIR = 112  # pixels of air on each side of a slice, so that its corners stay in sight
GAMMA = {60: 2e-3, 180: 4e-3}
BEGIN = 0.1  # σ with which plug-and-play begins: more than the streaks that are to go


@dataclass(frozen=True)
class Scan:
    """The counts of one slice, (angles, detectors), what they are of, and a pixel's side in mm."""

    counts: Tensor
    truth: Tensor
    pixel: float
    angles: int
    photons: float

    @property
    def settings(self) -> dict[str, Any]:
        """Of the run: lengths times μ at white, since x isn't μ but goes from 0 to 1."""
        spacing = self.pixel * WATER * (1 + WHITE / 1000)
        operator = {"name": "radon", "angles": self.angles, "pixel_size": spacing}
        return {
            "op": operator | {"detectors": self.counts.shape[1]},
            "noise": {"name": "transmission", "photons": self.photons},
            "shape": tuple(self.truth.shape[1:]),
        }


def scan(path: Path, side: int, angles: int, photons: float, seed: int) -> Scan:
    """What a scanner counts of a slice."""
    file = pydicom.dcmread(path)
    units = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
    mu = WATER * (1 + units / 1000).clip(0)
    fine = float(file.PixelSpacing[0])
    parts = len(mu) // side
    wide = np.pad(mu, AIR)
    turned = (rotate(wide, -180 * k / angles, reshape=False, order=1) for k in range(angles))
    lines = np.stack([each.sum(0) * fine for each in turned])
    passed = photons * np.exp(-lines).reshape(angles, -1, parts).mean(2)
    counts = np.random.default_rng(seed).poisson(passed)
    blocks = mu.reshape(side, parts, side, parts).mean((1, 3)) / WATER / (1 + WHITE / 1000)
    truth = torch.from_numpy(blocks).float()[None, None]
    return Scan(torch.from_numpy(counts).float(), truth, fine * parts, angles, photons)


def back_projected(window: str) -> Callable[[Scan], Tensor]:
    """Filtered back-projection of the logarithms."""

    def answer(scan: Scan) -> Tensor:
        settings = scan.settings
        operator: Any = resolve("operator", settings["op"]).build(0).bind(settings["shape"])
        noise: Noise = resolve("noise", settings["noise"]).build(0)
        return operator.back_projection(noise.measured(scan.counts[None, None]), window=window)

    return answer


def recovered(**own: Any) -> Callable[[Scan], Tensor]:
    def answer(scan: Scan) -> Tensor:
        return priorkit.recover(y=scan.counts, **scan.settings, **own).x

    return answer


def varied(scan: Scan) -> Tensor:
    """Least total variation at the γ for so many angles."""
    gamma = GAMMA[min(GAMMA, key=lambda angles: abs(angles - scan.angles))]
    return recovered(prior="none", penalty="tv", gamma=gamma, budget=300)(scan)


METHODS: dict[str, Callable[[Scan], Tensor]] = {
    "back-projection, ramp": back_projected("ramp"),
    "back-projection, Hann": back_projected("hann"),
    "least squares": recovered(prior="none", start="pseudo-inverse", budget=60),
    "total variation": varied,
    "`pnp-admm`": recovered(
        prior="denoiser-photos", solver="pnp-admm", sigma_start=BEGIN, cg_steps=20
    ),
    "`diffpir`": recovered(prior="denoiser-photos", sigma_start=BEGIN, data_steps=15),
}


def main() -> None:
    """Print a row per number of angles and method as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of DICOM slices")
    parser.add_argument("--products", action="store_true", help="how fast A is, and nothing else")
    parser.add_argument("--slices", type=int, default=2)
    parser.add_argument("--side", type=int, default=256, choices=(128, 256, 512))
    parser.add_argument("--angles", type=int, nargs="+", default=[60, 180])
    parser.add_argument("--photons", type=float, default=2e4)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    if options.products:
        products(options.side)
        return
    if options.data is None:
        parser.error("--data is required, but for --products")
    files = sorted(options.data.glob("*.dcm"))[: options.slices]
    if not files:
        parser.error(f"{options.data} has no DICOM files, *.dcm")
    print("| angles | method | dB | SSIM | HU | seconds per slice |")
    print("|---|---|---|---|---|---|")
    for angles in options.angles:
        scans = [scan(f, options.side, angles, options.photons, k) for k, f in enumerate(files)]
        for name in options.methods:
            print(row(name, scans), flush=True)


RAYS: dict[str, dict[str, Any]] = {
    "180 angles": {"angles": 180, "pixel_size": 1.0},
    "a fan of 360": {"angles": 360, "geometry": "fan", "source_distance": 2.0},
    "180 at random": {"angles": np.random.default_rng(0).uniform(0, 180, 180).tolist()},
}
REPEATS = 30


def products(side: int) -> None:
    """Print a row per geometry and number of pictures."""
    print(f"{torch.get_num_threads()} threads, {side}×{side}")
    print("| rays | pictures | A | adjoint |")
    print("|---|---|---|---|")
    for name, options in RAYS.items():
        operator = Radon(**options).bind((1, side, side))
        whole = matrix(operator._beams, operator._sums, operator._pixel, np.dtype(np.float32))
        back = whole.T.tocsr()
        for pictures in (1, 8):
            x = torch.rand(pictures, *operator.shape)
            y = operator.A(x)
            columns = [np.ascontiguousarray(each.flatten(1).numpy().T) for each in (x, y)]
            forward = ratio(partial(whole.dot, columns[0]), partial(operator.A, x))
            adjoint = ratio(partial(back.dot, columns[1]), partial(operator.A_adjoint, y))
            print(f"| {name} | {pictures} | {forward:.1f} | {adjoint:.1f} |", flush=True)


def ratio(theirs: Callable[[], Any], ours: Callable[[], Any]) -> float:
    """How many times as fast ours are, by the least time of each."""
    least = [float("inf")] * 2
    for _ in range(REPEATS):
        for k, product in enumerate((theirs, ours)):
            started = time.perf_counter()
            product()
            least[k] = min(least[k], time.perf_counter() - started)
    return least[0] / least[1]


def row(name: str, scans: list[Scan]) -> str:
    """What a method reaches, in the mean over slices."""
    scores, started = [], time.perf_counter()
    for each in scans:
        x, truth = METHODS[name](each).clamp(0, 1), each.truth.clamp(0, 1)
        off = (x - truth).abs().mean() * (1000 + WHITE)
        scores.append([float(psnr(x, truth)), float(ssim(x, truth)), float(off)])
    seconds = (time.perf_counter() - started) / len(scans)
    decibels, similar, off = np.mean(scores, 0)
    numbers = f"{decibels:.2f} | {similar:.3f} | {off:.0f} | {seconds:.0f}"
    return f"| {scans[0].angles} | {name} | {numbers} |"


if __name__ == "__main__":
    main()
