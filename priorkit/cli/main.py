"""The application and its exit codes.

0 done, 1 a run that diverged or (priorkit plugins) a plugin that failed, 2 bad input or a
component that can't be imported, 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from priorkit import __version__
from priorkit.cli.console import err, escape, out
from priorkit.cli.inspect import list_, plugins, show
from priorkit.cli.recover import compare, recover, replay
from priorkit.cli.train import train
from priorkit.errors import PriorkitError
from priorkit.registry import registry

__all__ = ["app", "main"]

app = typer.Typer(
    name="priorkit",
    help="Recover images from few, noisy or missing measurements.",
    add_completion=False,
    rich_markup_mode="rich",
)
# Settings belong to components that plugins bring, so these commands take any --name.
_OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}
_NAMED = "[--NAME VALUE …]"

app.command(context_settings=_OPEN, options_metavar=f"[IMAGE] {_NAMED}")(recover)
app.command(context_settings=_OPEN, options_metavar=f"[IMAGE] --priors A,B … {_NAMED}")(compare)
app.command()(replay)
app.command(name="list")(list_)
app.command()(show)
app.command()(plugins)
app.command(context_settings=_OPEN, options_metavar="NAME --data PATH --out FOLDER …")(train)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        out.print(f"priorkit {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Entry point: errors become one line and an exit code."""
    registry().call_commands(app)
    try:
        code = app(standalone_mode=False)
    except (PriorkitError, TyperException) as error:
        hint = "" if isinstance(error, PriorkitError) else " Run: priorkit --help"
        err.print(f"[red]error:[/red] {escape(error)}{hint}", soft_wrap=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)
