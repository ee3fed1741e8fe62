"""How near a recovery is to the truth, for each image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor

__all__ = ["psnr", "reconstruction_error", "ssim"]

SQUARE = 7  # pixels a side, of scikit-image's default window
TILE = 256  # pixels a side, of what fits into the cache with its window's rim
PIECE = 1 << 17  # numbers that do


def reconstruction_error(x: Tensor, truth: Tensor) -> Tensor:
    """(1/n)‖x − x̂‖² per image: (B, C, H, W) twice → (B,) float64."""
    a, b = x.flatten(1), truth.flatten(1)
    pieces = zip(a.split(PIECE, 1), b.split(PIECE, 1), strict=True)
    total = sum((p.double() - q.double()).square_().sum(1) for p, q in pieces)
    return torch.as_tensor(total) / a.shape[1]


def psnr(x: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio −10·log₁₀((1/n)‖x − x̂‖²) in dB, peak 1, per image.

    >>> float(psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1)).round(decimals=3))
    20.0
    """
    return -10 * torch.log10(reconstruction_error(x, truth))


def ssim(x: Tensor, truth: Tensor, *, square: bool = False) -> Tensor:
    """Structural similarity per image, (B,) float64, 1 for equal images.

    Gaussian window of σ = 1.5 truncated at 3.5σ, K₁ = 0.01, K₂ = 0.03, range 1, mean over
    channels and over the pixels whose window lies inside the image. With ``square`` the window is
    even, of 7×7 pixels, and variances are those of samples: the defaults of scikit-image's
    structural_similarity, by which magnetic resonance is scored.

    Reference: Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 2004, eq. 13. Images smaller than the
    window (11×11, or 7×7) give NaN.
    """
    rim = SQUARE // 2 if square else 5
    height, width = x.shape[2:]
    if min(height, width) <= 2 * rim:
        return torch.full((len(x),), float("nan"), dtype=torch.float64)
    planes = [
        (a.detach().cpu().numpy(), b.detach().cpu().numpy())
        for a, b in zip(x.flatten(0, 1), truth.flatten(0, 1), strict=True)
    ]
    tops, lefts = (range(0, side - 2 * rim, TILE) for side in (height, width))
    side = TILE + 2 * rim
    boxes = [np.s_[top : top + side, left : left + side] for top, left in product(tops, lefts)]
    pairs = [(a[box], b[box]) for a, b in planes for box in boxes]
    score = partial(_similarity, rim=rim, square=square)
    threads = min(torch.get_num_threads(), len(boxes))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            sums = list(pool.map(score, pairs))
    else:
        sums = list(map(score, pairs))
    whole = torch.tensor(sums, dtype=torch.float64, device=x.device).view(len(x), -1)
    pixels = x.shape[1] * (height - 2 * rim) * (width - 2 * rim)
    return whole.sum(1) / pixels


def _similarity(pair: tuple[np.ndarray, np.ndarray], *, rim: int, square: bool) -> float:
    """SSIM of two planes (H, W), added up over the pixels whose window lies inside."""
    from scipy.ndimage import gaussian_filter, uniform_filter  # which recipes do without

    a, b = (plane.astype(np.float64) for plane in pair)
    even, bell = partial(uniform_filter, size=SQUARE), partial(gaussian_filter, sigma=1.5)
    blur = even if square else partial(bell, truncate=3.5)
    ma, mb = blur(a), blur(b)
    squares, mixed = ma * ma + mb * mb, ma * mb
    # Of the variances the formula has the sum alone, which takes a window less.
    variances, covariance = blur(a * a + b * b) - squares, blur(a * b) - mixed
    if square:
        of_sample = SQUARE**2 / (SQUARE**2 - 1)
        variances, covariance = of_sample * variances, of_sample * covariance
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * mixed + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))
    return float(score[rim:-rim, rim:-rim].sum())
