"""D as a function that denoises."""

from __future__ import annotations

from typing import Annotated, Any, Self, cast

import torch
from pydantic import Field
from torch import Tensor

from priorkit.interfaces import Choices, Denoiser, Noise, Operator, Shape
from priorkit_functions.called import Called, images, is_function

__all__ = ["FunctionDenoiser"]


class FunctionDenoiser(Denoiser):
    """D(v, σ) = f(v, sigma), which removes Gaussian noise of standard deviation σ; ``prior=f`` is
    enough.

    v is (B, *shape), images in [0, 1] with noise, and sigma (B, 1, …), one per image; what it gives
    has the shape of v. An image with σ = 0 is unchanged.

    Parameters
    ----------
    function : f, or a network of torch, of which a copy is called in evaluation mode. It does the
        same to each image of a batch, and follows the device and dtype of v
    least, most : the σ between which it holds; one beyond is brought to the nearest of them

    Raises BadInputError where it gives another shape than that of v, or other numbers when asked
    again or beside another image.
    """

    def __init__(
        self,
        *,
        function: Any,
        least: Annotated[float, Field(ge=0)] = 0.0,
        most: Annotated[float, Field(gt=0)] | None = None,
    ) -> None:
        self.function = Called(function, "prior", "x", "sigma")
        self.levels = least, float("inf") if most is None else most

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        return cls(function=thing) if is_function(thing) else None

    def bind(self, shape: Shape) -> FunctionDenoiser:
        low, high = self.levels
        x = images(shape)
        sigma = x.new_full((2,) + (1,) * len(shape), min(max(0.1, low), high))
        self.function.try_on(x, sigma, shape=x.shape)
        return self

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """In pixel space, from what y shows."""
        return Choices(space="pixel", start="shown")

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        levels = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1).expand(len(x))
        levels = levels.reshape(-1, *(1,) * (x.ndim - 1))
        noisy = levels > 0
        clean = self.function(x, torch.where(noisy, levels, 1.0))
        return torch.where(noisy, cast(Tensor, clean), x)
