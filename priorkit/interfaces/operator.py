"""A: how images become measurements."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

import torch
from torch import Tensor

from priorkit.interfaces.component import Component, Shape
from priorkit.interfaces.noise import Level

__all__ = ["IdentityOperator", "LinearOperator", "MatrixOperator", "Operator"]


class Operator(Component, ABC):
    """A measurement y = A(x) + η, one per image of a batch.

    ``default_noise`` is how much noise a simulated measurement has where nobody says.
    """

    default_noise: ClassVar[Level] = Level()

    shape: Shape  # of one image, set by bind
    y_shape: Shape  # of one measurement, set by bind

    def bind(self, shape: Shape) -> Self:
        """A copy for images of ``shape``, such as (C, H, W), with ``y_shape`` known."""
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        vars(bound).pop("y_shape", None)  # of an earlier binding
        bound.prepare()
        if "y_shape" not in vars(bound):
            bound.y_shape = tuple(bound.A(torch.zeros(1, *shape)).shape[1:])
        return bound

    def prepare(self) -> None:
        """Called by :meth:`bind` once ``self.shape`` is set: check it, size things."""

    @abstractmethod
    def A(self, x: Tensor) -> Tensor:
        """A(x): (B, *shape) → (B, *y_shape), real or complex."""

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        """J(x)ᴴ r, with J the Jacobian of A at x; by autograd unless overridden.

        For complex y it is that of the real inner product Re⟨·,·⟩, and real for real x.
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            y = self.A(x)
        return torch.autograd.grad(y, x, r)[0]

    @property
    def mask(self) -> Tensor | None:
        """1 where an entry of y is measured and 0 where not, (*y_shape), or None if all are."""
        return None

    @property
    def sees_image(self) -> bool:
        """Whether entry i of y is pixel i of x, perhaps with noise, holes marked by ``mask``."""
        return False

    @property
    def sees_all(self) -> bool:
        """Whether y is the whole image, with nothing but noise between them: denoising."""
        return self.sees_image and self.mask is None

    def image(self, y: Tensor) -> Tensor | None:
        """y as an image batch to show to people, of any size, or None where it isn't one."""
        return y if self.sees_image else None

    @property
    def entries(self) -> int:
        """How many numbers of one measurement are really measured."""
        mask = self.mask
        return math.prod(self.y_shape) if mask is None else int(mask.sum())

    @property
    def memory(self) -> int:
        """Bytes that the bound operator holds while it is used, such as a stored matrix."""
        return 0


class LinearOperator(Operator):
    """A linear A, with its exact adjoint."""

    @abstractmethod
    def A_adjoint(self, y: Tensor) -> Tensor:
        """Aᴴ y: (B, *y_shape) → (B, *shape), real for real x: Re⟨A x, y⟩ = ⟨x, Aᴴ y⟩."""

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        return self.A_adjoint(r)

    @property
    def T(self) -> Callable[[Tensor], Tensor]:
        """The adjoint as a function, ``op.T(y)``; ``op.H`` is the same."""
        return self.A_adjoint

    H = T


class IdentityOperator(LinearOperator):
    """A x = x exactly: y is the noisy image, and a denoiser alone solves the problem."""

    @property
    def sees_image(self) -> bool:
        return True


class MatrixOperator(LinearOperator):
    """A linear A whose rows can be had, for solvers that need A·Φ as a matrix."""

    @abstractmethod
    def rows(self, i: int, j: int) -> Tensor:
        """Rows i to j of the matrix of A, (j − i, n), n the number of entries of x."""
