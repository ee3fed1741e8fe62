"""What a shell completes when Tab is pressed: registered names, and --NAME VALUE of a command that
takes any, by the protocol of typer for bash, zsh and fish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import typer
from typer._click.shell_completion import CompletionItem  # typer has no public name for it
from typer.core import TyperCommand

from priorkit.cli.words import said_here
from priorkit.counted import a_or_an
from priorkit.errors import PriorkitError
from priorkit.registry import registry

__all__ = ["Offer", "OpenCommand", "among", "names"]

PLACEHOLDERS = ("INTEGER", "NUMBER", "TEXT", "PATH", "VALUE")


def names(*kinds: str) -> Callable[[str], list[str]]:
    """The registered names of some kinds that begin with what was typed; after a comma, the last
    of several."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        found = {entry.name for kind in kinds for entry in registry().entries(kind)}
        return [before + comma + name for name in sorted(found) if name.startswith(last)]

    return complete


def among(*words: str) -> Callable[[str], list[str]]:
    """Of some words those that begin with what was typed."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


@dataclass(frozen=True)
class Offer:
    """What may be written after an option: ``type``, placeholders and words separated by "|", as
    ``priorkit show`` has it; the registered names of a ``kind``; or its ``default``."""

    type: str = "VALUE"
    kind: str | None = None
    default: str | None = None
    of: str = ""

    @property
    def help(self) -> str:
        """What is shown beside the name of the option."""
        told = [f"name of {a_or_an(self.kind)}" if self.kind else self.type]
        told += [f"default {self.default}"] if self.default is not None else []
        return ", ".join([*told, *([f"of {self.of}"] if self.of else [])])

    def values(self, incomplete: str) -> list[str]:
        """The values that begin with what was typed. None where a file is meant: then the shell
        completes its name."""
        if self.kind is not None:
            return names(self.kind)(incomplete)
        parts = self.type.split("|")
        words = [word for word in parts if word.removesuffix(" …") not in PLACEHOLDERS]
        if not words and self.default is not None and "PATH" not in parts:
            words = [self.default]
        return [word for word in words if word.startswith(incomplete)]


class OpenCommand(TyperCommand, ABC):
    """A command that takes any ``--NAME VALUE``, completes those that it knows of, and says what an
    error advises in these words."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run it. Raises what the library does, settings in its words being options."""
        try:
            return super().invoke(ctx)
        except PriorkitError as error:
            declared = [f"--{option.name}" for option in self.params]
            error.args = (said_here(str(error), *declared, *ctx.args),)
            raise

    @abstractmethod
    def offers(self, context: typer.Context, *, begun: bool) -> dict[str, Offer]:
        """The options by name, for what is on the line so far; ``begun``: whether something of the
        name is typed, so that rarer ones are asked for."""

    def positional(self, context: typer.Context, incomplete: str) -> list[str]:
        """What may stand there without an option: nothing, so that the shell completes files."""
        return []

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> list[CompletionItem]:  # type: ignore[override]
        """The options that begin with what was typed, or the values of the one before it."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            typed = incomplete.lstrip("-").replace("_", "-")
            said = set(_said(ctx.args))
            offered = self.offers(ctx, begun=bool(typed))
            more = {
                name.replace("_", "-"): offer for name, offer in offered.items() if name not in said
            }
            return found + [
                CompletionItem(f"--{name}", help=offer.help)
                for name, offer in more.items()
                if name.startswith(typed) and f"--{name}" not in {item.value for item in found}
            ]
        last = ctx.args[-1] if ctx.args else ""
        if _is_option(last) and "=" not in last:
            offer = self.offers(ctx, begun=True).get(_name(last))
            values = [] if offer is None else offer.values(incomplete)
            return [CompletionItem(value) for value in values]
        return found + [CompletionItem(word) for word in self.positional(ctx, incomplete)]


def _is_option(word: str) -> bool:
    return word.startswith("--") and len(word) > 2


def _name(word: str) -> str:
    return word[2:].partition("=")[0].replace("-", "_")


def _said(args: Iterable[str]) -> list[str]:
    """The names of the options that are on the line already."""
    return [_name(word) for word in args if _is_option(word)]
