"""How much noise there is: σ from a picture, where nobody says it."""

from __future__ import annotations

import logging

import numpy as np
import pywt
from torch import Tensor

from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import GaussianNoise, Noise, Operator
from priorkit.interfaces.kinds import VECTOR
from priorkit.settings.select import Selection

__all__ = [
    "estimate",
    "question_said",
    "require_gaussian",
    "require_picture",
]

log = logging.getLogger("priorkit")

NORMAL = 0.6744897501960817  # the median of |η| for η ~ N(0, 1)
TAPS = 4  # of the filter of db2
LEAST = 64  # coefficients of a channel, whose median is then off by a seventh
ROUNDED = 1e-6  # of the largest value: noise below it is that of float32
APART = 1.5  # between images of one noise: of small ones the estimates scatter
# What is said over what y shows. Clipping to [0, 1] hides a third of σ = 0.5; at four times a
# denoiser that was trained for such noise may return anything.
DOUBTED, REFUSED = 1.6, 3.0


def require_gaussian(noise: Selection) -> None:
    """Raise MismatchError for a noise of which σ can't be estimated."""
    if "sigma" not in noise.fields or not issubclass(noise.target, GaussianNoise):
        raise MismatchError(
            "sigma='auto' estimates the standard deviation of Gaussian noise.",
            got=f"{noise}",
            try_="noise='gaussian'",
        )


def require_picture(selected: Selection, operator: Operator) -> None:
    """Raise MismatchError for an operator (bound) whose y has no pixels to compare."""
    if not VECTOR.fits(operator.y_shape) and operator.shape_from(operator.y_shape) is not None:
        return
    raise MismatchError(
        "sigma='auto' takes the noise from a measurement that is itself a picture, and that of "
        f"{selected} isn't one.",
        try_="sigma=…: that of the difference of two measurements of the same, over √2",
    )


def estimate(y: Tensor, operator: Operator) -> float:
    """σ of white noise on pictures y (B, C, H, W), or on signals (B, C, N): one for all.

        σ = median |d| / 0.6745,   d the finest diagonal coefficients of Daubechies' second wavelet,

    in which photographs have next to nothing but noise: of each channel, and the mean over
    channels. Where a mask leaves pixels out, d are those whose pixels are all seen. Of several
    images it is the median. Texture as fine as a pixel counts as noise.

    Raises BadInputError where that isn't known: too few pixels in one piece, images of which one
    has half as much noise again as another, no noise at all.

    Reference: Donoho & Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika
    1994, section 4.2.
    """
    seen = None if operator.mask is None else operator.mask.cpu().numpy() > 0
    found = [_of_image(image, seen) for image in y.detach().cpu().double().numpy()]
    sigma = float(np.median(found))
    if sigma <= ROUNDED * float(y.abs().max()):
        raise BadInputError("y shows no noise that could be estimated.", try_="sigma=0.01")
    if max(found) > APART * min(found):
        raise BadInputError(
            "sigma='auto' is one σ for all images, and these differ.",
            got=f"estimates from {min(found):.3g} to {max(found):.3g}",
            try_="one run for each, or sigma=…",
        )
    return sigma


def question_said(
    y: Tensor, operator: Operator, noise: Noise, *, unit: float, refuse: bool
) -> None:
    """Warn of a σ that is larger than the noise that pictures y (B, C, H, W) show, or where much
    larger and ``refuse``, raise BadInputError: y shows texture as noise, and never less than its
    noise, if that is white. ``unit`` is what the user has for 1."""
    if not isinstance(noise, GaussianNoise) or not noise.known or noise.level.estimated:
        return
    try:
        shown, said = estimate(y, operator), noise.std
    except BadInputError:  # too small a picture, or one of many
        return
    if said <= DOUBTED * shown:
        return
    error = BadInputError(
        f"sigma says more noise than y shows, which is {shown * unit:.2g} per pixel.",
        got=f"sigma={said * unit:.3g}",
        try_="sigma='auto'",
    )
    if refuse and said > REFUSED * shown:
        raise error
    log.warning("%s", error)


def _of_image(image: np.ndarray, seen: np.ndarray | None) -> float:
    """The mean of the estimates of the channels (C, …)."""
    axes = tuple(range(1, image.ndim))
    details = pywt.dwtn(image, "db2", axes=axes)["d" * len(axes)]
    use = np.ones(details.shape, bool)
    if seen is not None:
        use = _whole(np.broadcast_to(seen, image.shape), axes)
    fewest = min(int(of_channel.sum()) for of_channel in use)
    if fewest < LEAST:
        raise BadInputError(
            "y has too few pixels in one piece to estimate its noise.",
            got=f"{fewest} differences of neighbours, {LEAST} are needed",
            try_="sigma=…, from a picture of something even",
        )
    # What is exactly 0 is a border that was added, or saturated, and has no noise.
    channels = [d[u & (d != 0)] for d, u in zip(details, use, strict=True)]
    return float(np.mean([np.median(np.abs(d)) / NORMAL if len(d) else 0.0 for d in channels]))


def _whole(seen: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Which coefficients are of pixels that are all seen: number k of an axis is of the pixels
    2k − 2 to 2k + 1, mirrored at the border."""
    for axis in axes:
        width = [(2, 3) if a == axis else (0, 0) for a in range(seen.ndim)]
        padded = np.pad(seen, width, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, TAPS, axis=axis).all(-1)
        seen = windows.take(range(0, windows.shape[axis], 2), axis=axis)
    return seen
