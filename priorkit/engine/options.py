"""The options of a constructor as a pydantic model, and pydantic's complaints in one line."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from priorkit.discovery import describe
from priorkit.errors import PluginError

__all__ = ["describe_errors", "option_fields", "options_model"]


@cache
def options_model(target: Any) -> type[BaseModel]:
    """A pydantic model of the keyword parameters of a constructor.

    Raises PluginError where they can't be read, as where an annotation names nothing.
    """
    try:
        return _model(target)
    except Exception as error:
        raise PluginError(
            f"The options of {target.__module__}.{target.__qualname__} can't be read.",
            got=describe(error),
        ) from error


def _model(target: Any) -> type[BaseModel]:
    definition: dict[str, Any] = {}
    hints = get_type_hints(target.__init__, include_extras=True)
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        definition[parameter.name] = (hints.get(parameter.name, Any), default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return create_model(f"{target.__name__}Options", __config__=config, **definition)


def option_fields(target: Any) -> dict[str, Any]:
    """Name → pydantic field of every option of a component class."""
    return dict(options_model(target).model_fields)


def describe_errors(error: ValidationError) -> str:
    """The first complaint of pydantic, in one line, with what was got."""
    first = error.errors()[0]
    if not first["loc"]:  # about several at once: pydantic repeats them all as input
        return f"{first['msg'].removeprefix('Value error, ')}."
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"the option {where!r} is required."
    return f"{where}: {first['msg']}. Got {str(first.get('input'))[:80]!r}."
