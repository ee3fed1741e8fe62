"""The types of keywords, written from the components that are registered.

priorkit comes with ``keywords.pyi`` of its own components. With those of other plugins it is
written beside priorkit as a stub package, which mypy and editors read in its stead.

Reference: PEP 561, "Distributing and packaging type information" (partial stub packages).
"""

from __future__ import annotations

import sysconfig
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from priorkit.io.files import write_atomic
from priorkit.settings.config import COMPONENTS, RunConfig
from priorkit.settings.options import option_fields
from priorkit.settings.select import classes

__all__ = ["write_stubs", "written"]

HEAD = """\
# Made by {made_by}, not by hand.

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

__all__ = ["Settings", "Shared"]

Component = object  # a name, a path to weights, a table {{"name": …, options}}, or the component
"""


def write_stubs(folder: Path | None = None) -> Path:
    """Write the stub package for all plugins that are installed into ``folder``, by default where
    this environment has its packages; the path of the stub. What can't be imported is left out.

    Raises BadInputError where the folder can't be written.
    """
    root = (folder or Path(sysconfig.get_path("purelib"))) / "priorkit-stubs"
    stub = root / "settings" / "keywords.pyi"
    write_atomic(stub, written("priorkit stubs").encode())
    write_atomic(root / "py.typed", b"partial\n")  # all other types are those of priorkit itself
    return stub


def written(made_by: str) -> str:
    """The text of the module."""
    run = {
        name: words(field.annotation)
        for name, field in RunConfig.model_fields.items()
        if name not in (*COMPONENTS, "image", "y")
    }
    run |= dict.fromkeys(sorted(set(COMPONENTS) - {"prior", "op"}), "Component")
    run["shape"] = "Sequence[int] | None"
    run["gamma"] = "Sequence[float] | " + run["gamma"]  # of several penalties
    text = HEAD.format(made_by=made_by)
    text += _typed("Shared", "what a run and its measurement can be told", run | options())
    both = {"prior": "Component", "op": "Component"}
    return text + _typed(
        "Settings", "the same, and the two that are compared or chosen", both, "Shared"
    )


def options() -> dict[str, str]:
    """The options of every component, by name; where several have one, of any of their types."""
    found: dict[str, set[str]] = {}
    for kind in COMPONENTS.values():
        for entry, component in classes(kind):
            for name, field in option_fields(component).items():
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
