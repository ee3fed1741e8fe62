"""The two ways in which users say how much noise there is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from priorkit.errors import BadInputError
from priorkit.interfaces import Level

__all__ = ["Amount", "level"]

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


def level(sigma: float | None, noise_norm: float | None) -> Level:
    """A level from one of the two. Raises BadInputError for both."""
    if sigma is not None and noise_norm is not None:
        raise BadInputError("Say sigma or noise_norm, not both.")
    return Level(sigma, noise_norm)
