"""The reference of what is public: signatures and docstrings, a page for each module."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["MODULES", "page", "write"]

# Names of a module that are public; None stands for all that it has in __all__.
MODULES: dict[str, tuple[str, ...] | None] = {
    "priorkit": None,
    "priorkit.hookspecs": ("Register", "hookimpl"),
    "priorkit.interfaces": None,
    "priorkit.errors": None,
    "priorkit.streams": None,
    "priorkit.linear": None,
    "priorkit.loop": ("iterate", "solve"),
    "priorkit.testing": None,
    "priorkit.io.weights": ("restore",),
    "priorkit.training.output": ("write_weights",),
    "priorkit.cuda": ("Accelerated", "kernels"),
}
INTRODUCTION = """\
# Reference

What is public: the functions that a user calls, and what authors of plugins import.
[Contributing](../CONTRIBUTING.md#what-a-version-promises) says what a version promises of it. The
options of components are on [their pages](../components/index.md).
"""


def write(folder: Path) -> list[Path]:
    """Write index.md and a page for each public module; the pages written."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    written = []
    for name in MODULES:
        path = folder / f"{name}.md"
        path.write_text(page(name), encoding="utf-8")
        written.append(path)
    names = "\n".join(path.stem for path in written)
    index = f"{INTRODUCTION}\n```{{toctree}}\n:maxdepth: 2\n\n{names}\n```\n"
    (folder / "index.md").write_text(index, encoding="utf-8")
    return written


def page(name: str) -> str:
    """The page of one module."""
    module = importlib.import_module(name)
    parts = [f"# {name}", _text(module.__doc__)]
    for public in MODULES[name] or module.__all__:
        parts += _described(public, getattr(module, public))
    return "\n\n".join(parts) + "\n"


def _described(name: str, thing: Any) -> Iterator[str]:
    """The heading, signature and docstring of a name, and those of the methods of a class."""
    yield f"## {name}"
    if not callable(thing) or not getattr(thing, "__doc__", None):
        yield f"`{name} = {_short(thing)}`"
        return
    bases = [b.__name__ for b in getattr(thing, "__bases__", ()) if b is not object]
    yield _code(name, thing) + (f"\n\nDerives from {', '.join(bases)}." if bases else "")
    yield _text(thing.__doc__)
    if not isinstance(thing, type):
        return
    for method, found in vars(thing).items():
        if method.startswith("_") or method in getattr(thing, "__dataclass_fields__", ()):
            continue
        call = found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
        if isinstance(call, (property, cached_property)):
            yield f"### {name}.{method}\n\nA property."
        elif inspect.isfunction(call):
            yield f"### {name}.{method}\n\n{_code(method, call)}"
        else:
            continue
        if call.__doc__:
            yield _text(call.__doc__)


def _code(name: str, thing: Any) -> str:
    try:
        signature = str(inspect.signature(thing))
    except (TypeError, ValueError):  # of what is built in
        signature = "(…)"
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)  # annotations are strings
    return f"```python\n{name}{plain}\n```"


def _text(doc: str | None) -> str:
    return f"```text\n{inspect.cleandoc(doc or '')}\n```"


def _short(thing: Any) -> str:
    return str(thing).replace("typing.", "").replace("torch._tensor.", "")
