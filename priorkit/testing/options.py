"""What a user reads of a component before using it: its docstring and its options."""

from __future__ import annotations

import inspect
from typing import get_type_hints

from priorkit import interfaces
from priorkit.interfaces import Component
from priorkit.registry import COMPONENTS
from priorkit.settings.config import of_runs
from priorkit.settings.options import option_fields, options_model
from priorkit.settings.refused import allowed
from priorkit.testing.promises import promise

__all__ = ["check_options"]


def check_options(cls: type[Component]) -> None:
    """A docstring of the class's own, and options by keyword that have types, names which no
    setting of a run has, and defaults that their types allow.

    Raises AssertionError where one is otherwise, and PluginError where no option can be read.
    """
    with promise("its docstring says what it is", "it is what priorkit show prints, and the site"):
        assert (vars(cls).get("__doc__") or "").strip(), f"{cls.__name__} has no docstring"
    with promise(
        "its options have types, and names of their own",
        "def __init__(self, *, width: Annotated[float, Field(gt=0)] = 2.0) -> None",
    ):
        parameters = inspect.signature(cls).parameters.values()
        unnamed = [str(p) for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
        assert not unnamed, f"{', '.join(unnamed)} can't be said by its name"
        typed, kind = get_type_hints(cls.__init__), _kind(cls)
        for name in option_fields(cls):
            assert name in typed, f"{name} has no type: its values aren't checked"
            assert not of_runs(kind, name), (
                f"{name} is a setting of the run: the {kind} gets it from a table alone"
            )
    with promise("a default is one that its type allows", "int | None = None where it may be None"):
        model = options_model(cls)  # type: ignore[arg-type]  # a class has a hash
        for name, field in option_fields(cls).items():
            assert field.is_required() or allowed(model, name, field.default), (
                f"{name} is {field.default!r} where nobody says, which a user may not"
            )


def _kind(cls: type[Component]) -> str:
    """Which kind of component a class is of."""
    return next(k for k in COMPONENTS if issubclass(cls, getattr(interfaces, k.capitalize())))
