"""How near a recovery is to the truth, for each image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor

from priorkit.linear import in_pieces, sums

__all__ = ["psnr", "reconstruction_error", "ssim"]

BELL, SQUARE = 1.5, 7  # σ of one window, and pixels a side of the other, scikit-image's default
ROWS, COLUMNS = 32, 512  # of a part of a picture, whose moments fit into the cache


def reconstruction_error(x: Tensor, truth: Tensor) -> Tensor:
    """(1/n)‖x − x̂‖² per image: (B, C, H, W) twice → (B,) float64."""
    total = in_pieces(lambda a, b: sums((a.double() - b.double()).square_()), x, truth)
    return total / x[0].numel()


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
    taps = [1 / SQUARE] * SQUARE if square else _bell()
    rim = len(taps) // 2
    height, width = x.shape[2:]
    if min(height, width) <= 2 * rim:
        return torch.full((len(x),), float("nan"), dtype=torch.float64)
    both = (of.detach().flatten(0, 1).cpu().numpy() for of in (x, truth))
    planes = list(zip(*both, strict=True))
    tops, lefts = range(0, height - 2 * rim, ROWS), range(0, width - 2 * rim, COLUMNS)
    high, wide = ROWS + 2 * rim, COLUMNS + 2 * rim
    boxes = [np.s_[top : top + high, left : left + wide] for top, left in product(tops, lefts)]
    pairs = [(a[box], b[box]) for a, b in planes for box in boxes]
    sample = SQUARE**2 / (SQUARE**2 - 1) if square else 1.0
    score = partial(_similarity, taps=taps, sample=sample)
    threads = min(torch.get_num_threads(), len(boxes))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            sums = list(pool.map(score, pairs))
    else:
        sums = list(map(score, pairs))
    whole = torch.tensor(sums, dtype=torch.float64, device=x.device).view(len(x), -1)
    pixels = x.shape[1] * (height - 2 * rim) * (width - 2 * rim)
    return whole.sum(1) / pixels


def _similarity(pair: tuple[np.ndarray, np.ndarray], *, taps: list[float], sample: float) -> float:
    """SSIM of two planes (H, W), added up over the pixels whose window lies inside.

    With d = a − b, the formula is (1 − μ_d²/(μ_a² + μ_b² + C₁))·(1 − σ_d²/(σ_a² + σ_b² + C₂)).
    Rounding changes there only what a score lacks of 1, so that float32 does for pictures in it.
    ``sample`` times a variance is what it is taken for.
    """
    a, b = pair
    d, centre = a - b, a.mean()
    a, b = a - centre, b - centre  # near 0, the square of a mean and the mean of squares are small
    moments = np.stack([a, d, a * a + b * b, d * d])
    ma, md, both, apart = _windowed(_windowed(moments, taps, 1), taps, 2)
    mb = ma - md
    both -= ma * ma + mb * mb
    md *= md
    apart -= md
    c1, c2 = 0.01**2, 0.03**2
    contrast = 1 - sample * apart / (sample * both + c2)
    score = (1 - md / ((ma + centre) ** 2 + (mb + centre) ** 2 + c1)) * contrast
    return float(score.sum(dtype=np.float64))


def _windowed(planes: np.ndarray, taps: list[float], axis: int) -> np.ndarray:
    """Sums of planes (P, H, W) along an axis, weighted by a symmetric window, where it lies
    inside."""
    last = len(taps) - 1
    count = planes.shape[axis] - last
    shifted = [
        planes[:, k : k + count] if axis == 1 else planes[..., k : k + count]
        for k in range(last + 1)
    ]
    total = taps[last // 2] * shifted[last // 2]
    pair = np.empty_like(total)
    for k in range(last // 2):
        np.add(shifted[k], shifted[last - k], out=pair)
        pair *= taps[k]
        total += pair
    return total


def _bell() -> list[float]:
    """A Gaussian window along one axis, cut off at 3.5 σ; it adds up to 1."""
    reach = int(3.5 * BELL + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / BELL) ** 2)
    return [float(tap) for tap in bell / bell.sum()]
