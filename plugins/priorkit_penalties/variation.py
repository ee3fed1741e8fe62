"""Total variation of the image."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator, Noise, Operator, Penalty, Prior, Shape
from priorkit.linear import sums

__all__ = ["TotalVariation"]

FACTOR = 3.8
LEAST = 1e-3  # σ below which the hint is constant: without noise R only chooses among x that fit


class TotalVariation(Penalty):
    """R(x) = Σ √(|∂x|² + ε²) − ε, the isotropic total variation, rounded off at ε.

    ∂ are forward differences along height and width, of a signal along its length, of a volume
    (C, D, H, W) along all three, zero past the border; the sum runs over channels and pixels.
    Rounding makes it smooth, so that L-BFGS applies.

    Parameters
    ----------
    epsilon : size of the gradient below which it counts quadratically, in pixel values
    depth : whether the channels of pictures, (D, H, W), are neighbours as pixels are, as slices of
        a volume and bands of a spectrum are: ∂ then goes through them too. By default each channel
        is taken by itself

    Reference: Rudin, Osher & Fatemi, "Nonlinear total variation based noise removal
    algorithms", Physica D 1992.
    """

    acts_on = "x"

    def __init__(
        self, *, epsilon: Annotated[float, Field(ge=1e-9, le=1e9)] = 1e-2, depth: bool = False
    ) -> None:
        self.epsilon, self.depth = epsilon, depth

    def bind(self, prior: Prior, shape: Shape) -> TotalVariation:
        """Raises BadInputError for vectors, whose entries have no neighbours."""
        if len(shape) < 2:
            raise BadInputError(
                "Total variation is of volumes (C, D, H, W), images (C, H, W) or signals (C, N).",
                got=f"shape {shape}",
                ways=[{"penalty": None}],
                try_="shape=(1, 100) for a signal of 100 numbers",
            )
        if self.depth and len(shape) != 3:
            raise BadInputError(
                "depth=True is for pictures of many channels, (D, H, W).",
                got=f"shape {shape}",
                try_="no depth: ∂ goes along every axis but the channels",
            )
        return self

    def hint(self, operator: Operator, noise: Noise) -> float | None:
        """3.8·gain²·(σ/gain)^1.5, for a linear A of the given gain and known noise, and twice that
        for counts: times ``noise.typical_weight``.

        Where A and y are multiplied by a number, γ is by its square and σ/gain stays. Factor and
        exponent: benchmarks/calibrate_gamma.py.
        """
        if not isinstance(operator, LinearOperator) or not noise.known:
            return None
        of_squares = FACTOR * max(noise.std, LEAST) ** 1.5 * operator.gain**0.5
        return noise.typical_weight * of_squares

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        axes = range(1 if self.depth else 2, u.ndim)
        steps = [_forward(u, axis) for axis in axes]
        squares = torch.stack(steps).square().sum(0)
        size = (squares + self.epsilon**2).sqrt()
        value = sums((squares / (size + self.epsilon)).double())  # √(s + ε²) − ε, to rounding
        gradient = torch.zeros_like(u)
        for axis, d in zip(axes, steps, strict=True):
            slope = d / size
            gradient -= slope
            inner = u.shape[axis] - 1
            gradient.narrow(axis, 1, inner).add_(slope.narrow(axis, 0, inner))
        return value, gradient


def _forward(u: Tensor, axis: int) -> Tensor:
    """u[i + 1] − u[i] along an axis, 0 at its end."""
    d = torch.zeros_like(u)
    inner = u.shape[axis] - 1
    torch.sub(u.narrow(axis, 1, inner), u.narrow(axis, 0, inner), out=d.narrow(axis, 0, inner))
    return d
