"""A page for every component, from its docstring, its options and the card of its weights."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from priorkit.cli.inspect import describe
from priorkit.registry import KINDS, registry

__all__ = ["page", "write"]


def write(folder: Path) -> list[Path]:
    """Write index.md and KIND-NAME.md of all that is registered; the pages written."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    written = []
    for kind in KINDS:
        for entry in registry().entries(kind):
            (item,) = (found for found in describe(entry.name) if found["kind"] == kind)
            path = folder / f"{kind}-{entry.name}.md"
            path.write_text(page(item), encoding="utf-8")
            written.append(path)
    names = "\n".join(path.stem for path in written)
    head = "# Components\n\nWhat `priorkit list` lists, and `priorkit show NAME` shows.\n\n"
    index = f"{head}```{{toctree}}\n:maxdepth: 1\n\n{names}\n```\n"
    (folder / "index.md").write_text(index, encoding="utf-8")
    return written


def page(item: dict[str, Any]) -> str:
    """The page of one component."""
    also = (
        f" Also called {', '.join(f'`{a}`' for a in item['aliases'])}." if item["aliases"] else ""
    )
    parts = [
        f"# {item['kind']} {item['name']}",
        f"From plugin `{item['plugin']}`.{also}",
        f"```text\n{inspect.cleandoc(item['doc'])}\n```",
    ]
    if item["options"]:
        rows = ["| option | value | default | |", "|---|---|---|---|"]
        for option in item["options"]:
            name = option["name"].replace("_", "-")
            default = "" if option["default"] is None else f"`{option['default']}`"
            value = str(option["type"]).replace("|", "\\|")
            rows.append(f"| `--{name}` | {value} | {default} | {option.get('help', '')} |")
        parts += ["## Options", "\n".join(rows)]
    if item["card"]:
        rows = [f"| {key} | `{value}` |" for key, value in item["card"].items()]
        parts += ["## Weights", "\n".join(["| | |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"
