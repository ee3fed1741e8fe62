"""Several measurements of one image as one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import torch
from torch import Tensor

from priorkit.interfaces.adapt import bound_operator
from priorkit.interfaces.component import seeded_apart
from priorkit.interfaces.kinds import COMPLEX
from priorkit.interfaces.level import Level
from priorkit.interfaces.operator import LinearOperator, Operator, Signless

__all__ = ["stack"]


def stack(*operators: Operator) -> Operator:
    """(A₁ x, A₂ x, …): several measurements of one image as one, their entries in a row.

    Linear where all are; complex where one is. Those that are drawn at random, and of which nobody
    says the seed, are drawn each by itself. Raises ValueError for less than one operator.

    >>> from priorkit_operators.pointwise import Gray, Mask
    >>> stack(Gray(), Mask()).bind((3, 8, 8)).y_shape
    (256,)
    """
    if not operators:
        raise ValueError("stack needs at least one operator")
    linear = all(isinstance(operator, LinearOperator) for operator in operators)
    return (_LinearStack if linear else _Stack)(operators)


class _Stack(Operator):
    """(A₁ x, A₂ x, …), see :func:`stack`."""

    _complex = False  # whether x is a complex picture, and the parts don't know yet

    def __init__(self, operators: Sequence[Operator]) -> None:
        self.operators = list(operators)
        self.provenance = {k: v for o in operators for k, v in o.provenance.items()}

    def seeded(self, seed: int) -> Self:
        own = copy.copy(self)
        own.operators = seeded_apart(self.operators, seed)
        return self if own.operators == self.operators else own

    def for_complex(self) -> Self | None:
        if all(isinstance(p, LinearOperator) and p.for_complex() is None for p in self.operators):
            return None
        own = copy.copy(self)
        own._complex = True
        return own

    def prepare(self) -> None:
        """Raises MismatchError of complex pictures, where a part doesn't say how it measures
        them."""
        self.operators = [
            bound_operator(part, self.shape, COMPLEX) if self._complex else part.bind(self.shape)
            for part in seeded_apart(self.operators, 0)
        ]
        self._complex = False  # bound once more, the parts are what they are
        self.sizes = [math.prod(operator.y_shape) for operator in self.operators]
        zero = torch.zeros(1, *self.shape)
        self.real = [not operator.A(zero).is_complex() for operator in self.operators]
        self.y_shape = (sum(self.sizes),)

    @property
    def default_noise(self) -> Level:  # type: ignore[override]  # of the first
        return self.operators[0].default_noise

    def A(self, x: Tensor) -> Tensor:
        return torch.cat([operator.A(x).flatten(1) for operator in self.operators], 1)

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        return self._sum(r, [partial(operator.vjp, x) for operator in self.operators])

    def _sum(self, y: Tensor, pullbacks: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        """Each part of y through its own pullback; real where it was measured so."""
        parts = [
            (part.real if real and part.is_complex() else part).reshape(-1, *operator.y_shape)
            for part, real, operator in zip(
                y.split(self.sizes, 1), self.real, self.operators, strict=True
            )
        ]
        pulled = [pull(part) for pull, part in zip(pullbacks, parts, strict=True)]
        return torch.stack(pulled).sum(0)

    @property
    def mask(self) -> Tensor | None:
        masks = [operator.mask for operator in self.operators]
        if all(mask is None for mask in masks):
            return None
        return torch.cat(
            [
                torch.ones(size) if mask is None else mask.flatten()
                for mask, size in zip(masks, self.sizes, strict=True)
            ]
        )

    def question(self, y: Tensor, mask: Tensor | None) -> None:
        if y.shape[-1:] != self.y_shape:
            return  # refused elsewhere
        seen = torch.ones(self.y_shape) if mask is None else mask
        for part, own, known in zip(
            self.operators, y.split(self.sizes, -1), seen.split(self.sizes), strict=True
        ):
            part.question(own.reshape(-1, *part.y_shape), known.view(part.y_shape))

    @property
    def signless(self) -> Signless | None:
        found = {operator.signless for operator in self.operators}
        return found.pop() if len(found) == 1 else None if None in found else "image"

    @property
    def memory(self) -> int:
        return sum(operator.memory for operator in self.operators)


class _LinearStack(LinearOperator, _Stack):
    """(A₁ x, A₂ x, …), with the sum of the adjoints."""

    operators: list[LinearOperator]  # type: ignore[assignment]

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self._sum(y, [operator.A_adjoint for operator in self.operators])
