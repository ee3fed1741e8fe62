"""Write the keywords of ``recover`` as types, from the components that priorkit registers.

    python docs/settings.py

Writes priorkit/settings/keywords.pyi, so that an editor completes them and mypy refuses a keyword
or a value that can't be. Options of other plugins are given in a table, {"name": …, option: …}.
"""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

os.environ["PRIORKIT_PLUGINS"] = ""  # first-party ones

from priorkit.registry import registry
from priorkit.settings.config import COMPONENTS, RunConfig
from priorkit.settings.options import option_fields
from priorkit.settings.select import class_of

TARGET = Path(__file__).parents[1] / "priorkit" / "settings" / "keywords.pyi"
HEAD = """\
# Made by docs/settings.py, not by hand.

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

__all__ = ["Settings", "Shared"]

Component = object  # a name, a path to weights, a table {"name": …, options}, or the component
"""


def main() -> None:
    """Write the module."""
    TARGET.write_text(written(), encoding="utf-8")
    print(f"Wrote {TARGET.name}")


def written() -> str:
    """The text of the module, formatted."""
    run = {
        name: words(field.annotation)
        for name, field in RunConfig.model_fields.items()
        if name not in (*COMPONENTS, "image", "y")
    }
    run |= dict.fromkeys(sorted(set(COMPONENTS) - {"prior", "op"}), "Component")
    run["shape"] = "Sequence[int] | None"
    run["gamma"] = "Sequence[float] | " + run["gamma"]  # of several penalties
    text = HEAD + _typed("Shared", "what a run and its measurement can be told", run | options())
    both = {"prior": "Component", "op": "Component"}
    text += _typed("Settings", "the same, and the two that are compared or chosen", both, "Shared")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-", "--stdin-filename", str(TARGET)],
        input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def options() -> dict[str, str]:
    """The options of every component, by name; where several have one, of any of their types."""
    found: dict[str, set[str]] = {}
    for kind in ("prior", "operator", "noise", "penalty", "solver", "start"):
        for entry in registry().entries(kind):
            for name, field in option_fields(class_of(entry)).items():
                if name not in entry.preset and name not in RunConfig.model_fields:
                    found.setdefault(name, set()).add(words(field.annotation))
    return {
        name: "Any" if "Any" in kinds else _united(" | ".join(sorted(kinds)).split(" | "))
        for name, kinds in sorted(found.items())
    }


def _united(parts: Iterable[str]) -> str:
    """A union, None last: equal unions share one order, that of whichever was made first."""
    return " | ".join(dict.fromkeys(sorted(parts, key="None".__eq__)))


def words(annotation: Any) -> str:
    """A type as it is written."""
    if get_origin(annotation) is Annotated:
        return words(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [words(part) for part in get_args(annotation)]
        return "Any" if "Any" in parts else _united(parts)
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(repr(value) for value in get_args(annotation))}]"
    if get_origin(annotation) in (list, tuple):
        inner = dict.fromkeys(words(part) for part in get_args(annotation) if part is not ...)
        return f"Sequence[{' | '.join(inner)}]"
    if annotation is type(None):
        return "None"
    if annotation in (int, float, bool, str):
        return str(annotation.__name__)
    return "Any"


def _typed(name: str, doc: str, keys: dict[str, str], base: str = "TypedDict") -> str:
    lines = "".join(f"    {key}: {kind}\n" for key, kind in keys.items())
    ending = ", total=False"
    return f'\n\nclass {name}({base}{ending}):\n    """Keywords: {doc}."""\n\n{lines}'


if __name__ == "__main__":
    main()
