"""How near a recovery is to the truth, for each image."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

__all__ = ["psnr", "reconstruction_error", "ssim"]

SQUARE = 7  # pixels a side, of scikit-image's default window


def reconstruction_error(x: Tensor, truth: Tensor) -> Tensor:
    """(1/n)‖x − x̂‖² per image: (B, C, H, W) twice → (B,) float64."""
    return (x.double() - truth.double()).flatten(1).square().mean(1)


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
    rows = max(1, (1 << 16) // width)  # of a band that fits into the cache
    tops = range(0, height - 2 * rim, rows)
    bands = [slice(top, top + rows + 2 * rim) for top in tops]
    planes = zip(x.flatten(0, 1), truth.flatten(0, 1), strict=True)
    sums = [sum(_similarity(a[band], b[band], rim, square) for band in bands) for a, b in planes]
    whole = torch.tensor(sums, dtype=torch.float64, device=x.device).view(len(x), -1)
    return whole.mean(1) / ((height - 2 * rim) * (width - 2 * rim))


def _similarity(x: Tensor, truth: Tensor, rim: int, square: bool) -> float:
    """SSIM of two planes (H, W), added up over the pixels whose window lies inside."""
    from scipy.ndimage import gaussian_filter, uniform_filter  # which recipes do without

    a, b = (plane.detach().double().cpu().numpy() for plane in (x, truth))
    even, bell = partial(uniform_filter, size=SQUARE), partial(gaussian_filter, sigma=1.5)
    blur = even if square else partial(bell, truncate=3.5)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    if square:
        of_sample = SQUARE**2 / (SQUARE**2 - 1)
        va, vb, cov = of_sample * va, of_sample * vb, of_sample * cov
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(score[rim:-rim, rim:-rim].sum())
