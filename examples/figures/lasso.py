"""The Lasso as the authors ran it: scikit-learn's, which stops before its end, in their order.

Figures 4 and 15 show its two lines. Their code gives scikit-learn's Lasso √(2m)AΦ, √(2m)y and
α = 0.01, which is ‖AΦz − y‖² + 0.01‖z‖₁, of pictures in [0, 1]. Scikit-learn ends at a duality gap
of 1e-4·‖y‖² or after 1,000 sweeps. With so small a weight that is far from the least value, and the
order of the coordinates decides what comes back: theirs go from coarse to fine with the colours
side by side, so that the first sweeps explain what they can by coarse structure, and that stays.
Over wavelets they divide the picture by its largest pixel, as the code on which theirs builds does
(Bora et al., "Compressed sensing using generative models", ICML 2017).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from common import SHAPE, Run

import priorkit
from priorkit.draw.figure import blank
from priorkit.interfaces import LinearDecoder
from priorkit.metrics import psnr
from priorkit.settings.select import resolve

FIGURES = "4 15"
BASES = {"dct": "lasso-dct", "wavelet": "lasso-wavelet"}
AUTHORS, CHANNELS = "from coarse to fine", "one colour after another"


class Ordered(LinearDecoder):
    """A basis with z in another order, and black at z = 0."""

    def __init__(self, basis: LinearDecoder, order: np.ndarray) -> None:
        self.basis, self.shape = basis, SHAPE
        self.order = torch.from_numpy(order)
        self.back = self.order.argsort()

    @property
    def latent_size(self) -> int:
        return len(self.order)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.basis.decode(z[:, self.back]) - 0.5  # the basis has gray there

    def decode_adjoint(self, x: torch.Tensor) -> torch.Tensor:
        return self.basis.decode_adjoint(x)[:, self.order]


def coarse_to_fine(name: str) -> np.ndarray:
    """Where the coefficients of a basis are, in the authors' order."""
    colour, row, column = (part.ravel() for part in np.indices(SHAPE))
    if name == "dct":
        return np.lexsort((colour, column, row))
    level = np.frexp(np.maximum(row, column))[1]  # band k of the wavelets has sides of 2^(k−1)
    half = 2.0 ** (level - 1)
    band = (row >= half) + 2 * (column >= half)  # horizontal, vertical, diagonal details
    return np.lexsort((colour, column, row, band, level))


run = Run(__doc__)
x = run.images(few=12)
ms = run.pick([500], [500, 1000, 2500, 5000, 7500, 10000])
labels = {method: name for name, method in BASES.items()}
found = run.authors("cs_results.csv", "m", labels, dataset="celeba")
paper = {(p.group[0], p.at): p.value for p in found}
rows: list[dict[str, Any]] = []
means: dict[tuple[str, str], list[float]] = {}
authors: dict[str, list[float]] = {}
for name in BASES:
    basis = resolve("prior", name).build(0).bind(SHAPE)
    known = authors[name] = [paper.get((name, m), math.nan) for m in ms]
    for way, order, first in (
        (AUTHORS, coarse_to_fine(name), ms),
        (CHANNELS, np.arange(x[0].numel()), ms[: run.pick(0, 1)]),
    ):
        prior = Ordered(basis, order)
        for m, theirs in zip(first, known, strict=False):
            z = priorkit.recover(
                x, prior=prior, op="gaussian", m=m, penalty="l1", gamma=0.01,
                solver="coordinate-descent", budget=1000,
            ).z  # fmt: skip
            assert z is not None
            image = prior.decode(z)  # not cut off at 0 and 1 yet
            if name == "wavelet":
                image = image / image.abs().amax((1, 2, 3), keepdim=True)
            value = float(psnr(image.clamp(0, 1), x).mean())
            means.setdefault((name, way), []).append(value)
            rows.append({"basis": name, "m": m, "order": way, "psnr": value, "authors": theirs})
            print(f"  {name}, m = {m}, {way}: {value:.2f} dB, the authors {theirs:.2f}", flush=True)
    numbers = ", ".join(f"{value:.2f}" for value in means[name, AUTHORS])
    run.note(f"Lasso over {name} at m = {', '.join(map(str, ms))}: {numbers} dB {AUTHORS}.")
    for value in means.get((name, CHANNELS), []):
        run.note(f"{CHANNELS.capitalize()}, it gives {value:.2f} dB at m = {ms[0]}.")
    if not any(map(math.isnan, known)):
        worst = max(abs(o - t) for o, t in zip(means[name, AUTHORS], known, strict=True))
        numbers = ", ".join(f"{value:.2f}" for value in known)
        run.note(f"The authors have {numbers} dB, at most {worst:.2f} dB from that.")
run.numbers(rows)
figure, axes = blank(2, 1)
for axis, name in zip(axes[0], BASES, strict=True):
    axis.plot(ms, means[name, AUTHORS], label="here")
    axis.plot(ms, authors[name], "k--", label="the authors'")
    axis.set(title=name, xlabel="m", ylabel="PSNR (dB)")
axes[0, 1].legend(fontsize=8)
run.plot(figure)
run.end()
