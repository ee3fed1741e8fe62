"""A @ B: an operator that measures what another one made of the image."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor

from priorkit.errors import MismatchError
from priorkit.interfaces.component import Shape, seeded_apart
from priorkit.interfaces.kinds import COMPLEX
from priorkit.interfaces.level import Level
from priorkit.interfaces.operator import (
    Ensemble,
    LinearOperator,
    MatrixOperator,
    Mirror,
    Operator,
    RandomOperator,
    Signless,
    product,
)

__all__: list[str] = []  # it is had by A @ B


class _Product(Operator):
    """A(B(x)), see :meth:`Operator.__matmul__`.

    A linear B makes another complex picture of one, by both parts alike, and A measures that in
    its own way, by ``for_complex``. Where B has such a way, A gets what was measured.
    """

    _complex = False  # whether A takes what B makes for a complex picture

    def __init__(self, outer: Operator, inner: Operator) -> None:
        self.outer, self.inner = outer, inner
        self.provenance = {**outer.provenance, **inner.provenance}

    def seeded(self, seed: int) -> Self:
        own = copy.copy(self)
        own.outer, own.inner = seeded_apart([self.outer, self.inner], seed)
        return self if own.outer is self.outer and own.inner is self.inner else own

    def for_complex(self) -> Operator | None:
        outer, inner = self.outer.for_complex(), self.inner.for_complex()
        if inner is not None:
            return product(self.outer, inner)
        if outer is None or not isinstance(self.inner, LinearOperator):
            return None
        own = _composed(outer, self.inner)
        own._complex = True
        return own

    def prepare(self) -> None:
        """Raises MismatchError where A doesn't take the numbers that B measures."""
        outer, inner = seeded_apart([self.outer, self.inner], 0)  # outside of a run
        self.inner = inner.bind(self.shape)
        between = self.inner.A(torch.zeros(1, *self.shape))
        who = f"{type(outer).__name__} behind {type(inner).__name__}"
        if self._complex and (between.is_complex() or not COMPLEX.fits(self.inner.y_shape)):
            raise MismatchError(
                "Of a complex picture, A @ B measures the one that B makes of it, of two channels.",
                got=f"{who}, whose y isn't one",
                try_="a B that takes each part by itself, as a blur and a mask do",
            )
        self.outer = outer.bind(self.inner.y_shape)
        self.y_shape = self.outer.y_shape
        if between.is_complex() and not _takes_complex(self.outer, between):
            raise MismatchError(
                "A @ B needs an A of complex numbers where B measures such.",
                got=who,
                try_="an A that is right for complex x too, as a mask and a blur are",
            )

    @property
    def default_noise(self) -> Level:  # type: ignore[override]  # of what is measured in the end
        return self.outer.default_noise

    def A(self, x: Tensor) -> Tensor:
        return self.outer.A(self.inner.A(x))

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        return self.inner.vjp(x, self.outer.vjp(self.inner.A(x), r))

    @property
    def mask(self) -> Tensor | None:
        mask, under = self.outer.mask, self.inner.mask if self.sees_image else None
        return mask if under is None else under if mask is None else mask * under

    @property
    def sees_image(self) -> bool:
        return self.outer.sees_image and self.inner.sees_image

    @property
    def signless(self) -> Signless | None:
        """As B is; else where A is and B is linear, whose sign turns with that of all of x."""
        turns = self.outer.signless and isinstance(self.inner, LinearOperator)
        return self.inner.signless or ("image" if turns else None)

    def image(self, y: Tensor) -> Tensor | None:
        shown = self.outer.image(y)
        if shown is None:
            return None
        if isinstance(self.inner, Mirror):
            return self.inner.A(shown)
        return self.inner.image(shown) if self.outer.sees_image else shown  # y is one of B

    def taken(self, y: Tensor) -> Tensor:
        y = self.outer.taken(y)
        return self.inner.taken(y) if self.sees_image else y  # as B's y is, if that is an image

    def question(self, y: Tensor, mask: Tensor | None) -> None:
        self.outer.question(y, mask)
        if self.outer.sees_image:  # y is one of B, with holes
            self.inner.question(y, mask)

    def shape_from(self, y_shape: Shape) -> Shape | None:
        between = self.outer.shape_from(y_shape)
        return None if between is None else self.inner.shape_from(between)

    @property
    def memory(self) -> int:
        return self.outer.memory + self.inner.memory


class _LinearProduct(LinearOperator, _Product):
    """A B x, with (A B)ᴴ = Bᴴ Aᴴ."""

    outer: LinearOperator
    inner: LinearOperator

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.inner.A_adjoint(self.outer.A_adjoint(y))


class _MatrixProduct(MatrixOperator, _LinearProduct):
    """A B x, whose rows are those of A through Bᴴ."""

    outer: MatrixOperator

    def rows(self, i: int, j: int) -> Tensor:
        rows = self.outer.rows(i, j)
        parts = [rows.real, rows.imag] if rows.is_complex() else [rows]
        pulled = [self.inner.A_adjoint(p.view(-1, *self.inner.y_shape)).flatten(1) for p in parts]
        return torch.complex(*pulled) if rows.is_complex() else pulled[0]


class _RandomProduct(RandomOperator, _LinearProduct):
    """A B x for a B that only changes places, so that A B is as random as A is."""

    outer: RandomOperator

    @property
    def ensemble(self) -> Ensemble | None:
        return self.outer.ensemble

    @property
    def excess(self) -> float:
        return self.outer.excess

    @property
    def gain(self) -> float:
        return self.outer.gain


class _RandomMatrixProduct(_RandomProduct, _MatrixProduct):  # type: ignore[misc]
    """The same of an A that is a matrix."""


@product.register
def _composed(outer: Operator, inner: Operator) -> _Product:
    """A(B(x)), of those classes of A that still hold behind B."""
    if not (isinstance(outer, LinearOperator) and isinstance(inner, LinearOperator)):
        return _Product(outer, inner)
    if isinstance(inner, Mirror) and isinstance(outer, RandomOperator):
        matrix = isinstance(outer, MatrixOperator)
        return (_RandomMatrixProduct if matrix else _RandomProduct)(outer, inner)
    return (_MatrixProduct if isinstance(outer, MatrixOperator) else _LinearProduct)(outer, inner)


def _takes_complex(bound: Operator, x: Tensor) -> bool:
    """Whether an operator takes complex numbers, and pulls such back."""
    try:
        return bound.vjp(x, bound.A(x)).is_complex()
    except (RuntimeError, TypeError):
        return False
