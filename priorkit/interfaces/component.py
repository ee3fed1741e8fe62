"""What every component is, and the words that all interfaces share.

Shapes: pictures x are (B, C, H, W) and volumes (B, C, D, H, W), float in [0, 1], signals
(B, C, N), vectors (B, d), complex pictures (B, 2, H, W), see :mod:`.kinds`; latents
z are (B, k); a batch of variables u is (B, n), latents or flattened images; values are (B,)
float64. Device and dtype follow the input. A batch has at least one image, and images in it never
influence each other.

The options of a component are the keyword-only parameters of its constructor: their
annotations are checked by pydantic, and ``Annotated[int, Field(ge=1)]`` adds a range.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, Literal, Self, TypeVar

import torch
from torch import Tensor

from priorkit.streams import Streams

__all__ = ["Component", "Copies", "Pullback", "Shape", "Space", "Spec", "Status", "seeded_apart"]

Shape = tuple[int, ...]
Space = Literal["latent", "pixel"]
Status = Literal["converged", "stopped", "diverged"]
Pullback = Callable[[Tensor], Tensor]
Spec = str | Mapping[str, Any]  # a registered name, or a table {"name": …, options}

T = TypeVar("T")

METHODS = types.FunctionType, classmethod, staticmethod


class Component:
    """A prior, operator, noise, penalty, solver or start.

    ``provenance`` maps the names of the weights and files that it uses to their sha256, for
    the record of a run. ``seed`` is that of what is random in it; None stands for the run's, or
    outside of a run for 0.
    """

    provenance: Mapping[str, str] = MappingProxyType({})
    seed: int | None = 0

    def __init_subclass__(cls, **more: Any) -> None:
        """Raises TypeError where a property of an interface is overridden by a method, or a method
        by a property: neither is called as the other."""
        super().__init_subclass__(**more)
        for name, own in vars(cls).items():
            owner, held = _held(cls.__mro__[1:], name)
            if isinstance(held, property) and isinstance(own, METHODS):
                what, mend = "property", "write @property above it"
            elif isinstance(held, METHODS) and isinstance(own, property):
                what, mend = "method", "leave @property out"
            else:
                continue
            raise TypeError(
                f"{cls.__name__}.{name} overrides a {what} of {owner}. Try: {mend}, or another name"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises AttributeError for a name that a property has, saying of which class that is, and
        for one that a method has, but of what can be called in its place."""
        owner, held = _held(type(self).__mro__, name)
        method = isinstance(held, METHODS) and not callable(value)
        if method or (isinstance(held, property) and held.fset is None):
            what, why = ("method", "would hide") if method else ("property", "can't set")
            raise AttributeError(
                f"{name!r} is a {what} of {owner}, which self.{name} = … {why}. "
                f"Try: another name for the attribute, such as self.own_{name}"
            )
        super().__setattr__(name, value)

    def seeded(self, seed: int) -> Self:
        """This component, or where it has no seed of its own a copy that has the run's."""
        if self.seed is not None:
            return self
        own = copy.copy(self)
        own.seed = seed
        return own

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        """The component that stands for an object of another library, or None if it can't.

        A registered class that overrides this lets users write ``op=thing``.
        """
        return None


def _held(classes: Sequence[type], name: str) -> tuple[str, object]:
    """The first of some classes that has an attribute of that name, and what it has."""
    owner = next((cls for cls in classes if name in vars(cls)), None)
    return ("", None) if owner is None else (owner.__name__, vars(owner)[name])


C = TypeVar("C", bound=Component)


def seeded_apart(parts: Sequence[C], seed: int) -> list[C]:
    """The parts of one component, :meth:`Component.seeded`: the first that has no seed of its own
    gets this one, each further one another that follows from it, so that no two draw the same."""
    found: list[C] = []
    drawn = 0
    for part in parts:
        other = int(Streams(seed, "part", [drawn]).words(1)[0, 0]) >> 1
        found.append(part.seeded(other if drawn else seed))
        drawn += found[-1] is not part
    return found


class Copies(Generic[T]):
    """Copies of something exact, per device and dtype, made when an input first asks.

    Parameters
    ----------
    make : a copy for that device and dtype
    """

    def __init__(self, make: Callable[[torch.device, torch.dtype], T]) -> None:
        self._make = make
        self._held: dict[tuple[torch.device, torch.dtype], T] = {}

    def like(self, tensor: Tensor) -> T:
        """The copy on the device and in the dtype of ``tensor``."""
        key = (tensor.device, tensor.dtype)
        if key not in self._held:
            self._held[key] = self._make(*key)
        return self._held[key]
