"""A from deepinv: any of its physics is an operator."""

from __future__ import annotations

import copy
import sys
from typing import Any, Self, cast

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Level, LinearOperator, Operator, Shape

__all__ = ["LinearPhysics", "Physics"]


class Physics(Operator):
    """A(x) = physics.A(x), without its noise; where that is Gaussian, its σ is the default.

    ``op=physics`` is enough, and is linear where the physics is. It computes in float32, since
    much of deepinv takes nothing else. Physics of complex pictures gets x with imaginary part 0.
    Stacked physics, whose measurements are a list, are refused: use ``priorkit.interfaces.stack``.

    Parameters
    ----------
    physics : an object of class deepinv.physics.Physics

    Reference: Tachella et al., "DeepInverse: a Python package for solving imaging inverse
    problems with deep learning", 2025.
    """

    def __init__(self, *, physics: Any) -> None:
        if not _is(physics, "Physics"):
            raise BadInputError(
                "The operator 'deepinv' needs an object of deepinv.physics.",
                got=type(physics).__name__,
                try_="op=deepinv.physics.Inpainting(…)",
            )
        self.physics = physics
        self._copies = Copies(lambda device, _: copy.deepcopy(physics).to(device))

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        if not _is(thing, "Physics"):
            return None
        chosen = LinearPhysics if _is(thing, "LinearPhysics") else Physics
        return cast(Self, chosen(physics=thing))

    def prepare(self) -> None:
        self._dtype, y = self._tried()
        if not isinstance(y, Tensor):
            raise BadInputError(
                "Measurements of several physics at once can't be used.",
                got=type(y).__name__,
                try_="priorkit.interfaces.stack of an operator for each",
            )
        self.y_shape = tuple(y.shape[1:])
        self._mask = self._measured()

    @property
    def default_noise(self) -> Level:  # type: ignore[override]  # of the object, not the class
        noise = self.physics.noise_model
        return Level(sigma=float(noise.sigma.max())) if _is(noise, "GaussianNoise") else Level()

    def A(self, x: Tensor) -> Tensor:
        return cast(Tensor, self._copies.like(x.real).A(x.to(self._dtype)))

    @property
    def mask(self) -> Tensor | None:
        return self._mask

    @property
    def sees_image(self) -> bool:
        return self.y_shape == self.shape and _is(self.physics, "Inpainting", "Denoising")

    def shape_from(self, y_shape: Shape) -> Shape | None:
        return y_shape if _is(self.physics, "Inpainting", "Denoising") else None

    def image(self, y: Tensor) -> Tensor | None:
        return y if y.ndim == 4 and y.shape[1] in (1, 3) else None

    def _tried(self) -> tuple[torch.dtype, Any]:
        """The dtype of the pictures that the physics takes, and A(0)."""
        zero = torch.zeros(1, *self.shape)
        with torch.no_grad():
            try:
                return torch.float32, self.physics.A(zero)
            except RuntimeError:  # "expected scalar type ComplexFloat"
                return torch.complex64, self.physics.A(zero.to(torch.complex64))

    def _measured(self) -> Tensor | None:
        """Which entries of y are measured, for physics with a mask that says it; else None."""
        if not _is(self.physics, "Inpainting", "MRI"):
            return None
        mask = cast(Tensor, self.physics.mask).detach().cpu()
        return (mask != 0).float().broadcast_to(1, *self.y_shape)[0].clone()


class LinearPhysics(LinearOperator, Physics):
    """A x = physics.A(x) with its own adjoint."""

    def A_adjoint(self, y: Tensor) -> Tensor:
        single = torch.complex64 if y.is_complex() else torch.float32
        x = self._copies.like(y.real).A_adjoint(y.to(single))
        return cast(Tensor, x.real if x.is_complex() else x)


def _is(thing: object, *names: str) -> bool:
    """Whether it is of one of these classes of deepinv.physics, which isn't imported for this."""
    module = sys.modules.get("deepinv.physics")
    return module is not None and isinstance(thing, tuple(getattr(module, n) for n in names))
