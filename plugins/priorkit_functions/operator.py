"""A as a function of torch tensors."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any, Self, cast

import torch
from torch import Tensor

from priorkit.discovery import describe
from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator, Operator, Shape, Signless
from priorkit_functions.called import Called, alike, images, is_function

__all__ = ["Function", "LinearFunction"]


class Function(Operator):
    """A(x) = f(x), a function of torch tensors (B, *shape) → (B, *y_shape); ``op=f`` is enough.

    Its gradient is that of autograd. Whether it is linear is found out when it is bound: where
    f(v + w) = f(v) + f(w) and f(2v) = 2 f(v), to 1e-4, for random v and w of either sign, it
    becomes a :class:`LinearFunction`. Complex pictures are given to f as complex numbers,
    (B, 1, H, W). A search may ask for values beyond [0, 1]. Noise isn't for f to add: ``sigma``
    says how much a simulated measurement has.

    Parameters
    ----------
    function : f, or a network of torch, of which a copy is called in evaluation mode. It does the
        same to each image of a batch, follows the device and dtype of x, and draws nothing

    Raises BadInputError where it gives other numbers when asked again, or beside another image, and
    where autograd doesn't reach x through it, as behind numpy, or finds no slope, as of rounding.
    """

    _complex = False  # whether it is of complex pictures, whose parts are two channels of x
    _even = False  # whether f(−v) = f(v)

    def __init__(self, *, function: Any) -> None:
        self.function = Called(function, "operator", "x")

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        return cls(function=thing) if is_function(thing) else None

    def for_complex(self) -> Operator:
        own = copy.copy(self)
        own._complex = True
        return own

    def bind(self, shape: Shape) -> Self:
        bound = super().bind(shape)
        if isinstance(bound, LinearFunction):
            return bound
        linear = LinearFunction.__new__(LinearFunction)
        vars(linear).update(vars(bound))
        with suppress(BadInputError):
            linear.require_linear()
            return cast(Self, linear)
        return bound

    def prepare(self) -> None:
        v = self._whole(images(self.shape))
        y = self.function.try_on(v)
        self.function.require_gradient(v, y)
        self.y_shape = y.shape[1:]
        try:
            self._even = alike(self.function(-v), y, y)
        except Exception:  # it takes no negative values
            self._even = False

    def _whole(self, x: Tensor) -> Tensor:
        """Images as f gets them: complex ones (B, 1, …) instead of two channels (B, 2, …)."""
        return torch.complex(x[:, :1], x[:, 1:]) if self._complex else x

    def A(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.function(self._whole(x)))

    @property
    def signless(self) -> Signless | None:
        return "image" if self._even else None

    def image(self, y: Tensor) -> Tensor | None:
        return y if y.ndim == 4 and y.shape[1] in (1, 3) and not y.is_complex() else None


class LinearFunction(LinearOperator, Function):
    """A x = f(x) for a linear f, whose adjoint is the pullback of f, J(0)ᴴ r, by autograd.

    ``op=f`` finds it out by itself; this is for products: ``LinearFunction(function=f) @ Blur()``.
    One that keeps some pixels, and gives 0 for the others, is a mask.

    Raises BadInputError where f isn't linear.
    """

    _seen: Tensor | None = None  # of a mask

    def prepare(self) -> None:
        super().prepare()
        self.require_linear()

    def require_linear(self) -> None:
        """Raises BadInputError where f, bound and tried, isn't linear; else whether it is a mask is
        known from here on."""
        v, w = 2 * images(self.shape)[:, None] - 1  # of either sign
        try:
            with torch.no_grad():
                of_v, of_w, both, twice = map(self.A, (v, w, v + w, 2 * v))
            back = self.A_adjoint(of_w)
        except Exception as error:
            raise BadInputError("The function isn't linear.", got=describe(error)) from error
        here, there = (of_v.conj() * of_w).real.sum(), (v * back).sum()
        adjoint = alike(here, there, of_v.norm() * of_w.norm() + v.norm() * back.norm())
        if not (alike(both, of_v + of_w, twice) and alike(twice, 2 * of_v, twice) and adjoint):
            raise BadInputError("The function isn't linear.", try_="op=f, or Function(function=f)")
        masks = of_v.shape == v.shape and bool(((of_v == v) | (of_v == 0)).all())
        self._seen = (of_v == v)[0].to(v) if masks else None

    def A_adjoint(self, y: Tensor) -> Tensor:
        zero = torch.zeros(len(y), *self.shape, dtype=y.real.dtype, device=y.device)
        return Operator.vjp(self, zero, y)

    @property
    def mask(self) -> Tensor | None:
        return None if self._seen is None or bool(self._seen.all()) else self._seen

    @property
    def sees_image(self) -> bool:
        return self._seen is not None
