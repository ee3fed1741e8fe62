"""Commands whose options are settings of a run, of a component, or of a trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from priorkit.cli.completion import Offer, OpenCommand, names
from priorkit.cli.inspect import settings_of_a_run, type_name
from priorkit.cli.known import known_options
from priorkit.cli.words import components, split
from priorkit.errors import PriorkitError
from priorkit.registry import COMPONENTS, Entry, registry

__all__ = ["ComponentCommand", "SettingsCommand", "TrainerCommand"]

DECLARED = ("prior", "op", "image", "y")  # by the commands themselves
DEVICES = "cpu|cuda|mps|TEXT"
OWN = {"ms": Offer("INTEGER …"), "seconds": Offer("NUMBER")}  # of a comparison


class SettingsCommand(OpenCommand):
    """Takes the settings of a run, and the options of the components that it chooses; its help ends
    with the settings, read when help is asked for."""

    def format_help(self, *args: Any) -> None:
        from rich.markup import escape

        self.epilog = escape(settings_of_a_run())
        super().format_help(*args)

    def offers(self, context: typer.Context, *, begun: bool) -> dict[str, Offer]:
        """Settings first. Where nobody names a solver, a penalty or a start, the prior chooses one,
        which isn't known here: options of all are offered once a name is begun."""
        from priorkit.settings.config import COMPONENTS, RunConfig

        found = {
            name: Offer(
                DEVICES if name == "device" else type_name(field.annotation),
                kind=COMPONENTS.get(name),
            )
            for name, field in RunConfig.model_fields.items()
            if name not in DECLARED
        }
        found |= OWN if self.name == "compare" else {}
        for entry in _chosen(_given(context), begun=begun):
            for name, offer in known_options(entry).items():
                found.setdefault(name, offer)
        return found


class ComponentCommand(OpenCommand):
    """Takes the options of the component that it names."""

    def offers(self, context: typer.Context, *, begun: bool) -> dict[str, Offer]:
        """Those of all kinds that have the name."""
        name, kind = context.params.get("name"), context.params.get("kind")
        kinds = [each for each in COMPONENTS if kind in (None, each)]
        entries = [registry().find(each, name) for each in kinds] if name else []
        found = {"shape": Offer("INTEGER …")}
        for entry in entries:
            found |= known_options(entry) if entry is not None else {}
        return found


class TrainerCommand(OpenCommand):
    """Takes the options of the trainer that it names."""

    def offers(self, context: typer.Context, *, begun: bool) -> dict[str, Offer]:
        """Those of the trainer, which is the first word."""
        entry = registry().find("trainer", context.args[0]) if context.args else None
        return {} if entry is None else known_options(entry)

    def positional(self, context: typer.Context, incomplete: str) -> list[str]:
        """The names of trainers."""
        return [] if context.args else names("trainer")(incomplete)


def _given(context: typer.Context) -> dict[str, Any]:
    """The settings on the line so far, over those of its config file; what can't be read is left
    out."""
    from priorkit.settings.files import from_file

    args = list(context.args)
    if args and args[-1].startswith("--") and "=" not in args[-1]:
        args.pop()  # its value is what is being typed
    said: dict[str, Any] = {}
    try:
        if context.params.get("config"):
            said |= from_file(context.params["config"])
        said |= split(args)[1]
    except PriorkitError:
        pass
    said |= components(prior=context.params.get("prior"), op=context.params.get("op"))
    if priors := context.params.get("priors"):
        said["prior"] = [name.strip() for name in priors.split(",")]
    return said


def _chosen(said: Mapping[str, Any], *, begun: bool) -> Iterator[Entry]:
    """The components that are named, and those that may be taken where none is."""
    from priorkit.settings.config import COMPONENTS

    for key, kind in COMPONENTS.items():
        spec = said.get(key)
        if spec is not None:
            for part in spec if isinstance(spec, list) else _parts(spec):
                name = part.get("name") if isinstance(part, Mapping) else str(part)
                entry = registry().find(kind, name) if isinstance(name, str) else None
                if entry is not None:
                    yield entry
        elif kind in ("prior", "operator", "noise"):
            try:
                yield registry().fallback(kind)
            except PriorkitError:
                continue
            other = registry().any_size(kind)
            if other is not None:
                yield other
        elif begun:
            yield from registry().entries(kind)


def _parts(spec: Any) -> list[Any]:
    """A component as it is written: names separated by commas, or a table."""
    return [spec] if isinstance(spec, Mapping) else [part.strip() for part in str(spec).split(",")]
