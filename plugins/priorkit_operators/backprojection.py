"""Filtered back-projection: the plain answer to a tomography."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from priorkit_operators.beams import Beams

__all__ = ["Window", "back_projection"]

Window = Literal["ramp", "shepp-logan", "cosine", "hamming", "hann"]

WEDGE = 4.0  # usual gaps between angles, from which a gap is a part that wasn't seen
WINDOWS: dict[Window, Callable[[Tensor], Tensor]] = {
    "ramp": torch.ones_like,
    "shepp-logan": torch.sinc,
    "cosine": lambda f: torch.cos(math.pi * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(2 * math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(2 * math.pi * f),
}


def back_projection(y: Tensor, beams: Beams, window: Window) -> Tensor:
    """x from sums along rays, (B, angles, detectors) in pixels → (B, H, W):

        x = Σ_θ Δθ · q_θ(place of the pixel)/U²,   q_θ = h ∗ (D/√(D² + t²) · y_θ),

    h the ramp |f| times a window, U the distance of a pixel from the source in parts of D; for
    parallel rays both factors are 1. Rays that are measured twice count half each, those of a
    fan over less than a turn by Parker's weights. Detectors are interpolated linearly.

    References: Kak & Slaney, "Principles of computerized tomographic imaging", IEEE Press 1988,
    eqs. 3.61 and 3.104; Parker, "Optimal short scan convolution reconstruction for fanbeam CT",
    Med. Phys. 1982.
    """
    weights = torch.from_numpy(_weights(beams) / np.hypot(1, beams.places / beams.source)).to(y)
    # The filter reaches one place beyond the detectors; from there on there is nothing.
    filtered = F.pad(_filtered(F.pad(y * weights / beams.spacing, (1, 1)), window), (1, 2))
    x = y.new_zeros(len(y), beams.height, beams.width)
    for k, angle in enumerate(beams.radians):
        place = np.clip(beams.shadow(angle) + 2, 0, beams.detectors + 3)
        below = torch.from_numpy(np.floor(place).astype(np.int64)).to(y.device)
        part = torch.from_numpy(place).to(y) - below
        left, right = filtered[:, k][:, below], filtered[:, k][:, below + 1]
        x += torch.lerp(left, right, part) / torch.as_tensor(beams.nearness(angle) ** 2).to(y)
    return x


def _filtered(y: Tensor, window: Window) -> Tensor:
    """The convolution of every row with |f|, a band-limited one for detectors at distance 1."""
    count = y.shape[-1]
    size = 2 ** math.ceil(math.log2(2 * count))
    frequencies = torch.fft.fftfreq(size, dtype=torch.float64)
    place = frequencies * size
    ramp = torch.where(place.abs() % 2 == 1, -1 / (math.pi * place).square(), 0.0)
    ramp[0] = 0.25
    response = torch.fft.fft(ramp).real * WINDOWS[window](frequencies)
    return torch.fft.ifft(torch.fft.fft(y, size) * response.to(y)).real[..., :count]


def _weights(beams: Beams) -> np.ndarray:
    """Δθ of every ray, (angles, 1) or (angles, detectors); over the rays of one line they sum to
    the step from one direction to the next."""
    if beams.parallel:
        return _steps(beams.radians, math.pi)[0][:, None]
    steps, start = _steps(beams.radians, 2 * math.pi)
    if start is None:
        return steps[:, None] / 2
    fan = np.arctan(beams.places / beams.source)
    turned = ((beams.radians - start) % (2 * math.pi))[:, None] + np.median(steps) / 2
    beyond = max((turned.max() + np.median(steps) / 2 - math.pi) / 2, float(np.abs(fan).max()))
    rise = turned / (2 * np.maximum(beyond + fan, 1e-9))
    fall = (math.pi + 2 * beyond - turned) / (2 * np.maximum(beyond - fan, 1e-9))
    parker = np.sin(math.pi / 2 * np.clip(np.minimum(rise, fall), 0, 1)) ** 2
    return steps[:, None] * parker


def _steps(radians: np.ndarray, period: float) -> tuple[np.ndarray, float | None]:
    """Half the way to both neighbours of every angle, (angles,), and the first angle after the
    widest part that wasn't seen, None where there is no such part."""
    turned = np.round(radians % period, 9) % round(period, 9)
    angles, which, counts = np.unique(turned, return_inverse=True, return_counts=True)
    gaps = np.diff(angles, append=angles[0] + period)
    usual, widest = np.median(gaps), int(gaps.argmax())
    closed = gaps[widest] <= WEDGE * usual
    gaps = np.where(gaps > WEDGE * usual, usual, gaps)
    steps = (gaps + np.roll(gaps, 1)) / 2 / counts
    return steps[which], None if closed else float(angles[(widest + 1) % len(angles)])
