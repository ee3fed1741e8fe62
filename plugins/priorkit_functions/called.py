"""A function or network of the user's, tried before a run and called in it."""

from __future__ import annotations

import copy
import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from priorkit.discovery import describe
from priorkit.errors import BadInputError
from priorkit.interfaces import Copies, Shape

__all__ = ["Called", "is_function"]


def is_function(thing: object) -> bool:
    """Whether it is a function, a method, a partial or a network of torch: not any object that can
    be called, which may mean something else."""
    return inspect.isroutine(thing) or isinstance(thing, (partial, nn.Module))


class Called:
    """A function of some ``arguments`` that is a component of a ``kind``. Of a network a copy is
    called, in evaluation mode, on the device and in the dtype of its first argument.

    Raises BadInputError for what can't be called with them.
    """

    def __init__(self, function: Any, kind: str, *arguments: str) -> None:
        self.function, self.told = function, f"{kind} f({', '.join(arguments)})"
        if not callable(function):
            raise BadInputError(f"The {self.told} is a function.", got=type(function).__name__)
        network = isinstance(function, nn.Module)
        try:
            inspect.signature(function.forward if network else function).bind(*arguments)
        except TypeError as error:
            raise BadInputError(
                f"The {self.told} is called with {' and '.join(arguments)}.", got=describe(error)
            ) from error
        except ValueError:  # a builtin, which doesn't say what it takes
            pass
        self._copies = Copies(self._copy) if network else None

    def _copy(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        network: nn.Module = copy.deepcopy(self.function)
        return network.eval().to(device, dtype)

    def __call__(self, x: Tensor, *more: Tensor) -> Any:
        function = self.function if self._copies is None else self._copies.like(x.real)
        return function(x, *more)

    def tried(self, x: Tensor, *more: Tensor, shape: Shape | None = None) -> Tensor:
        """What it gives of one image. Raises BadInputError where it fails, and for anything but a
        tensor, of ``shape`` if that is said."""
        try:
            with torch.no_grad():
                found = self(x, *more)
        except Exception as error:
            of = f"Of images {tuple(x.shape[1:])} the {self.told} fails."
            raise BadInputError(of, got=describe(error)) from error
        if isinstance(found, Tensor) and (shape is None or found.shape == shape):
            return found
        what = "a tensor" if shape is None else f"a tensor of shape {tuple(shape)}"
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise BadInputError(f"Of one image the {self.told} must give {what}.", got=got)

    def require_gradient(self, x: Tensor) -> None:
        """Raises BadInputError where autograd doesn't go through it, at images x that ask for their
        gradient, and of which it can give something without."""
        why = None
        try:
            reached = self(x).requires_grad
        except Exception as error:
            reached, why = False, describe(error)
        if not reached:
            raise BadInputError(
                f"The {self.told} has no gradient: autograd doesn't reach x through it.",
                got=why,
                try_="operations of torch alone",
            )
