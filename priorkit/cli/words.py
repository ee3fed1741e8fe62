"""Arguments of a command line whose options plugins define."""

from __future__ import annotations

from collections import deque
from typing import Any

from priorkit.errors import BadInputError
from priorkit.settings.words import value

__all__ = ["components", "split"]


def split(args: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Positional arguments, and ``--name value`` pairs; several numbers in a row are a list.

    Values are read as JSON where they can be, else as text.

    >>> split(["face.png", "--shape", "3", "64", "64", "--op=mask"])
    (['face.png'], {'shape': [3, 64, 64], 'op': 'mask'})
    """
    positional: list[str] = []
    options: dict[str, Any] = {}
    left = deque(args)
    while left:
        word = left.popleft()
        if not (word.startswith("--") and len(word) > 2):
            positional.append(word)
            continue
        name, equals, text = word[2:].partition("=")
        if not equals:
            if not left or left[0].startswith("--"):
                raise BadInputError(f"The option --{name} needs a value.")
            text = left.popleft()
        values = [value(text)]
        while not equals and left and _is_number(values[0]) and _is_number(value(left[0])):
            values.append(value(left.popleft()))
        options[name.replace("-", "_")] = values[0] if len(values) == 1 else values
    return positional, options


def components(**given: str | None) -> dict[str, Any]:
    """The components that were given, each as a name, or as a table in JSON."""
    return {kind: value(text) for kind, text in given.items() if text is not None}


def _is_number(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool)
