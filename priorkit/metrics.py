"""How near a recovery is to the truth, for each image."""

from __future__ import annotations

from functools import partial

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
    height, width = x.shape[2:]
    rows = max(1, (1 << 16) // width)  # of a band that fits into the cache
    bands = [slice(top, top + rows + 10) for top in range(0, height - 10, rows)]
    planes = zip(x.flatten(0, 1), truth.flatten(0, 1), strict=True)
    sums = [sum(_similarity(a[band], b[band]) for band in bands) for a, b in planes]
    whole = torch.tensor(sums, dtype=torch.float64, device=x.device).view(len(x), -1)
    return whole.mean(1) / ((height - 10) * (width - 10))


def _similarity(x: Tensor, truth: Tensor) -> float:
    """SSIM of two planes (H, W), added up over the pixels whose window lies inside."""
    from scipy.ndimage import gaussian_filter  # which recipes do without

    a, b = (plane.detach().double().cpu().numpy() for plane in (x, truth))
    blur = partial(gaussian_filter, sigma=1.5, truncate=3.5)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(score[5:-5, 5:-5].sum())
