"""``priorkit list``, ``show`` and ``plugins``: the components, their options, the plugins."""

from __future__ import annotations

import inspect
import os
import types
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from rich.table import Table

from priorkit.cli.completion import names
from priorkit.cli.console import JsonFlag, err, escape, out, show_json
from priorkit.cli.words import typed
from priorkit.errors import PriorkitError, UnknownNameError
from priorkit.registry import KINDS, Entry, registry

__all__ = ["describe", "list_", "options_told", "plugins", "show", "type_name"]


def list_(as_json: JsonFlag = False) -> None:
    """List the components by kind."""
    entries = {kind: registry().entries(kind) for kind in KINDS}
    if as_json:
        show_json({kind: [_head(e) for e in found] for kind, found in entries.items()})
        return
    table = Table("kind", "name", "aliases", "plugin", box=None, pad_edge=False)
    for kind, found in entries.items():
        for e in found:
            name = f"[bold]{e.name}[/bold]"
            table.add_row(kind, name, ", ".join(e.aliases), escape(e.plugin))
        table.add_section()
    out.print(table)
    failed = [p.name for p in registry().plugins if p.failures]
    if failed:
        err.print(f"Plugins with problems: {escape(', '.join(failed))}. Run: priorkit plugins")


def _head(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "aliases": list(entry.aliases), "plugin": entry.plugin}


NameArgument = Annotated[str, typer.Argument(autocompletion=names(*KINDS))]


def show(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Explain a component: what it is, its options, and the card of its weights."""
    found = describe(name)
    if as_json:
        show_json(found)
        return
    for item in found:
        head = f"[bold]{item['kind']} {escape(item['name'])}[/bold]"
        out.print(f"{head}  from plugin {escape(item['plugin'])}")
        out.print(f"[dim]{escape(item['python'])}[/dim]")
        out.print(escape(item["doc"]), soft_wrap=True)
        for option in item["options"]:
            words = [f"  --{option['name'].replace('_', '-')} {option['type']}"]
            if option["default"] == "required":
                words.append("required")
            elif option["default"] not in (None, "", [], ()):
                words.append(f"default: {typed(option['default'])}")
            words.append(option.get("help", ""))
            out.print(escape("  ".join(filter(None, words))), soft_wrap=True)
        for problem in item["problems"]:
            out.print(escape(f"  {problem}"), soft_wrap=True)
        for key, value in item["card"].items():
            out.print(f"  {escape(key)}: {escape(value)}")
        out.print()


def plugins(as_json: JsonFlag = False) -> None:
    """List the plugins, what each registered, and what went wrong."""
    found = registry().plugins
    if as_json:
        show_json([asdict(p) for p in found])
    else:
        for plugin in found:
            version = escape(f"{plugin.distribution} {plugin.version}")
            registered = ", ".join(plugin.names) or "—"
            out.print(f"[bold]{escape(plugin.name)}[/bold]  {version}: {registered}")
            for failure in plugin.failures:
                out.print(f"  [red]failed[/red] {escape(failure)}", soft_wrap=True)
    if any(p.failures for p in found):
        raise typer.Exit(1)


_WORDS = {int: "INTEGER", float: "NUMBER", bool: "true|false", str: "TEXT"}


def describe(name: str) -> list[dict[str, Any]]:
    """One table per kind in which ``name`` is registered: doc, options, card of its weights.

    Raises UnknownNameError where no kind has it.
    """
    from priorkit.settings.select import from_weights

    found = [registry().find(kind, name) for kind in KINDS]
    found = found if any(found) else [from_weights(name)]
    if not any(found):
        known = [e.name for kind in KINDS for e in registry().entries(kind)]
        raise UnknownNameError.nearest(f"Unknown name {name!r}.", name, known, "Run: priorkit list")
    return [_describe(entry) for entry in found if entry is not None]


def settings_of_a_run() -> str:
    """The settings that ``recover``, ``compare`` and ``audit`` take, for their help."""
    from priorkit.settings.config import RunConfig

    given = {"image", "y", "prior", "op"}
    told = [
        f"--{name.replace('_', '-')} {type_name(field.annotation)}"
        for name, field in RunConfig.model_fields.items()
        if name not in given
    ]
    components = "and the options of the chosen components: priorkit show NAME"
    return f"Settings of a run: {', '.join(told)}; {components}"


def _describe(entry: Entry) -> dict[str, Any]:
    from priorkit.io import weights

    target = _target(entry)
    card: dict[str, Any] = {}
    if "weights" in entry.preset:
        try:
            card = weights.read(entry.preset["weights"]).card.model_dump(exclude={"training"})
        except PriorkitError as error:
            card = {"problem": str(error)}
    return {
        "kind": entry.kind,
        **_head(entry),
        "python": f"from {target.__module__} import {target.__name__}",
        "doc": inspect.getdoc(target) or "",
        "options": options_told(entry),
        "problems": _problems(entry, target),
        "card": card,
    }


def options_told(entry: Entry) -> list[dict[str, Any]]:
    """A table per option of a component: its name, what to write for its value, its default, and
    of a trainer's options a help; not of those whose names are settings of a run. Imports the
    component; raises PluginError where it can't be, or isn't of its kind."""
    from priorkit.settings.config import of_runs
    from priorkit.settings.options import option_fields
    from priorkit.training.run import options_of

    target = _target(entry)
    if entry.kind == "trainer":
        return [option | {"type": type_name(option["type"])} for option in options_of(target)]
    options: list[dict[str, Any]] = []
    for name, field in option_fields(target).items():
        if name not in entry.preset and not of_runs(entry.kind, name):
            default = "required" if field.is_required() else field.default
            words = [*(field.examples or ()), type_name(field.annotation)]
            kind = "|".join(dict.fromkeys("|".join(words).split("|")))
            options.append({"name": name, "type": kind, "default": default})
    return options


def _target(entry: Entry) -> Any:
    """The class of a component, or the function of a trainer. Raises PluginError."""
    from priorkit.settings.select import class_of

    return entry.load() if entry.kind == "trainer" else class_of(entry)


def _problems(entry: Entry, target: Any) -> list[str]:
    """What its author will want to know of the options of a component, a line each."""
    from priorkit.settings.config import of_runs
    from priorkit.settings.options import option_fields

    if entry.kind == "trainer":
        return []
    said = get_type_hints(target.__init__)
    return [
        f"{name} is a setting of the run: the {entry.kind} gets it from a table alone"
        if of_runs(entry.kind, name)
        else f"{name} has no type: its values aren't checked"
        for name in option_fields(target)
        if name not in entry.preset and (of_runs(entry.kind, name) or name not in said)
    ]


def type_name(annotation: Any) -> str:
    """What to write for a value: NUMBER, PATH, or the words to choose from."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(inner[0])
    if origin is Literal:
        return "|".join(map(str, inner))
    if origin in (Union, types.UnionType):
        words = dict.fromkeys(type_name(part) for part in inner if part is not type(None))
        return "|".join(words)
    if origin in (list, tuple):
        return f"{type_name(inner[0])} …" if inner else "VALUE …"
    if origin is os.PathLike or annotation in (Path, os.PathLike):
        return "PATH"
    return _WORDS.get(annotation, "VALUE")
