"""What a component answers while a run goes on, held to its promise: a tensor, of that shape.

This is asked where D, A, ℓ, R, a solver and a start meet, so that whoever answers otherwise is
named, and not the one who reckons with it next. It looks at no number, and waits for no device.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from priorkit.errors import PluginError
from priorkit.interfaces.component import Component, Shape

__all__ = ["answer", "answers", "bound", "refusal"]

C = TypeVar("C", bound=Component)


def answer(
    who: Component, method: str, found: object, shape: Shape, *, real: bool = True
) -> Tensor:
    """What ``who.method(…)`` gave, a tensor of ``shape``, and ``real`` unless it needn't be. Raises
    PluginError where it isn't."""
    if isinstance(found, Tensor) and found.shape == shape and not (real and found.is_complex()):
        return found
    kind = "real tensor" if real else "tensor"
    raise refusal(who, f"{method} must give a {kind} of shape {tuple(shape)}", found)


def answers(
    who: Component, method: str, found: object, value: Shape, gradient: Shape
) -> tuple[Tensor, Tensor]:
    """What ``who.method(…)`` gave, two tensors of these shapes. Raises PluginError where it
    isn't."""
    if isinstance(found, tuple) and len(found) == 2:
        one, other = found
        tensors = isinstance(one, Tensor) and isinstance(other, Tensor)
        if tensors and (one.shape, other.shape) == (value, gradient):
            return one, other
    shapes = f"{tuple(value)} and {tuple(gradient)}"
    raise refusal(who, f"{method} must give two tensors, of shapes {shapes}", found)


def bound(who: Component, found: C) -> C:
    """What ``who.bind(…)`` gave, a component. Raises PluginError where it isn't."""
    given: object = found
    if not isinstance(given, Component):
        raise refusal(who, "bind must return the bound copy", given)
    return found


def refusal(who: Component, promise: str, found: object) -> PluginError:
    """The error of a component that gave something else than it promised."""
    return PluginError(
        f"{type(who).__name__}.{promise}.",
        got=_told(found),
        try_="priorkit check, which tries all that a component promises",
    )


def _told(found: object) -> str:
    if isinstance(found, Tensor):
        kind = f"{found.dtype} of " if found.is_complex() else ""
        return f"{kind}shape {tuple(found.shape)}"
    if isinstance(found, torch.dtype):
        return str(found)
    if isinstance(found, tuple):
        return " and ".join(map(_told, found)) or "an empty tuple"
    return f"{found!r:.60}" if found is None or isinstance(found, float) else type(found).__name__
