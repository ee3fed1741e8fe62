"""Pixels that no noise explains, such as those that cosmic rays have struck."""

from __future__ import annotations

import numpy as np

__all__ = ["outliers"]

REACH = 2  # pixels around one that it is compared with
NORMAL = 1.4826  # σ of a normal distribution over the median of |η|
BAND = 1 << 16  # pixels of a picture that are looked at together


def outliers(y: np.ndarray, cut: float) -> np.ndarray:
    """Which pixels of a plane (H, W) are outliers: True for those that are 0, or far from others.

    y is farther from the median of the 5×5 pixels around it than ``cut`` times σ, the greater of
    the picture's and that of those pixels: 1.4826 times the median distance from the median.
    Outliers are left out of all medians, and what is found then is added, until nothing is: so
    the same is found again where they have been set to 0.
    """
    out = y == 0
    while True:
        middle, spread = _around(np.where(out, np.nan, y))
        away = np.abs(y - middle)
        kept = away[~out]
        whole = NORMAL * float(np.median(kept)) if kept.size else 0.0
        more = away > cut * np.maximum(whole, NORMAL * spread)
        if not (more & ~out).any():
            return out
        out = out | more


def _around(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median of what isn't NaN around each pixel, and of the distance from it; where nothing
    is, of all."""
    height, width = y.shape
    side = 2 * REACH + 1
    padded = np.pad(y, REACH, mode="reflect" if min(y.shape) > REACH else "edge")
    middle, spread = np.empty_like(y), np.empty_like(y)
    usual = np.nanmedian(y) if not np.isnan(y).all() else 0.0
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        band = padded[top : top + rows + 2 * REACH]
        windows = np.lib.stride_tricks.sliding_window_view(band, (side, side))
        near = windows.reshape(*windows.shape[:2], -1)
        empty = np.isnan(near).all(-1, keepdims=True)
        near = np.where(empty, usual, near)
        at = slice(top, top + len(near))
        middle[at] = np.nanmedian(near, -1)
        spread[at] = np.nanmedian(np.abs(near - middle[at, :, None]), -1)
    return middle, spread
