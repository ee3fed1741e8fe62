"""A: how images become measurements."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from priorkit.interfaces.answers import refusal
from priorkit.interfaces.component import Component, Shape
from priorkit.interfaces.kinds import PICTURE, Kind
from priorkit.interfaces.level import Level
from priorkit.linear import mean_gain

__all__ = [
    "MAX_MATRIX",
    "Calibrated",
    "Ensemble",
    "IdentityOperator",
    "LinearOperator",
    "MatrixOperator",
    "Mirror",
    "Operator",
    "RandomOperator",
    "Signless",
    "product",
]

MAX_MATRIX = 2 << 30  # bytes of AΦ in float64 up to which it is stored

Signless = Literal["image", "channel"]
Ensemble = Literal["iid", "orthogonal"]


class Operator(Component, ABC):
    """A measurement y = A(x) + η, one per image of a batch.

    ``default_noise`` is how much noise a simulated measurement has where nobody says.
    """

    default_noise: ClassVar[Level] = Level()

    shape: Shape  # of one image, set by bind
    y_shape: Shape  # of one measurement, set by bind

    def __matmul__(self, other: Operator) -> Operator:
        """A ∘ B: ``blur @ mask`` measures with mask what is then blurred."""
        if not isinstance(other, Operator):
            return NotImplemented
        return product(self, other)

    def bind(self, shape: Shape) -> Self:
        """A copy for images of ``shape``, such as (C, H, W), with ``y_shape`` known."""
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        vars(bound).pop("y_shape", None)  # of an earlier binding
        bound.prepare()
        if "y_shape" not in vars(bound):
            y: object = bound.A(torch.zeros(1, *shape))
            if not (isinstance(y, Tensor) and y.shape[:1] == (1,)):
                raise refusal(bound, "A must give measurements (B, …), here of one image", y)
            bound.y_shape = y.shape[1:]
        bound.y_shape = tuple(bound.y_shape)
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

    def for_complex(self) -> Operator | None:
        """This operator for complex pictures a + ib, their parts as two channels, before
        :meth:`bind`. None where a linear one measures them as A(a) + i·A(b), see :mod:`.adapt`;
        one that isn't linear doesn't take them then."""
        return None

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

    @property
    def signless(self) -> Signless | None:
        """Whose sign no measurement tells, A(−x) = A(x): that of the whole "image", or of every
        "channel" by itself; None where A sees it."""
        return None

    def image(self, y: Tensor) -> Tensor | None:
        """y as an image batch to show to people, of any size, or None where it isn't one."""
        return y if self.sees_image else None

    def taken(self, y: Tensor) -> Tensor:
        """Measurements (B, …) as an instrument writes them, brought to (B, *y_shape)."""
        return y

    def question(self, y: Tensor, mask: Tensor | None) -> None:
        """Warn of a y that was given, one measurement or a batch that isn't checked yet, where it
        seems to be laid out otherwise than y is here. ``mask`` is what of it is measured, as
        :attr:`mask`, but of all that this operator may be a part of. Called once it is bound."""

    def shape_from(self, y_shape: Shape) -> Shape | None:
        """The shape of the image whose measurement is itself an image, of this shape.

        None where y isn't one. Of pictures and volumes, whole numbers of 8 and 16 bits are then
        brightness; in all other y they are numbers as they are. Asked before :meth:`bind` too.
        """
        return y_shape if self.sees_image else None

    def shape_behind(self, y_shape: Shape, kind: Kind) -> Shape | None:
        """The shape of the image of a kind whose measurement, one or a batch, has this shape.

        None where that doesn't tell, as it doesn't of sums. Asked before :meth:`bind`.
        """
        return None

    @property
    def reduces(self) -> bool:
        """Whether y is the picture x with fewer pixels or channels: small, or gray of colour."""
        shown = self.image(torch.zeros(1, *self.y_shape))
        if shown is None or not (PICTURE.fits(self.shape) and PICTURE.fits(shown.shape[1:])):
            return False
        (channels, *sides), (c, height, width) = self.shape, shown.shape[1:]
        factor, rest = divmod(sides[0], height)
        whole = not rest and [factor * height, factor * width] == sides
        return whole and c in (1, channels) and (factor > 1 or c < channels)

    @property
    def loses_channels(self) -> bool:
        """Whether y is such a picture, with fewer channels than x."""
        return self.reduces and self.y_shape[0] < self.shape[0]

    @property
    def entries(self) -> int:
        """How many numbers of one measurement are really measured."""
        mask = self.mask
        return math.prod(self.y_shape) if mask is None else int(mask.sum())

    @property
    def memory(self) -> int:
        """Bytes that the bound operator holds while it is used, such as a stored matrix."""
        return 0


class Calibrated(Operator):
    """An operator that learns a part of itself from what was measured, such as where."""

    @abstractmethod
    def calibrate(self, y: Tensor, shape: Shape, kind: Kind) -> Self:
        """This operator as a measurement y shows it, for images of a shape and kind. Called once
        before :meth:`bind`, where y was given; y, one or a batch, isn't checked yet."""


class LinearOperator(Operator):
    """A linear A, with its exact adjoint."""

    @abstractmethod
    def A_adjoint(self, y: Tensor) -> Tensor:
        """Aᴴ y: (B, *y_shape) → (B, *shape), real for real x: Re⟨A x, y⟩ = ⟨x, Aᴴ y⟩."""

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        return self.A_adjoint(r)

    @property
    def gain(self) -> float:
        """‖A‖_F/√n, the length of a typical column: noise of σ is σ·gain in an entry of Aᴴ y,
        and of complex y and real x by √2 less.

        Estimated, see :func:`.mean_gain`.
        """
        return mean_gain(self.A, self.shape)

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


class RandomOperator(LinearOperator):
    """A linear A that was drawn at random, of which message passing makes use.

    Scaled to columns of mean length 1, A/gain, AᴴA maps an error that is independent of A to that
    error and something like noise.
    """

    @property
    @abstractmethod
    def ensemble(self) -> Ensemble | None:
        """ "iid" where all entries are independent, of mean 0; "orthogonal" where the rows are
        taken at random from an orthogonal matrix; None of neither."""

    @property
    @abstractmethod
    def excess(self) -> float:
        """κ = ‖AᴴA/gain² − 1‖_F²/n: the noise per entry that AᴴA makes of an error, in parts of
        the error's energy. About n/m of independent entries, N/m − 1 of m orthogonal rows of N."""


class Mirror(LinearOperator):
    """A x = x with left and right exchanged: its last axis reversed. A Aᴴ = 1."""

    def A(self, x: Tensor) -> Tensor:
        return x.flip(-1)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return y.flip(-1)

    def shape_from(self, y_shape: Shape) -> Shape | None:
        return y_shape


@singledispatch
def product(outer: Operator, inner: Operator) -> Operator:
    """A(B(x)) as an operator. Products are operators themselves, so they have a file of their own
    above this one, :mod:`.product`, which says here what they are."""
    raise NotImplementedError
