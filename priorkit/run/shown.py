"""Which values x seems to have, by what y shows and how much noise it has."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Kind, LinearOperator, Range, WeightedNoise
from priorkit.interfaces.kinds import COMPLEX
from priorkit.linear import energy, least_squares
from priorkit.run.setup import Setup
from priorkit.run.shapes import is_bright, wide

__all__ = ["question_sigma", "question_units", "span"]

log = logging.getLogger("priorkit")

STEPS = 10  # towards A⁺y: noise is hardly fitted yet
UNSEEN = 1e-6  # of ‖1‖², what is measured of an even picture where it isn't
FAINT = 5e-3  # of [0, 1], below which a picture's values hardly differ
BRIGHT = 4.0  # times white, beyond which an even picture isn't one in [0, 1]


def span(y: Tensor, operator: LinearOperator, kind: Kind) -> Range:
    """The range of the images that y (B, *y_shape) shows, for ``range="auto"``.

    That of A⁺y, stopped early: between its quantiles of 0.1% and 99.9%, and a tenth of that on
    either side, beyond 0 only where the values are. Of complex pictures 0 and the largest size.
    Raises BadInputError where it is of one value.
    """
    zero = torch.zeros(len(y), *operator.shape, dtype=torch.float64)
    x = least_squares(operator.A, operator.A_adjoint, wide(y).cpu(), zero, steps=STEPS)
    values = kind.slices(x).flatten() if kind is COMPLEX else x.flatten()
    low, high = np.quantile(values.numpy(), (0.001, 0.999)).tolist()
    margin = (high - low) / 10
    if not margin > 0:
        raise BadInputError(
            "range='auto' takes the range from what y shows, and that is one value.",
            got=f"{low:g}",
            try_="range=(lo, hi)",
        )
    lo = low - margin if low < -margin else max(low - margin, 0.0)
    return Range(0.0 if kind is COMPLEX else lo, high + margin)


def question_units(y: Tensor, setup: Setup) -> None:
    """Warn of y that suggests pictures far beyond [0, 1], for which defaults were chosen, or that
    take up a small part of it. ‖y‖/‖A 1‖ is how bright an even picture would be that measures as
    much; by how much x differs from an even one, the part of Aᴴ y that AᴴA 1 doesn't explain."""
    shape, operator = setup.problem.shape, setup.problem.operator
    if not (setup.kind.bounded or setup.kind is COMPLEX):
        return
    if not isinstance(operator, LinearOperator):
        return
    one = torch.ones(1, *shape, device=setup.device, dtype=setup.dtype)
    even = operator.A(one)
    if bool(energy(even) < UNSEEN * energy(one)):  # it tells nothing of how bright x is
        return
    noise = setup.problem.noise
    if isinstance(noise, WeightedNoise) and noise.known:  # what says little shows nothing
        root = noise.weights(torch.full_like(y[:1].real, 0.5)).sqrt()
        y, even = root * y, root * even
    bright = float((energy(y).max() / energy(even).clamp_min(1e-300)).sqrt())
    said = setup.units.range
    if bright > BRIGHT:
        log.warning(
            "y suggests pictures with values of about %.3g. Nothing is clipped, but priors, and γ "
            "where nobody says it, are made for %s. Try: range=(lo, hi), the least and the "
            "greatest value of x, or range='auto'",
            *(said.lo + said.scale * bright, setup.units.bounds),
        )
        return
    mean = (y * even.conj()).flatten(1).sum(1).real / energy(even).clamp_min(1e-300)
    rest = y - mean.view(-1, *[1] * (y.ndim - 1)) * even
    plain, *rests = operator.A_adjoint(torch.cat([even, rest]))
    differ = float(max(x.max() - x.min() for x in rests) / plain.abs().mean())
    if 1e-6 * float(mean.abs().max()) < differ < FAINT:  # more than rounding
        log.warning(
            "y suggests pictures whose values differ by about %.3g, a small part of %s, for which "
            "priors, and γ where nobody says it, are made. Try: range=(lo, hi), the least and the "
            "greatest value of x, or range='auto'",
            *(said.scale * differ, setup.units.bounds),
        )


def question_sigma(setup: Setup, *, refuse: bool) -> None:
    """Refuse noise on the scale of 0 to 255 for pictures in [0, 1], or where they aren't
    simulated only warn of it. Raises BadInputError."""
    sigma = setup.problem.noise.level.sigma
    if sigma is None or sigma <= 1 or not is_bright(setup.problem.operator, setup.kind):
        return
    white = next((w for w in (255, 4095) if sigma <= w), 65535)
    error = BadInputError(
        "Pictures are in [0, 1] here, and sigma is that of their noise.",
        got=f"sigma={sigma:g}, which hides them",
        try_=f"sigma={sigma / white:.3g}, which is {sigma:g}/{white}",
    )
    if refuse:
        raise error
    log.warning("%s", error)
