"""The application and its exit codes.

0 done, 1 a run that diverged or that a component ended, a file that was left out, or
(priorkit plugins) a plugin that failed, 2 bad input or a component that can't be imported, 130
Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape as unmarked
from typer._click.exceptions import UsageError  # typer has no public name for it
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command, get_command_name

from priorkit import __version__
from priorkit.cli import streams
from priorkit.cli.app import app_
from priorkit.cli.audit import audit
from priorkit.cli.compare import compare
from priorkit.cli.console import err, escape, out
from priorkit.cli.doctor import doctor
from priorkit.cli.guide import guide
from priorkit.cli.inspect import list_, plugins, show
from priorkit.cli.offers import ComponentCommand, SettingsCommand, TrainerCommand
from priorkit.cli.plugin import check, new_plugin, stubs
from priorkit.cli.recover import recover, replay
from priorkit.cli.reproduce import reproduce
from priorkit.cli.shells import adapt
from priorkit.cli.sweep import sweep
from priorkit.cli.train import train
from priorkit.errors import PluginError, PriorkitError
from priorkit.registry import registry

__all__ = ["application", "run"]

# Settings belong to components that plugins bring, so these commands take any --name.
_OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}
_NAMED = "[--NAME VALUE …]"


def application() -> typer.Typer:
    """All commands: ours, and those of plugins that neither fail nor take a name that is taken."""
    app = typer.Typer(
        name="priorkit",
        help="Recover images from few, noisy or missing measurements.",
        add_completion=True,
        pretty_exceptions_enable=False,
        cls=_Group,
    )
    for function, synopsis in (
        (recover, "[IMAGE]"),
        (compare, "[IMAGE] --priors A,B …"),
        (audit, "GROUP=FOLDER … --priors A,B …"),
    ):
        words = f"{synopsis} {_NAMED}"
        app.command(context_settings=_OPEN, options_metavar=words, cls=SettingsCommand)(function)
    plain = (guide, replay, sweep, reproduce, list_, show, plugins, doctor, app_, new_plugin, stubs)
    for command in plain:
        app.command(name=get_command_name(command.__name__.removesuffix("_")))(command)
    words = f"[--kind KIND] {_NAMED}"
    app.command(context_settings=_OPEN, options_metavar=words, cls=ComponentCommand)(check)
    words = "NAME --data PATH --out FOLDER …"
    app.command(context_settings=_OPEN, options_metavar=words, cls=TrainerCommand)(train)
    app.callback(invoke_without_command=True)(_root)
    taken = {_name(command) for command in app.registered_commands}
    for status, own in registry().commands(typer.Typer):
        for command in own.registered_commands:
            try:
                _require_usable(command, taken)
            except Exception as error:
                said = f"register_commands: {error}"
                if said not in status.failures:
                    status.failures.append(said)
            else:
                taken.add(_name(command))
                app.registered_commands.append(command)
    return app


class _Group(TyperGroup):
    """Commands whose help is shown as it is written: ``[grid]`` is a word, not markup."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Not said is False. As None, which typer has, it goes through pydantic, whose import takes
        # as long as all of ``priorkit list``.
        own = dict.fromkeys(("help", "install_completion", "show_completion"), False)
        each = {name: {"help": False} for name in self.commands}
        self.context_settings["default_map"] = own | each
        rich = self.rich_markup_mode == "rich"
        for command in self.commands.values() if rich else ():
            for told in (command, *command.params):
                for name in ("help", "short_help", "epilog"):
                    if text := getattr(told, name, None):
                        setattr(told, name, unmarked(text))

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run, or say what Tab completes."""
        adapt()
        return super().main(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Ctrl-C goes on as an Abort: of its own class typer would end without a
        word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        out.print(f"priorkit {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _require_usable(command: typer.models.CommandInfo, taken: set[str]) -> None:
    """Raise for a command whose name is taken, or whose options can't be used."""
    if _name(command) in taken:
        raise PluginError(f"the command {_name(command)!r} is already there")
    alone = typer.Typer()
    alone.registered_commands = [command]
    get_command(alone)


def _name(command: typer.models.CommandInfo) -> str:
    function = command.callback
    return command.name or (get_command_name(function.__name__) if function else "")


def run() -> None:
    """Run the command line: errors become one line, and the process ends with an exit code."""
    with streams.safe():
        code = _code()
        error = streams.flush()
        if error is not None and not isinstance(error, BrokenPipeError):
            err.print(f"[red]error:[/red] stdout can't be written: {escape(error)}")
            code = code or 2
            streams.flush()
    sys.exit(code)


def _code() -> int:
    try:
        code: object = application()(standalone_mode=False, prog_name="priorkit")
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        err.print("Interrupted.")
        return 130
    except (PriorkitError, TyperException, OSError) as error:  # OSError: stdout can't be written
        said = _of_parser(error) if isinstance(error, TyperException) else str(error)
        err.print(f"[red]error:[/red] {escape(said)}", soft_wrap=True)
        return error.exit_code if isinstance(error, PriorkitError) else 2


def _of_parser(error: TyperException) -> str:
    """What the parser of the command line refuses: of which option, what it got, and the help of
    the command that it is of."""
    said, command = error.format_message(), "priorkit"
    if isinstance(error, UsageError) and error.ctx is not None:
        command = error.ctx.command_path
    if isinstance(error, typer.BadParameter) and error.param is not None:
        from pydantic import ValidationError  # by which the parser reads values

        if isinstance(error.__cause__, ValidationError):
            from priorkit.settings.refused import describe_errors

            said = describe_errors(error.__cause__, error.param.opts[0])
    stop = "" if said.endswith((".", "?", "!")) else "."
    return f"{said}{stop} Run: {command} --help"
