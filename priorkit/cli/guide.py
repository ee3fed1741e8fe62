"""``priorkit guide``: asks what was measured, and prints the command that recovers it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table

from priorkit.cli.advice import (
    MEASURED,
    NOISE,
    QUESTIONS,
    SHOWS,
    Choice,
    advice,
    offered,
    require_fitting,
)
from priorkit.cli.completion import among
from priorkit.cli.console import JsonFlag, err, escape, out, show_json
from priorkit.errors import BadInputError, did_you_mean

__all__ = ["guide"]


def _among(choices: Mapping[str, Choice]) -> str:
    return ", ".join(choices)


def guide(
    measured: Annotated[
        str | None, typer.Option(help=_among(MEASURED), autocompletion=among(*MEASURED))
    ] = None,
    noise: Annotated[
        str | None, typer.Option(help=_among(NOISE), autocompletion=among(*NOISE))
    ] = None,
    shows: Annotated[
        str | None, typer.Option(help=_among(SHOWS), autocompletion=among(*SHOWS))
    ] = None,
    file: Annotated[str | None, typer.Option(help="of the measurements")] = None,
    sigma: Annotated[float | None, typer.Option(min=0.0, help="of the noise, if known")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask what was measured, and print the command that recovers it, with a word on why.

    What is said by options isn't asked, and answers that don't go with it aren't offered. Nothing
    is run.
    """
    said = {"measured": measured, "noise": noise, "shows": shows}
    if sigma is not None and noise is None:
        said["noise"] = "known"
    given = {key: answer for key, answer in said.items() if answer is not None}
    answers = _sound(given, ask=sys.stdin.isatty() and not as_json)
    for key in said:
        if key not in answers:
            answers[key] = _asked(key, offered(key, answers))
    found = advice(**{key: answers[key] for key in said}, file=file, sigma=sigma)
    if as_json:
        show_json({"command": found.command, "why": found.why})
        return
    out.print(f"[bold]{escape(found.command)}[/bold]", soft_wrap=True, highlight=False)
    for reason in found.why:
        out.print(f"  {escape(reason)}", soft_wrap=True, highlight=False)


def _sound(said: Mapping[str, str], *, ask: bool) -> dict[str, str]:
    """What was said without what isn't an answer, or doesn't go with those before it; raises what
    is wrong where nobody can be asked again, else says it."""
    sound = dict(said)
    for key in said:
        try:
            require_fitting(key, sound)
        except BadInputError as error:
            if not ask:
                raise
            err.print(escape(error), soft_wrap=True, highlight=False)
            del sound[key]
    return sound


def _asked(key: str, names: list[str]) -> str:
    """One of the answers with these names from the terminal, by name or number; the only one
    without asking. Raises BadInputError where there is no terminal."""
    question, choices = QUESTIONS[key]
    if len(names) == 1:
        return names[0]
    if not sys.stdin.isatty():
        raise BadInputError(f"{question} There is no terminal to ask at.",
                            try_=f"--{key} {'|'.join(names)}")  # fmt: skip
    table = Table.grid(padding=(0, 2, 0, 0))
    for number, name in enumerate(names, 1):
        table.add_row(f"  {number}", name, escape(choices[name].about))
    err.print(f"[bold]{question}[/bold]")
    err.print(table, highlight=False)
    while True:
        said = str(typer.prompt("Number or name", err=True)).strip()
        if said.isdecimal() and 0 < int(said) <= len(names):
            return names[int(said) - 1]
        if said in names:
            return said
        near = did_you_mean(said, names)
        err.print(f"A number from 1 to {len(names)}, or a name. {near}".rstrip())
