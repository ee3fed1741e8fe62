"""The options of components, kept from one press of Tab to the next.

To know them a component is imported, which takes seconds; a shell can wait for a tenth of one. What
was found is in ``options.json`` of the cache, and holds while the files of the plugin are as they
were. Where the cache can't be written, Tab is slow, and nothing else.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import priorkit
from priorkit.cli.completion import Offer
from priorkit.cli.inspect import options_told
from priorkit.errors import PriorkitError
from priorkit.io.files import write_atomic
from priorkit.registry import Entry

__all__ = ["known_options"]


def known_options(entry: Entry) -> dict[str, Offer]:
    """The options of a component by name; none of one that can't be imported."""
    kept = _kept()
    key, mark = str(entry), _mark(entry)
    if kept.get(key, {}).get("mark") != mark:
        try:
            told = options_told(entry)
        except PriorkitError:
            return {}
        options = {
            option["name"].replace("-", "_"): [option["type"], _default(option["default"])]
            for option in told
        }
        kept[key] = {"mark": mark, "options": options}
        with suppress(OSError, PriorkitError):
            write_atomic(_file(), json.dumps(kept).encode())
    return {
        name: Offer(kind, default=default, of=key)
        for name, (kind, default) in kept[key]["options"].items()
    }


def _default(value: Any) -> str | None:
    """A default as it would be written; None where there is none to write."""
    if value is None or value == "required":
        return None
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) or None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file() -> Path:
    from priorkit.io.hub import cache_dir  # with what reads weights, which few commands need

    return cache_dir() / "options.json"


def _kept() -> dict[str, Any]:
    """What was found before; nothing where the file isn't there or isn't what was written."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    tables = list(found.values()) if isinstance(found, dict) else [None]
    usable = all(isinstance(t, dict) and set(t) == {"mark", "options"} for t in tables)
    return dict(found) if usable else {}


def _mark(entry: Entry) -> str:
    """What changes with the code of a component: the version of priorkit, and the number of the
    modules of its package and when the last of them was written."""
    target = entry.target
    module = target.partition(":")[0] if isinstance(target, str) else target.__module__
    times = [0]
    with suppress(ImportError, ValueError, AttributeError, OSError):
        spec = find_spec(module.partition(".")[0])
        roots = list(spec.submodule_search_locations or ()) if spec else []
        files = [item for root in roots for item in os.scandir(root) if item.name.endswith(".py")]
        times = [item.stat().st_mtime_ns for item in files] or [0]
        if spec and not roots and spec.origin:
            times = [Path(spec.origin).stat().st_mtime_ns]
    return f"{priorkit.__version__} {module} {len(times)} {max(times)} {sorted(entry.preset)}"
