"""What several operators ask of what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Shape

__all__ = ["array_of", "require_picture"]


def require_picture(who: str, shape: Shape) -> None:
    """Raise BadInputError unless ``shape`` is that of a picture (C, H, W)."""
    if len(shape) != 3:
        raise BadInputError(f"{who} is for pictures (C, H, W).", got=shape)


def array_of(dtype: type[np.generic], thing: Any, refusal: str) -> Tensor:
    """What a user gave as an array, as a tensor. Raises BadInputError with ``refusal``."""
    try:
        return torch.as_tensor(np.asarray(thing, dtype=dtype))
    except (TypeError, ValueError) as error:
        raise BadInputError(refusal, got=type(thing).__name__) from error
