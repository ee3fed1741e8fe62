"""What pydantic refuses, in one line: the option, why, what was got, and what to try instead."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from priorkit.errors import did_you_mean
from priorkit.settings.options import classes_in
from priorkit.settings.words import is_number

__all__ = ["allowed", "describe_errors", "instead"]

TINY = 1e-6  # a least number that nobody means
LIMITS = {"gt", "ge", "lt", "le"}
SAID = (bool, int, float, str)  # types of defaults that somebody could say
LIST = {"list_type", "tuple_type"}  # what pydantic calls a valid list, and a valid tuple


def describe_errors(error: ValidationError, name: str = "") -> str:
    """The first complaint of pydantic, in one line, with what was got; ``name`` is that of the
    option where a single value was read, of which pydantic knows no name."""
    first = _nearest(error)
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    said = "Input should be a list" if first["type"] in LIST else said
    for limit in LIMITS & first.get("ctx", {}).keys():  # which is written out, 1e-15 too
        said = re.sub(r" -?[\d.]+$", f" {_number(first['ctx'][limit])}", said)
    if not first["loc"] and not name:  # about several at once: pydantic repeats them all as input
        return f"{said}."
    parts = [p for p in map(str, first["loc"]) if p.isidentifier() or p.isdigit()]
    where = ".".join([*filter(None, [name]), *parts])
    if first["type"] == "missing":
        return f"the option {where!r} is required."
    got = first.get("input")
    shown = _number(got) if isinstance(got, (bool, int, float)) else repr(str(got)[:80])
    return f"{where}: {said}. Got {shown}."


def instead(error: ValidationError, model: type[BaseModel]) -> str | None:
    """What to try instead of the value of that complaint, which is of an option of ``model``; None
    where nothing is known that the option allows.

    Of a word, the nearest of those that may be, else each of them. Of a number that is too small,
    the number without its sign, else the default, else the least one; of -1 in place of a whole
    number, which elsewhere stands for the usual one, the default or an example. Of a number that is
    too large the greatest one, else the default, else half of what it is to be less than; where
    that is 1, a hundredth, of percents. Of one with a fraction the nearest whole one, and of 70% or
    0,7 as it is written here. Of anything else an example of the field, or the default, and the
    words that may be instead of a number.
    """
    first = _nearest(error)
    if not first["loc"] or first["type"] == "missing":
        return None
    name, got = str(first["loc"][0]), first["input"]
    if first["type"] in ("bool_parsing", "bool_type") and len(first["loc"]) == 1:
        return f"{name}=True or False"
    words = re.findall("'([^']*)'", first["msg"]) if isinstance(got, str) else []
    if near := did_you_mean(got, words) if words else "":
        return near
    field = model.model_fields[name]
    inside = any(isinstance(part, int) for part in first["loc"])  # of a list, not all of it
    tried = field.examples or () if inside else _candidates(first, field)
    usual = next((each for each in tried if allowed(model, name, each)), None)
    if usual is None:
        those = [repr(word) for word in words if allowed(model, name, word)]
        return f"{name}={' or '.join(those)}" if those else None
    shown = _number(usual) if is_number(usual) else repr(usual)
    others = f", or {name}={' or '.join(map(repr, words))}" if words else ""
    others = "" if isinstance(usual, str) else others  # it is one of these words
    return f"{name}={shown}{others}"


def allowed(model: type[BaseModel], name: str, value: object) -> bool:
    """Whether an option may have a value, whatever the others are."""
    try:
        model.__pydantic_validator__.validate_assignment(model.model_construct(), name, value)
    except ValidationError:
        return False
    return True


def _candidates(first: ErrorDetails, field: FieldInfo) -> list[Any]:
    """What may be meant by a value that was refused, the likeliest first."""
    got, limits = first["input"], first.get("ctx", {})
    examples = list(field.examples or ())
    default = [field.default] if isinstance(field.default, SAID) else []
    if is_number(got) and LIMITS & limits.keys():
        if got == -1 and int in classes_in(field.annotation):
            return [*default, *examples, *([limits["ge"]] if "ge" in limits else [])]
        turned = [-got] if got < 0 else []
        parts = [got / 100] if limits.get("lt") == 1 and 2 <= got <= 100 else []
        least = [limits["ge"]] if "ge" in limits and not 0 < limits["ge"] < TINY else []
        most = [limits["le"]] if "le" in limits else []
        half = [limits["lt"] / 2] if "lt" in limits else []
        return [*turned, *parts, *most, *default, *least, *half, *examples]
    whole = [max(1, round(got))] if first["type"] == "int_from_float" else []
    return [*whole, *(_written(got) if isinstance(got, str) else ()), *examples, *default]


def _written(text: str) -> list[float]:
    """The number that is meant by a text that is written otherwise.

    >>> _written("70%"), _written("0,7"), _written("many")
    ([0.7], [0.7], [])
    """
    match = re.fullmatch(r"\s*(-?\d+)(?:[.,](\d+))?\s*(%?)\s*", text)
    if match is None:
        return []
    number = float(f"{match[1]}.{match[2] or 0}")
    return [number / 100 if match[3] else number]


def _number(value: float) -> str:
    """A number as it is read best, a whole one with all its digits up to 80."""
    return str(value)[:80] if isinstance(value, int) else f"{value:.12g}"


def _nearest(error: ValidationError) -> ErrorDetails:
    """Of a union, the complaint that came nearest: of the right type, or wrong further inside."""
    return max(error.errors(), key=lambda e: (len(e["loc"]), not e["type"].endswith("_type")))
