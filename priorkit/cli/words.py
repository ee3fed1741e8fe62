"""Arguments of a command line whose options plugins define."""

from __future__ import annotations

import json
from typing import Any

from priorkit.errors import BadInputError

__all__ = ["split", "value"]


def split(args: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Positional arguments, and ``--name value`` pairs; several numbers in a row are a list.

    Values are read as JSON where they can be, else as text.

    >>> split(["face.png", "--shape", "3", "64", "64", "--op=mask"])
    (['face.png'], {'shape': [3, 64, 64], 'op': 'mask'})
    """
    positional: list[str] = []
    options: dict[str, Any] = {}
    i = 0
    while i < len(args):
        word = args[i]
        i += 1
        if not (word.startswith("--") and len(word) > 2):
            positional.append(word)
            continue
        name, equals, text = word[2:].partition("=")
        if equals:
            values = [value(text)]
        elif i < len(args) and not args[i].startswith("--"):
            values = [value(args[i])]
            i += 1
            while i < len(args) and _is_number(values[0]) and _is_number(value(args[i])):
                values.append(value(args[i]))
                i += 1
        else:
            raise BadInputError(f"The option --{name} needs a value.")
        options[name.replace("-", "_")] = values[0] if len(values) == 1 else values
    return positional, options


def value(text: str) -> Any:
    """A word read as JSON where it is JSON, else as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_number(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool)
