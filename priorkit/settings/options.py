"""Options: what a user writes for them in plain words, those of a constructor as a pydantic
model, and pydantic's complaints in one line."""

from __future__ import annotations

import inspect
import math
import os
import re
import sys
import types
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from numbers import Integral, Real
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from priorkit.discovery import describe
from priorkit.errors import BadInputError, PluginError, did_you_mean

__all__ = [
    "describe_errors",
    "instead",
    "named",
    "option_fields",
    "options_model",
    "plain",
    "told_of",
]

MAX_DEPTH = 32  # of lists and tables in one another
MAX_LISTED = 4096  # numbers of an array that is an option; a larger one stays an object
TINY = 1e-6  # a least number that nobody means
LIMITS = {"gt", "ge", "lt", "le"}
DOC = re.compile(r"^(\w[\w, ]*) : (.*)$")
MAX_RANGE = 1_000_000  # as much of a range


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
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    return create_model(f"{target.__name__}Options", __config__=config, **definition)


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


def describe_errors(error: ValidationError, name: str = "") -> str:
    """The first complaint of pydantic, in one line, with what was got; ``name`` is that of the
    option where a single value was read, of which pydantic knows no name."""
    first = _nearest(error)
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    for limit in LIMITS & first.get("ctx", {}).keys():  # which is written out, 1e-15 too
        said = re.sub(r" -?[\d.]+$", f" {_number(first['ctx'][limit])}", said)
    if not first["loc"] and not name:  # about several at once: pydantic repeats them all as input
        return f"{said}."
    parts = [p for p in map(str, first["loc"]) if p.isidentifier() or p.isdigit()]
    where = ".".join([*filter(None, [name]), *parts])
    if first["type"] == "missing":
        return f"the option {where!r} is required."
    got = first.get("input")
    number = isinstance(got, (int, float)) and not isinstance(got, bool)
    return f"{where}: {said}. Got {_number(got) if number else repr(str(got)[:80])}."


def _number(value: float) -> str:
    """A number as it is read best, a whole one with all its digits up to 80."""
    return str(value)[:80] if isinstance(value, int) else f"{value:.12g}"


def instead(error: ValidationError, usual: float | None = None) -> str | None:
    """What to try instead of the value of that complaint: the nearest of the words that may be, the
    number without its fraction, or the least or greatest one, or where there is no least the number
    without its sign; the ``usual`` one for one that isn't finite, or a word that is near none; yes
    or no for what is neither. None where it isn't about these."""
    first = _nearest(error)
    got, limits = first["input"], first.get("ctx", {})
    if first["type"] in ("bool_parsing", "bool_type") and len(first["loc"]) == 1:
        return f"{first['loc'][0]}=True or False"
    if isinstance(got, str):
        words = re.findall("'([^']*)'", first["msg"])
        near = did_you_mean(got, words)
        if near or not usual or len(words) != 1 or not first["loc"]:
            return near or None
        name = first["loc"][0]
        return f"{name}={usual}, or {name}={words[0]!r}"
    inside = any(isinstance(part, int) for part in first["loc"])  # of a list, not all of it
    if not first["loc"] or inside or not isinstance(got, (int, float)):
        return None
    name = first["loc"][0]
    if first["type"] == "finite_number":
        return f"{name}={usual}" if usual else None
    if first["type"] == "int_from_float":
        return f"{name}={max(1, round(got))}"
    if "gt" in limits:
        return f"{name}={abs(got)}" if abs(got) > limits["gt"] else None
    if "ge" in limits:
        least = limits["ge"]
        return f"{name}={_number(least)}" if not 0 < least < TINY else None
    return f"{name}={_number(limits['le'])}" if "le" in limits else None


def _nearest(error: ValidationError) -> ErrorDetails:
    """Of a union, the complaint that came nearest: of the right type, or wrong further inside."""
    return max(error.errors(), key=lambda e: (len(e["loc"]), not e["type"].endswith("_type")))
