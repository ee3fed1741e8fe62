"""Names that moved, which still work where they were, for as long as CONTRIBUTING promises."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["moved"]


def moved(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module some of whose names are elsewhere now, as "module:name".

    One that is asked for is given, with a DeprecationWarning that says its new place; any other
    raises AttributeError, as it would without.

    >>> moved("priorkit.here", {"old": "math:pi"})("new")
    Traceback (most recent call last):
    AttributeError: module 'priorkit.here' has no attribute 'new'
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, attribute = names[name].partition(":")
        warnings.warn(
            f"{module}.{name} is {place}.{attribute} now, and goes with priorkit 2.0.",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(place), attribute)

    return __getattr__
