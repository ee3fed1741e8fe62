"""Magnetic resonance from a scanner's file to a picture: a head of ellipses seen by eight coils,
of whose spectrum a fourth of the columns was measured.

python examples/scanner.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import priorkit
from priorkit.interfaces.kinds import COMPLEX

SIGMA = 0.01  # of the noise in the spectrum of a head whose brightest pixel is 1
METHODS: dict[str, dict[str, Any]] = {
    "wavelet": {
        "prior": {"name": "wavelet", "wavelet": "db4", "levels": 4},
        "gamma": 0.01,
    },
    "tv": {"prior": "none", "penalty": "tv", "gamma": 0.01},
    "diffpir": {"prior": "denoiser-photos"},
}
# Brightness that is added, half axes, middle and angle in degrees of each ellipse, in half sides.
# Shepp & Logan, "The Fourier reconstruction of a head section", IEEE Trans. Nucl. Sci. 1974, with
# more contrast: Toft, "The Radon transform: theory and implementation", 1996.
ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0),
)


def plane(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels are, from -1 to 1: to the right and upwards."""
    line = (np.arange(side) - side // 2) * 2 / side
    return np.broadcast_to(line, (side, side)), np.broadcast_to(-line[:, None], (side, side))


def head(side: int) -> np.ndarray:
    """The ellipses on a grid, (side, side)."""
    right, up = plane(side)
    found = np.zeros((side, side))
    for value, a, b, x, y, degrees in ELLIPSES:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        along = ((right - x) * cos + (up - y) * sin) / a
        across = ((up - y) * cos - (right - x) * sin) / b
        found += value * (along**2 + across**2 <= 1)
    return found


def smooth_phase(side: int) -> np.ndarray:
    """Angles as of a field that isn't quite even, (side, side), in radians."""
    right, up = plane(side)
    near_sinus = 1.5 * np.exp(-((right - 0.1) ** 2 + (up - 0.7) ** 2) / 0.08)
    return 0.8 * right - 1.1 * up + 0.9 * right * up + 0.7 * right**2 + near_sinus


def loops(side: int, count: int = 8, distance: float = 1.6, radius: float = 0.8) -> np.ndarray:
    """What loops of wire around the head receive, (count, side, side), by Biot and Savart's law:
    the part of each loop's field that lies in the plane, as a complex number."""
    right, up = plane(side)
    found = np.zeros((count, side, side), complex)
    for k, angle in enumerate(2 * np.pi * (np.arange(count) + 0.3) / count):
        cos, sin = np.cos(angle), np.sin(angle)
        for t in 2 * np.pi * (np.arange(48) + 0.5) / 48:  # around the wire
            beside, above = radius * np.cos(t), radius * np.sin(t)
            x, y = right - distance * cos + beside * sin, up - distance * sin - beside * cos
            flow, rise = -radius * np.sin(t), radius * np.cos(t)  # beside and above
            cube = (x**2 + y**2 + above**2) ** 1.5
            to_right = -flow * cos * above - rise * y  # of the current × the way from the wire
            upwards = rise * x - flow * sin * above
            found[k] += (to_right - 1j * upwards) / cube
    return found / np.sqrt((np.abs(found) ** 2).sum(0)).max()


def transformed(x: np.ndarray) -> np.ndarray:
    """The orthonormal Fourier transform over the last two axes, the origin in the middle."""
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes), norm="ortho"), axes)


def returned(y: np.ndarray) -> np.ndarray:
    """Its inverse."""
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(y, axes), norm="ortho"), axes)


def scanned(brightness: np.ndarray, side: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What eight coils measure of an object, (8, side, side), and the best that could be made of
    it, (side, side): the root of the sum of squares of all coils' images without noise.

    The object is finer than the measurement, as a real one is, and has a phase: what recovers it
    knows neither the grid, nor the phase, nor the coils. The unit is the largest value of the best.
    """
    fine = len(brightness)
    spectra = transformed(brightness * np.exp(1j * smooth_phase(fine)) * loops(fine))
    first = fine // 2 - side // 2
    spectra = spectra[:, first : first + side, first : first + side] * side / fine
    best = np.sqrt((np.abs(returned(spectra)) ** 2).sum(0))
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((2, *spectra.shape)) * SIGMA / 2**0.5
    return spectra / best.max() + noise[0] + 1j * noise[1], best / best.max()


def lines(side: int, acceleration: int, *, seed: int = 0) -> np.ndarray:
    """Which columns are measured, (side,): a third of them, and at least eight, in the middle, the
    others at random."""
    count = side // acceleration
    within = max(count // 3, 8)
    middle = side // 2 - within // 2 + np.arange(within)
    others = np.setdiff1d(np.arange(side), middle)
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([middle, rng.choice(others, count - len(middle), replace=False)])
    return np.isin(np.arange(side), chosen)


def scores(x: torch.Tensor, best: np.ndarray) -> tuple[float, float]:
    """PSNR and SSIM of the sizes of a complex picture (1, 2, H, W), as fastMRI counts them."""
    truth = torch.from_numpy(np.stack([best, np.zeros_like(best)]))[None]
    return float(COMPLEX.psnr(x, truth)), float(COMPLEX.ssim(x, truth))


def main() -> None:
    """Write a stand-in for a scanner's file, then recover from the file alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/scanner"))
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--acceleration", type=int, default=4)
    parser.add_argument("--budget", type=int, help="evaluations; default: each method's own")
    args = parser.parse_args()
    y, best = scanned(head(3 * args.side), args.side)
    args.out.mkdir(parents=True, exist_ok=True)
    np.save(args.out / "kspace.npy", y * lines(args.side, args.acceleration))

    pictures = [best]
    for name, settings in METHODS.items():
        found = priorkit.recover(
            y=str(args.out / "kspace.npy"),
            op="fourier",  # what is 0 in y wasn't measured
            maps="estimate",
            kind="complex",
            sigma=SIGMA,
            budget=args.budget,
            **settings,
        )
        zero_filled = found.operator.image(found.y)
        if len(pictures) == 1:
            print("zero-filled {:.2f} dB, SSIM {:.3f}".format(*scores(zero_filled, best)))
            pictures.append(COMPLEX.flat(zero_filled[0])[0].numpy())
        print("{} {:.2f} dB, SSIM {:.3f}".format(name, *scores(found.x, best)))
        pictures.append(COMPLEX.flat(found.x[0])[0].numpy())
    row = (np.concatenate(pictures, 1).clip(0, 1) * 255).round().astype(np.uint8)
    Image.fromarray(row).save(args.out / "grid.png")
    print(f"See {args.out / 'grid.png'}: truth, zero-filled, {', '.join(METHODS)}")


if __name__ == "__main__":
    main()
