"""A new plugin package, whose tests pass at once: what ``priorkit new-plugin`` writes.

Each module beside this one is a template, and real code under test; its class ``Example`` is
renamed in the new package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from priorkit.errors import BadInputError, UnknownNameError, did_you_mean
from priorkit.io.files import write_atomic
from priorkit.registry import COMPONENTS, KINDS

__all__ = ["write_plugin"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SHAPED = ("prior", "operator", "penalty")  # kinds whose check takes a shape

_PROJECT = Template("""\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "priorkit-$name"
version = "0.1.0"
description = "A plugin for priorkit"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["priorkit"]

[project.entry-points.priorkit]
$name = "$package"

[tool.setuptools]
packages = ["$package"]
""")
_HEAD = '''\
"""Names for priorkit. The classes are imported when they are first used."""

from priorkit import hookimpl
from priorkit.hookspecs import Register
'''
_HOOK = Template("""

@hookimpl
def $hook(register: Register) -> None:
    register("$name", "$package.$kind:$title")
""")
_TEST = Template('''\
"""The promises of a $kind: see priorkit.testing."""

from $package.$kind import $title

from priorkit.testing import check_$kind


def test_it_keeps_the_contract() -> None:
    check_$kind($title()$shape)
''')
_README = Template("""\
# priorkit-$name

A plugin for priorkit. Beside this file:

    pip install --editable .
    pytest
    priorkit check $name
""")


def write_plugin(name: str, kinds: Sequence[str], folder: Path) -> list[Path]:
    """Write a package with a component of each kind, all under one name; the paths written.

    Raises BadInputError for a name that no package can have, and a folder that exists;
    UnknownNameError for a kind that doesn't.
    """
    if not _NAME.fullmatch(name):
        raise BadInputError(
            "A plugin is named in small letters, digits and single hyphens.",
            got=repr(name),
            try_="priorkit new-plugin my-prior",
        )
    for kind in kinds:
        if kind not in COMPONENTS:
            several = kind.replace(",", " ").split()
            if len(several) > 1 and all(each in COMPONENTS for each in several):
                raise UnknownNameError(
                    f"There is no kind {kind!r}: a space is between two kinds.",
                    try_=f"priorkit new-plugin {name} {' '.join(several)}",
                )
            hint = did_you_mean(kind, COMPONENTS)
            raise UnknownNameError(f"There is no kind {kind!r}. {hint or ', '.join(COMPONENTS)}")
    if os.path.exists(folder):
        raise BadInputError(f"{folder} is there already.", try_="--out another folder")
    package = "priorkit_" + name.replace("-", "_")
    title = "".join(part.capitalize() for part in name.split("-"))
    words = {"name": name, "package": package, "title": title}
    kinds = list(dict.fromkeys(kinds))
    hooks = [_HOOK.substitute(words, kind=kind, hook=KINDS[kind]) for kind in kinds]
    texts = {
        "pyproject.toml": _PROJECT.substitute(words),
        "README.md": _README.substitute(words),
        f"{package}/__init__.py": _HEAD + "".join(hooks),
    }
    for kind in kinds:
        template = (files(__package__) / f"{kind}.py").read_text(encoding="utf-8")
        shape = ", shape=(3, 8, 8)" if kind in _SHAPED else ""
        texts[f"{package}/{kind}.py"] = re.sub(r"\bExample\b", title, template)
        texts[f"tests/test_{kind}.py"] = _TEST.substitute(words, kind=kind, shape=shape)
    for path, text in texts.items():
        write_atomic(folder / path, text.encode())
    return [folder / path for path in texts]
