"""How near a recovery is to the truth, for each image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["psnr", "reconstruction_error", "ssim"]


def reconstruction_error(x: Tensor, truth: Tensor) -> Tensor:
    """(1/n)‖x − x̂‖² per image: (B, C, H, W) twice → (B,) float64."""
    return (x.double() - truth.double()).flatten(1).square().mean(1)


def psnr(x: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio −10·log₁₀((1/n)‖x − x̂‖²) in dB, peak 1, per image.

    >>> float(psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1)).round(decimals=3))
    20.0
    """
    return -10 * torch.log10(reconstruction_error(x, truth))


def ssim(x: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity per image, (B,) float64, 1 for equal images.

    Gaussian window of σ = 1.5 truncated at 3.5σ, K₁ = 0.01, K₂ = 0.03, range 1, mean over
    channels and over the pixels whose window lies inside the image.

    Reference: Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 2004, eq. 13. Images smaller than the
    window (11×11) give NaN.
    """
    if min(x.shape[2:]) < 11:
        return torch.full((len(x),), float("nan"), dtype=torch.float64)
    t = torch.arange(-5, 6, dtype=torch.float64)
    window = torch.exp(-0.5 * (t / 1.5) ** 2)
    half = (window / window.sum())[:6].tolist()  # it is symmetric
    planes = zip(x.flatten(0, 1), truth.flatten(0, 1), strict=True)
    inside = math.prod(side - 10 for side in x.shape[2:])
    scores = []
    for pair in planes:
        bands = zip(*(_bands(plane) for plane in pair), strict=True)
        sums = [_similarity(a.double(), b.double(), half) for a, b in bands]
        scores.append(torch.stack(sums).sum() / inside)
    return torch.stack(scores).view(len(x), -1).mean(1)


def _bands(plane: Tensor) -> list[Tensor]:
    """A plane (H, W) in overlapping bands that fit into the cache; each window is in one band."""
    height, width = plane.shape
    rows = max(1, (1 << 16) // width)
    return [plane[top : top + rows + 10] for top in range(0, height - 10, rows)]


def _similarity(x: Tensor, truth: Tensor, half: list[float]) -> Tensor:
    """SSIM of two planes (H, W), added up over the pixels whose window lies inside."""

    def blur(plane: Tensor) -> Tensor:
        for dim in (0, 1):  # sums of shifted planes: many times faster than a convolution
            n = plane.shape[dim] - 10
            blurred = half[5] * plane.narrow(dim, 5, n)
            for k in range(5):
                pair = plane.narrow(dim, k, n) + plane.narrow(dim, 10 - k, n)
                blurred.add_(pair, alpha=half[k])
            plane = blurred
        return plane

    mx, mt = blur(x), blur(truth)
    vx, vt = blur(x * x) - mx * mx, blur(truth * truth) - mt * mt
    cov = blur(x * truth) - mx * mt
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * mx * mt + c1) * (2 * cov + c2)) / ((mx**2 + mt**2 + c1) * (vx + vt + c2))
    return score.sum()
