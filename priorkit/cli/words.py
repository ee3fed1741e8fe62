"""Arguments of a command line whose options plugins define, and settings in messages as such."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections import deque
from collections.abc import Collection
from typing import Any

from priorkit.errors import TRY, BadInputError
from priorkit.settings.words import is_number, value

__all__ = ["as_options", "components", "said_here", "split", "typed"]

# A setting in the library's words, name=value, and others of its values behind an "or". What is
# within a call, or of a part of a file (FILE::dataset=NAME), is none.
VALUE = (
    r"""(?:'[^']*'|"[^"]*"|\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]|\{[^{}]*\}|…"""
    r"""|[-+]?\.?\d[\d.]*(?:e[-+]?\d+)?\b|\b(?:True|False|None)\b)"""
)
SETTING = re.compile(rf"(?<![^\s(])([a-z_]+)=({VALUE})((?: or {VALUE})*)")
LEFT_OUT = re.compile(r"(?:^|(?<=, )|(?<=or )|(?<=and ))no ([a-z_]+)(?=[,.;]| and | or |$)")
CALL = re.compile(r"[\w\]]\((?:[^()]|\([^()]*\))*\)")
# What Python makes of an array, which is a file here: not how one is saved, nor a few numbers.
INSIDE = r"\((?:[^()]|\([^()]*\))*\)"
EXPRESSION = re.compile(
    r"""(?<![\w.'"(=])(?:([a-z_]+)=)?(y\.real\b|[xy]\[\d+\]|values\[[^\]]*\]|"""
    rf"~?numpy\.(?!save|degrees)[\w.]+{INSIDE}|(?:\w+\*{INSIDE}|[xya])\.\w+{INSIDE})"
)
MADE = ". FILE.npy is what numpy.save('FILE.npy', …) of Python writes"
FLAGS = ("resume",)  # options without a value


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
                raise BadInputError(f"The option --{name} needs a value.", try_=_example(name))
            text = left.popleft()
        values = [value(text)]
        while not equals and left and is_number(values[0]) and is_number(value(left[0])):
            values.append(value(left.popleft()))
        options[name.replace("-", "_")] = values[0] if len(values) == 1 else values
    return positional, options


def components(**given: str | None) -> dict[str, Any]:
    """The components that were given, each as a name, or as a table in JSON."""
    return {kind: value(text) for kind, text in given.items() if text is not None}


def _example(name: str) -> str:
    """An option with a value."""
    from priorkit.settings.config import RunConfig

    field = RunConfig.model_fields.get(name.replace("-", "_"))
    return f"--{name} {'true' if field is not None and field.annotation is bool else 'VALUE'}"


def as_options(text: str, known: Collection[str] = ()) -> str:
    """A message of the library with its settings as options of the command line.

    Of what it says to leave out ("no gamma") that is an option which is one of the ``known``. What
    Python makes of an array is a file of it here.

    >>> as_options("gamma='sure' is for pictures. Try: range=(0, 4095), or no gamma", ["gamma"])
    '--gamma sure is for pictures. Try: --range 0 4095, or no --gamma'
    >>> as_options("No. Try: solver='adam' or 'fista', or numpy.save('A.npy', A)")
    "No. Try: --solver adam or fista, or numpy.save('A.npy', A)"
    >>> as_options("No. Try: y.clip(0)").partition(". FILE")[0]
    'No. Try: FILE.npy of y.clip(0)'
    """
    calls = [match.span() for match in CALL.finditer(text)]

    def option(match: re.Match[str]) -> str:
        if any(start < match.start() < end for start, end in calls):
            return match[0]
        first, others = _typed(match[2]), re.sub(VALUE, lambda m: _typed(m[0]), match[3])
        return f"--{_dashed(match[1])}{'' if match[1] in FLAGS else f' {first}'}{others}"

    def left_out(match: re.Match[str]) -> str:
        return f"no --{_dashed(match[1])}" if match[1] in (*known, *FLAGS) else match[0]

    def in_file(match: re.Match[str]) -> str:
        option = f"--{_dashed(match[1])} " if match[1] else ""
        return f"{option}FILE.npy of {match[2]}"

    what, try_, advice = SETTING.sub(option, text).partition(TRY)
    advice, made = EXPRESSION.subn(in_file, LEFT_OUT.sub(left_out, advice))
    return what + try_ + advice + MADE * bool(made)


def said_here(text: str, *given: str) -> str:
    """A message of the library in the words of a command that takes settings, of which it was
    ``given`` some words: :func:`as_options`."""
    from priorkit.settings.config import RunConfig

    said = [word[2:].partition("=")[0].replace("-", "_") for word in given if word[:2] == "--"]
    return as_options(text, {*RunConfig.model_fields, *said})


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _typed(text: str) -> str:
    """A value in Python's words as it is typed behind an option."""
    try:
        return typed(ast.literal_eval(text))
    except (ValueError, SyntaxError):  # … and (lo, hi)
        return text.strip("()").replace(", ", " ")


def typed(found: Any) -> str:
    """A value as it is typed behind an option.

    >>> typed([8, 8]), typed(True), typed("a b")
    ('8 8', 'true', "'a b'")
    """
    if isinstance(found, str):
        return shlex.quote(found) if found else "''"
    if isinstance(found, (tuple, list)) and found and not any(map(_holds, found)):
        words = all(isinstance(each, str) for each in found)
        return ("," if words else " ").join(map(str, found))
    return shlex.quote(json.dumps(found))


def _holds(found: Any) -> bool:
    return isinstance(found, (tuple, list, dict))
