"""R as a function of the image."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from priorkit.interfaces import Penalty, Prior, Shape
from priorkit_functions.called import Called, images, is_function

__all__ = ["FunctionPenalty"]


class FunctionPenalty(Penalty):
    """R(x) = f(x), a function of images (B, *shape) → (B,), with the gradient of autograd;
    ``penalty=f, gamma=…`` is enough.

    Parameters
    ----------
    function : f, or a network of torch, of which a copy is called in evaluation mode: a number per
        image, each of its image alone

    Raises BadInputError where it gives anything else, or where autograd doesn't reach x through it.
    """

    acts_on = "x"

    def __init__(self, *, function: Any) -> None:
        self.function = Called(function, "penalty", "x")

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        return cls(function=thing) if is_function(thing) else None

    def bind(self, prior: Prior, shape: Shape) -> FunctionPenalty:
        x = images(shape)
        self.function.require_gradient(x, self.function.try_on(x, shape=(2,)))
        return self

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = u.detach().requires_grad_(True)
            value: Tensor = self.function(x)
        gradient = torch.autograd.grad(value, x, torch.ones_like(value))[0]
        return value.detach().double(), gradient
