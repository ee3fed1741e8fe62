"""What the user says of y: how much noise it has, and in which units it and x are."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import (
    GaussianNoise,
    Kind,
    Level,
    LinearOperator,
    Noise,
    Operator,
    Range,
    Units,
    rescale,
)
from priorkit.interfaces.kinds import COMPLEX
from priorkit.settings.config import RunConfig
from priorkit.settings.select import Selection, blaming

__all__ = ["LEVELS", "noise_for", "question_range", "said_by", "units_for"]

log = logging.getLogger("priorkit")

LEVELS = ("noise_norm", "sigma")
MOST = 1e15  # of pictures in [0, 1]: its square, of all entries, is a number in float32
NARROW = 1 / 8  # of a range, that pictures take up: a slice of a head fills a seventh of 12 bits


def noise_for(config: RunConfig, selection: Selection, operator: Operator, *, real: bool) -> Noise:
    """The noise at the level that the user says, or where y is simulated the operator."""
    level = said_by(config)
    in_table = any(name in selection.options for name in LEVELS)
    for name in level:
        if name not in selection.fields:
            raise BadInputError(
                f"The noise {selection.name!r} has no {name}.",
                try_=", ".join(f"{field}=…" for field in sorted(selection.fields)) or None,
            )
        if in_table:
            raise BadInputError(
                "The level of the noise is given twice.",
                got=f"{name} and noise",
                try_=f"no {name}",
            )
    if isinstance(config.sigma, str):
        as_y = "y=… instead of the picture, where that is the noisy one"
        raise BadInputError(
            "sigma='auto' estimates the noise of a measurement that was given, and here pictures "
            "are measured: sigma says how much noise is added.",
            ways=[{"sigma": 0.1}],
            try_=as_y if issubclass(selection.target, GaussianNoise) else None,
        )
    if not level and not in_table and not real:
        usual = operator.default_noise  # of pictures in [0, 1]
        usual = usual.over(1 / _range(config).scale) if config.range is not None else usual
        level = {name: v for name, v in said_by(usual).items() if name in selection.fields}
    noise: Noise = selection.build(config.seed, **level)
    bound = noise.bind(operator.entries)
    if level and not bound.level.known:  # one that keeps it otherwise: the record needs it too
        bound.level = Level(level.get("sigma"), level.get("noise_norm"))
    return bound


def _range(config: RunConfig) -> Range:
    """The range of the user's values, resolved."""
    assert not isinstance(config.range, str)
    return Range.of(config.range or (0.0, 1.0))


def units_for(
    config: RunConfig, operator: Operator, noise: Noise, kind: Kind, selection: Selection
) -> tuple[Units, Noise]:
    """The user's units, and the noise of measurements of images in [0, 1].

    Raises MismatchError for an operator that isn't linear, BadInputError for complex pictures
    whose range doesn't begin at 0: they are scaled, and not moved, and for more noise than can be
    computed with.
    """
    if config.range is None:
        return Units(), _bounded(noise)
    found = _range(config)
    if not isinstance(operator, LinearOperator):
        raise MismatchError(
            "range needs a linear operator, whose y can be brought to the same units.",
            got=str(selection),
            try_="no range, and x in [0, 1]",
        )
    if kind is COMPLEX and found.lo:
        raise BadInputError(
            "Complex pictures are scaled alone: their range begins at 0.",
            got=f"range={(found.lo, found.hi)}",
            ways=[{"range": (0, found.hi)}],
        )
    offset = torch.zeros(1, *operator.y_shape, dtype=torch.float64)
    if found.lo:
        with blaming(selection):
            offset = operator.A(torch.full((1, *operator.shape), found.lo, dtype=torch.float64))
    units = Units(found, offset if noise.same_units else None)
    return units, _bounded(rescale(noise, found.scale, offset), found.scale)


def question_range(x: Tensor, units: Units, kind: Kind) -> None:
    """Warn of pictures x (B, *shape) in [0, 1] that together take up less than an eighth of the
    range that was said, which is the peak of their PSNR."""
    low, high = (units.range.outside(end.double()) for end in x.aminmax())
    if not kind.bounded or not 0 < high - low < NARROW * units.range.scale:
        return
    log.warning(
        "The values of the pictures, %.4g to %.4g, take up a small part of the range %s, for which "
        "priors, and γ where nobody says it, are made, and whose width is the peak of PSNR. "
        "Try: range=(lo, hi), the least and the greatest value that x can have, or range='auto'",
        *(low, high, units.bounds),
    )


def _bounded(noise: Noise, scale: float = 1.0) -> Noise:
    for name, value in said_by(noise.level).items():
        if value > MOST:
            times = "" if scale == 1 else " times the range"
            said = f"{name} is from 0 to {MOST:g}{times}."
            raise BadInputError(said, got=f"{scale * value:g}")
    return noise


def said_by(of: RunConfig | Level) -> dict[str, float]:
    """Which of the two ways to say how much noise there is something says."""
    return {name: value for name in LEVELS if (value := getattr(of, name)) is not None}
