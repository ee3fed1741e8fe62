"""Options: what a user writes for them in plain words, and those of a constructor as a pydantic
model."""

from __future__ import annotations

import inspect
import math
import os
import re
import sys
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationInfo, create_model, field_validator

from priorkit.discovery import describe
from priorkit.errors import BadInputError, PluginError

__all__ = [
    "Values",
    "classes_in",
    "named",
    "no_flag",
    "option_fields",
    "options_model",
    "plain",
    "told_of",
]

MAX_DEPTH = 32  # of lists and tables in one another
MAX_LISTED = 4096  # numbers of an array that is an option; a larger one stays an object
DOC = re.compile(r"^(\w[\w, ]*) : (.*)$")
MAX_RANGE = 1_000_000  # as much of a range


class Values(BaseModel):
    """Settings that are checked: neither True nor False is taken for a number, which pydantic takes
    for 1 and 0."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag(cls, value: Any, info: ValidationInfo) -> Any:
        return no_flag(value, cls.model_fields[info.field_name or ""].annotation)


class _OptionValues(Values):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


def no_flag(value: Any, annotation: Any) -> Any:
    """A value that is to be as annotated. Raises ValueError for a truth value in place of a
    number."""
    classes = set(classes_in(annotation))
    if classes & {int, float} and not classes & {bool, Any} and _holds_flag(value):
        raise ValueError("it is a number, and neither true nor false")
    return value


def classes_in(annotation: Any) -> Iterator[Any]:
    """What an annotation is made of."""
    if get_origin(annotation) is Annotated:
        yield from classes_in(annotation.__origin__)
    elif get_origin(annotation) is not Literal:
        yield get_origin(annotation) or annotation
        for part in get_args(annotation):
            yield from classes_in(part)


def _holds_flag(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_flag, value))
    return isinstance(value, bool)


def plain(value: Any, depth: int = 0) -> Any:
    """A setting in the words of JSON and TOML, whatever it was said in: numbers of numpy and
    torch, paths, ranges and small arrays become what a record holds and a file can say.

    What those have no word for, such as a component or a large array, stays as it is. Raises
    BadInputError for lists or tables in one another without an end, and as :func:`named`.

    >>> from pathlib import PurePath
    >>> plain({"angles": range(3), "path": PurePath("A.npy")})
    {'angles': [0, 1, 2], 'path': 'A.npy'}
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth > MAX_DEPTH:
        raise BadInputError("A setting is of lists in lists without an end.")
    if isinstance(value, Mapping):
        return {name: plain(v, depth + 1) for name, v in named(value).items()}
    if isinstance(value, (list, tuple)):
        kinds = {_kind(v) for v in value}
        # A list of arrays that differ is for its reader to refuse.
        alike = len(kinds) <= 1
        return [plain(v, depth + 1) for v in value] if alike else value
    if isinstance(value, range):
        return list(value) if len(value) <= MAX_RANGE else value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, (Real, Decimal)):
        return int(value) if isinstance(value, Integral) else float(value)
    return _listed(value)


def named(table: Mapping[Any, Any]) -> dict[str, Any]:
    """A table of settings as it is. Raises BadInputError where a name isn't text."""
    for name in table:
        if not isinstance(name, str):
            raise BadInputError("The names of settings are text.", got=repr(name)[:60])
    return dict(table)


def _kind(value: Any) -> tuple[Any, ...] | None:
    """Type and shape of an array of numpy or torch that has dimensions; None of other things."""
    np, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    array = np is not None and isinstance(value, np.ndarray)
    if not array and not (torch is not None and isinstance(value, torch.Tensor)):
        return None
    return (type(value), value.dtype, tuple(value.shape)) if value.ndim else None


def _listed(value: Any) -> Any:
    """A small array of real numbers as lists, one of no dimensions as a number; a device as its
    name."""
    np, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if np is not None and type(value) in (np.bool_, np.ndarray):
        small = value.size <= MAX_LISTED and value.dtype.kind in "biuf"
    elif torch is not None and type(value) is torch.Tensor:
        odd = value.is_nested or value.is_meta or value.is_quantized or value.is_complex()
        dense = value.layout == torch.strided and not odd
        small = dense and value.numel() <= MAX_LISTED
        value = value.detach() if small else value
    elif torch is not None and isinstance(value, torch.device):
        return str(value)
    else:
        return value
    try:
        return plain(value.tolist()) if small else value
    except RuntimeError:  # torch has types whose numbers it can't tell
        return value


@cache
def options_model(target: Any) -> type[BaseModel]:
    """A pydantic model of the keyword parameters of a constructor.

    Raises PluginError where they can't be read, as where an annotation names nothing or a function,
    or a default is NaN or infinite.
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
        hint = hints.get(parameter.name, Any)
        if isinstance(hint, (types.FunctionType, types.BuiltinFunctionType)):
            raise TypeError(f"{parameter.name}: {hint.__name__} is a function, and no type")
        if isinstance(default, float) and not math.isfinite(default):
            raise ValueError(f"{parameter.name}: no option is NaN or infinite, got {default}")
        definition[parameter.name] = (hint, default)
    return create_model(f"{target.__name__}Options", __base__=_OptionValues, **definition)


def option_fields(target: Any) -> dict[str, Any]:
    """Name → pydantic field of every option of a component class."""
    return dict(options_model(target).model_fields)


def told_of(target: Any) -> dict[str, str]:
    """What the docstring of a class says of each of its parameters."""
    _, _, after = (inspect.getdoc(target) or "").partition("Parameters\n----------\n")
    told: dict[str, str] = {}
    names: list[str] = []
    for line in after.splitlines():
        if match := DOC.match(line):
            names = match[1].split(", ")
            told |= dict.fromkeys(names, match[2])
        elif line.startswith("    ") and names:
            told |= {name: f"{told[name]} {line.strip()}" for name in names}
        else:
            break
    return {name: said.replace("``", "") for name, said in told.items()}
