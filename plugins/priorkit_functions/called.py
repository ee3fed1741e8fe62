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

__all__ = ["Called", "alike", "images", "is_function"]

ALIKE = 1e-4  # relative, in float32


def is_function(thing: object) -> bool:
    """Whether it is a function, a method, a partial or a network of torch: not any object that can
    be called, which may mean something else."""
    return inspect.isroutine(thing) or isinstance(thing, (partial, nn.Module))


def images(shape: Shape) -> Tensor:
    """Two random images, (2, *shape), of values in [0, 1]."""
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))


def alike(one: Tensor, other: Tensor, scale: Tensor) -> bool:
    """Whether two are the same to rounding, of a third's size."""
    return bool(((one - other).abs() <= ALIKE * scale.abs().max()).all())


class Called:
    """A function of some ``arguments``, images among them, that is a component of a ``kind``.

    Of a network a copy is called, in evaluation mode and with frozen weights, on the device and in
    the dtype of the images. A function that fails in float64, as with constants in float32, or in
    float32, is called in the other; what it gives is in the dtype of the images.

    Raises BadInputError for what can't be called with so many.
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
                f"The {self.told} is called with {' and '.join(arguments)}.",
                got=describe(error),
                try_=f"lambda {', '.join(arguments)}: f(…), which says the rest",
            ) from error
        except ValueError:  # a builtin, which doesn't say what it takes
            pass
        self._copies = Copies(self._copy) if network else None
        self._within: torch.dtype | None = None  # the only one that it takes, if there is one

    def _copy(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        network: nn.Module = copy.deepcopy(self.function)
        return network.eval().requires_grad_(False).to(device, dtype)

    def __call__(self, x: Tensor, *more: Tensor) -> Any:
        real = self._within or x.real.dtype
        given = [v.to(real.to_complex() if v.is_complex() else real) for v in (x, *more)]
        function = self.function
        if self._copies is not None:
            function = self._copies.like(given[0].real)
        with torch.set_grad_enabled(torch.is_grad_enabled() and x.requires_grad):
            found = function(*given)
        if not isinstance(found, Tensor) or found.dtype == x.dtype:
            return found
        real = x.real.dtype
        return found.to(real.to_complex() if found.is_complex() else real)

    def try_on(self, x: Tensor, *more: Tensor, shape: Shape | None = None) -> Tensor:
        """What it gives of two different images, (2, …).

        Raises BadInputError where it fails, gives anything but a tensor, of ``shape`` (2, …) if
        that is said, gives other numbers when asked again, or does something else to an image
        beside another than to it alone.
        """
        found = self._settled(x, more)
        if not isinstance(found, Tensor) or found.shape[:1] != (2,) or not found.numel():
            raise self._shapeless(found, shape)
        if shape is not None and found.shape != shape:
            raise self._shapeless(found, shape)
        if not bool(found.isfinite().all()):  # of values that it doesn't take: no two are alike
            return found
        if not torch.equal(again := self._quietly(x, more), found):
            raise BadInputError(
                f"The {self.told} gives other numbers when it is asked again.",
                got=f"{float((again - found).abs().max()):.3g} between two calls",
                try_="a function without random numbers; noise is what sigma says",
            )
        alone = self._quietly(x[:1], tuple(v[:1] for v in more))
        if not (isinstance(alone, Tensor) and alike(alone, found[:1], found)):
            raise BadInputError(
                f"The {self.told} does something else to an image beside another than to it alone.",
                try_="sums and means over all axes but the first, as x.flatten(1).sum(1) is",
            )
        return found

    def _settled(self, x: Tensor, more: tuple[Tensor, ...]) -> Any:
        """What it gives, in the first precision in which it can be called; in which it can is known
        from here on. Raises BadInputError where in none."""
        wrong: list[Exception] = []
        found: dict[torch.dtype, Any] = {}
        for self._within in (torch.float32, torch.float64):
            try:
                found[self._within] = self._quietly(x, more)
            except Exception as error:
                wrong.append(error)
        if not found:
            raise BadInputError(
                f"Of two images, shape {tuple(x.shape)}, the {self.told} fails.",
                got=describe(wrong[0]),
                try_="a function of torch tensors that takes a batch of images"
                + (", and sigma of shape (B, 1, …)" if more else ""),
            ) from wrong[0]
        first = next(iter(found))
        self._within = first if len(found) == 1 else None
        return found[first]

    def _quietly(self, x: Tensor, more: tuple[Tensor, ...]) -> Any:
        with torch.no_grad():
            return self(x.clone(), *more)

    def _shapeless(self, found: object, shape: Shape | None) -> BadInputError:
        what, try_ = "(2, …)", "measurements (B, …), those of each image"
        if shape is not None:
            what, try_ = str(tuple(shape)), "as many images"
        if shape == (2,):
            try_ = "x.flatten(1).sum(1), a number of each image"
        got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        said = f"Of two images the {self.told} must give a tensor of shape {what}."
        return BadInputError(said, got=got, try_=try_)

    def require_gradient(self, x: Tensor, found: Tensor) -> None:
        """Raises BadInputError where autograd doesn't go through it, or finds a slope of 0 in all
        directions, at images x, of which it gave ``found``."""
        why = None
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            try:
                y = self(x)
                reached = y.requires_grad
            except Exception as error:
                reached, why = False, describe(error)
        if not reached:
            raise BadInputError(
                f"The {self.told} has no gradient: autograd doesn't reach x through it.",
                got=why,
                try_="operations of torch alone, on x.clone() where they change it",
            )
        direction = torch.rand(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
        slope = torch.autograd.grad(y, x, direction)[0]
        if bool(found.any()) and not bool(slope.any()):
            raise BadInputError(
                f"The {self.told} has a gradient of 0 everywhere, as one that rounds has.",
                try_="the same without its steps",
            )
