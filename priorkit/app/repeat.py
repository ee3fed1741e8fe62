"""The command line and the Python that repeat a run of the app, from where its folder lies."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from priorkit.app.order import Order
from priorkit.settings.words import value as read

__all__ = ["FOLDER", "command", "python", "renamed", "together"]

FOLDER = "priorkit-out"  # that the download holds
WIDTH = 88  # of a line of Python


def renamed(order: Order) -> dict[Path, str]:
    """The files of an order, and what they are called in the folder that is downloaded.

    >>> files = renamed(Order({"op": {"name": "mask", "mask": Path("/a/x.png")}}, Path("/b/x.png")))
    >>> list(files.values())
    ['priorkit-out/inputs/x.png', 'priorkit-out/inputs/2-x.png']
    """
    found: dict[Path, str] = {}
    for path in order.files:
        name, count = path.name, 1
        while f"{FOLDER}/inputs/{name}" in found.values():
            count += 1
            name = f"{count}-{path.name}"
        found[path] = f"{FOLDER}/inputs/{name}"
    return found


def together(value: Any, files: Mapping[Path, str]) -> Any:
    """Settings, or a record, with the names that files have in the folder."""
    if isinstance(value, Mapping):
        return {together(k, files): together(v, files) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [together(v, files) for v in value]
    if isinstance(value, Path):
        return files[value]
    if isinstance(value, str):
        return {str(path): name for path, name in files.items()}.get(value, value)
    return value


def command(order: Order) -> str:
    """The command line.

    >>> print(command(Order({"op": {"name": "gaussian", "m": 500}, "sigma": 0.1})))
    priorkit recover --op '{"name": "gaussian", "m": 500}' --sigma 0.1
    """
    if not all(isinstance(prior, str) for prior in order.priors):
        return "# priors with options of their own are compared from Python"
    keywords = together(order.keywords(), renamed(order))
    words = ["priorkit", "compare" if order.priors else "recover"]
    if order.source is not None and not order.measured:
        words.append(shlex.quote(renamed(order)[order.source]))
    for name, value in keywords.items():
        words.append(f"--{name.replace('_', '-')}")
        if name == "priors":
            words.append(shlex.quote(",".join(value)))
        elif _numbers(value):
            words += [json.dumps(each) for each in value]
        else:
            words.append(shlex.quote(_word(value)))
    return " ".join(words)


def python(order: Order) -> str:
    """A program.

    >>> print(python(Order({"prior": "dct", "m": 500})))
    import priorkit
    <BLANKLINE>
    recovery = priorkit.recover(prior='dct', m=500)
    recovery.save('priorkit-again')
    """
    keywords = together(order.keywords(), renamed(order))
    given = [] if order.source is None or order.measured else [repr(renamed(order)[order.source])]
    given += [f"{name}={value!r}" for name, value in keywords.items()]
    what, verb = ("comparison", "compare") if order.priors else ("recovery", "recover")
    call = f"{what} = priorkit.{verb}({', '.join(given)})"
    if len(call) > WIDTH:
        call = f"{what} = priorkit.{verb}(\n    " + ",\n    ".join(given) + ",\n)"
    return f"import priorkit\n\n{call}\n{what}.save('priorkit-again')"


def _numbers(value: Any) -> bool:
    """Whether it is a list that a command line says as several numbers in a row."""
    several = isinstance(value, list) and len(value) > 1
    return several and all(type(each) in (int, float) for each in value)


def _word(value: Any) -> str:
    """One word that is read back as the value: text as it is where JSON doesn't read it."""
    if isinstance(value, str) and read(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
