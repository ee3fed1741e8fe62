"""What a browser asks for an option, from the same schema that checks it."""

from __future__ import annotations

import inspect
import json
import os
import re
import textwrap
import types
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from priorkit.errors import BadInputError
from priorkit.settings.words import value

__all__ = ["Field", "field_of", "first_of", "words_of"]

What = Literal["number", "whole", "switch", "choice", "numbers", "file", "text"]
SHORT = 80  # characters that stand below an option
PARTS = re.compile(r"(?<=[.;]) (?!g\.)")  # of a docstring


@dataclass(frozen=True)
class Field:
    """An option as something to fill in.

    Attributes
    ----------
    what : "number", "whole" number, "switch", "choice" of ``words``, "numbers" separated by commas,
        "file" (or a word), or "text"
    default : of the option; None also where the component or the prior decides
    low, high : between which a number lies, None where there is no bound; ``above`` and ``below``
        say that it isn't one of the two itself
    words : to choose from; of a number what it may be instead, such as "auto"
    path : whether a "file" is the path of one, and can't be an array as well
    help : what the component says of it
    """

    name: str
    what: What
    default: Any = None
    required: bool = False
    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False
    words: tuple[str, ...] = ()
    path: bool = False
    help: str = ""

    @property
    def label(self) -> str:
        """What stands beside it."""
        return self.name.replace("_", " ")

    def value(self, given: Any) -> Any:
        """What was filled in, as the option takes it; None where nothing was.

        Raises BadInputError for what isn't a number where one is asked for.
        """
        if given is None or given == "" or isinstance(given, Path):
            return given or None
        if self.what == "choice":
            return {"yes": True, "no": False}.get(given, given)
        if self.what in ("number", "whole"):
            return given if given in self.words else self._number(given)
        if self.what == "numbers":
            found = [self._number(part) for part in str(given).split(",") if part.strip()]
            return found[0] if len(found) == 1 else found
        return value(given) if isinstance(given, str) else given

    def complaint(self, given: Any) -> str | None:
        """What is wrong with what was filled in; None where nothing is."""
        try:
            found = self.value(given)
        except BadInputError as error:
            return error.what
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            return None
        if self.low is not None and (found < self.low or (self.above and found == self.low)):
            return f"{'more than' if self.above else 'at least'} {self.low:g}"
        if self.high is not None and (found > self.high or (self.below and found == self.high)):
            return f"{'less than' if self.below else 'at most'} {self.high:g}"
        return None

    def shown(self, value: Any) -> Any:
        """The opposite: a value as it is filled in."""
        if self.what == "numbers" and value is not None:
            return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        if self.what == "choice" and isinstance(value, bool):
            return "yes" if value else "no"
        if self.what in ("file", "text") and not isinstance(value, (Path, str, type(None))):
            return json.dumps(value)
        return value

    def _number(self, given: Any) -> float | int:
        try:
            number = float(given)
        except (TypeError, ValueError):
            words = "".join(f" or {word!r}" for word in self.words)
            raise BadInputError(f"{self.label}: a number{words}.", got=repr(given)) from None
        return int(number) if number.is_integer() and self.what != "number" else number


def field_of(name: str, info: FieldInfo, help: str = "") -> Field:
    """The field of an option, from pydantic's."""
    default = None if info.is_required() else info.default
    made = Field(name, "text", default, info.is_required(), help=help)
    return _limited(_of(info.annotation, made), info.metadata)


def words_of(target: Any, *, measured: bool = False) -> str:
    """What a class is, in the first paragraph of its docstring; of what was ``measured`` without
    what is said of noise that is simulated."""
    said = " ".join((inspect.getdoc(target) or "").split("\n\n")[0].split()).replace("``", "")
    if not measured:
        return said
    kept = [part for part in PARTS.split(said) if "simulated noise" not in part.lower()]
    return " ".join(kept).rstrip(";.") + "." if kept else ""


def first_of(help: str) -> str:
    """The first part of what is said of an option, up to the end of its sentence.

    >>> first_of("how many measurements; each costs time")
    'how many measurements'
    """
    return textwrap.shorten(PARTS.split(help)[0].rstrip(";."), SHORT, placeholder=" …")


def _of(annotation: Any, made: Field) -> Field:
    """The same for a type."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _limited(_of(inner[0], made), inner[1:])
    if origin in (Union, types.UnionType):
        return _union([part for part in inner if part is not type(None)], inner, made)
    if origin is Literal:
        return replace(made, what="choice", words=tuple(map(str, inner)))
    if annotation is bool:
        return replace(made, what="switch")
    if annotation is int:
        return replace(made, what="whole")
    if annotation is float:
        return replace(made, what="number")
    if origin in (list, tuple):
        return replace(made, what="numbers")
    if origin is os.PathLike or annotation in (Path, os.PathLike, Any):
        return replace(made, what="file", path=annotation is not Any)
    return made


def _union(parts: list[Any], all_: tuple[Any, ...], made: Field) -> Field:
    found = [_of(part, made) for part in parts]
    kinds = {one.what for one in found}
    if len(found) == 1:
        if kinds == {"switch"}:  # true, false, or neither
            return replace(made, what="choice", words=("yes", "no"))
        return found[0]
    if "numbers" in kinds:
        words = tuple(word for one in found for word in one.words)
        return replace(made, what="numbers", words=words)
    if kinds <= {"number", "whole", "choice"}:
        number = next(one for one in found if one.what != "choice")
        return replace(number, words=tuple(w for one in found for w in one.words))
    path = any(one.path for one in found)
    return replace(made, what="file" if "file" in kinds else "text", path=path)


def _limited(made: Field, metadata: Iterable[Any]) -> Field:
    """The same between the bounds that its schema has."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            made = _limited(made, item.metadata)
        elif isinstance(item, Ge):
            made = replace(made, low=_float(item.ge))
        elif isinstance(item, Gt):
            made = replace(made, low=_float(item.gt), above=True)
        elif isinstance(item, Le):
            made = replace(made, high=_float(item.le))
        elif isinstance(item, Lt):
            made = replace(made, high=_float(item.lt), below=True)
    return made


def _float(bound: Any) -> float:
    return bound if isinstance(bound, int) else float(bound)
