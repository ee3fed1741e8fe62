"""The command line: a thin skin over the same functions.

Exit codes: 0 done, 1 a run that diverged or (priorkit plugins) a plugin that failed, 2 bad input
or a component that can't be imported, 130 Ctrl-C.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.exceptions import TyperException

from priorkit import __version__
from priorkit.errors import BadInputError, PriorkitError
from priorkit.registry import KINDS, registry

__all__ = ["app", "main"]

app = typer.Typer(
    name="priorkit",
    help="Recover images from few, noisy or missing measurements.",
    add_completion=False,
    rich_markup_mode="rich",
)
out = Console()
err = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="machine-readable output")]


def main() -> None:
    """Entry point: errors become one line and an exit code."""
    registry().call_commands(app)
    try:
        code = app(standalone_mode=False)
    except (PriorkitError, TyperException) as error:
        hint = "" if isinstance(error, PriorkitError) else " Run: priorkit --help"
        err.print(f"[red]error:[/red] {_escape(error)}{hint}", soft_wrap=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        out.print(f"priorkit {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


# Settings belong to components that plugins bring, so these two commands take any --name.
_OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=_OPEN, options_metavar="[IMAGE] [--NAME VALUE …]")
def recover(
    context: typer.Context,
    prior: Annotated[str | None, typer.Option(help="name, or path to weights")] = None,
    op: Annotated[str | None, typer.Option(help="operator")] = None,
    y: Annotated[
        str | None, typer.Option("--y", help="real measurements: a .npy file, or a picture")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="settings from a TOML file")] = None,
    save: Annotated[Path | None, typer.Option("--out", help="folder for the results")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recover pictures, from simulated measurements of them or from real ones.

    IMAGE is a picture file or a folder of them; without it, the sample photograph.
    Every setting of [bold]priorkit.recover[/bold] is an option too: --m 500 --gamma 0.1
    --penalty l2 --space pixel --sigma 0.1 --seed 3 --budget 200 …
    See [bold]priorkit show NAME[/bold] for the options of a component.
    """
    from priorkit.files import require_writable
    from priorkit.recovery import recover as run

    positional, settings = _split(context.args)
    if len(positional) > 1:
        raise BadInputError("One picture or folder at a time.", got=" ".join(positional))
    image = positional[0] if positional else None
    tables = {"prior": prior, "op": op}  # a name, or a table as JSON
    settings |= {k: _value(v) for k, v in tables.items() if v is not None}
    settings |= {"y": y} if y is not None else {}
    folder = save or Path("priorkit-out")
    require_writable(folder)
    with _Progress(quiet=as_json) as progress:
        result = run(image, config=config, progress=progress, **settings)
    result.save(folder)
    _show_result(result, folder, as_json)


@app.command(context_settings=_OPEN, options_metavar="[IMAGE] --priors A,B … [--NAME VALUE …]")
def compare(
    context: typer.Context,
    priors: Annotated[str, typer.Option(help="names, separated by commas")],
    op: Annotated[str | None, typer.Option(help="operator")] = None,
    save: Annotated[Path | None, typer.Option("--out", help="folder for the results")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recover the same measurements with several priors, and see who wins.

    --ms 500 1000 2500 compares at several numbers of measurements. Other settings of the
    measurement are options too: --sigma 0.1 --mask random --seed 3 …
    """
    from priorkit.comparison import compare as run
    from priorkit.files import require_writable

    positional, settings = _split(context.args)
    if len(positional) > 1:
        raise BadInputError("One picture or folder at a time.", got=" ".join(positional))
    settings |= {"op": _value(op)} if op is not None else {}
    if isinstance(settings.get("ms"), int):
        settings["ms"] = [settings["ms"]]
    folder = save or Path("priorkit-out")
    require_writable(folder)
    names = [name.strip() for name in priors.split(",") if name.strip()]
    with _Progress(quiet=as_json) as progress:
        result = run(
            positional[0] if positional else None,
            priors=names,
            progress=lambda label, now, done: progress(now, done, label),
            **settings,
        )
    result.save(folder)
    if as_json:
        print(json.dumps(result.table()))
    else:
        _comparison_table(result)
        out.print(f"Wrote {folder}: grid.png, curve.svg, report.html, results.json …")
    if result.interrupted:
        err.print("Interrupted: what was done is kept.")
        raise typer.Exit(130)


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="folder of a saved run")],
    as_json: JsonFlag = False,
) -> None:
    """Repeat a saved run from its stored measurements and compare the results."""
    import numpy as np

    from priorkit.records import read
    from priorkit.recovery import replay as run

    before = read(folder).x
    with _Progress(quiet=as_json) as progress:
        result = run(folder, progress=progress)
    difference = float(np.abs(result.x.cpu().numpy() - before).max())
    if as_json:
        print(json.dumps(result.record | {"largest_difference": difference}))
    else:
        _table_of(result)
        out.print(f"Largest difference of a pixel from the saved result: {difference:.2e}")
    _exit_code(result)


@app.command(name="list")
def list_(as_json: JsonFlag = False) -> None:
    """List the components by kind."""
    entries = {kind: registry().entries(kind) for kind in KINDS}
    if as_json:
        rows = {
            kind: [{"name": e.name, "aliases": list(e.aliases), "plugin": e.plugin} for e in found]
            for kind, found in entries.items()
        }
        print(json.dumps(rows))
        return
    table = Table(box=None, pad_edge=False)
    for head in ("kind", "name", "aliases", "plugin"):
        table.add_column(head)
    for kind, found in entries.items():
        for entry in found:
            table.add_row(
                kind, f"[bold]{entry.name}[/bold]", ", ".join(entry.aliases), entry.plugin
            )
        table.add_section()
    out.print(table)
    failed = [p.name for p in registry().plugins if p.failures]
    if failed:
        err.print(f"Plugins with problems: {', '.join(failed)}. Run: priorkit plugins")


@app.command()
def show(name: str, as_json: JsonFlag = False) -> None:
    """Explain a component: what it is, its options, and the card of its weights."""
    from priorkit.describe import describe

    found = describe(name)
    if as_json:
        print(json.dumps(found, default=str))
        return
    for item in found:
        out.print(f"[bold]{item['kind']} {item['name']}[/bold]  from plugin {item['plugin']}")
        out.print(_escape(item["doc"]))
        for option in item["options"]:
            out.print(
                f"  --{option['name']}  {_escape(option['type'])}  "
                f"default: {_escape(option['default'])}"
            )
        for key, value in item["card"].items():
            out.print(f"  {key}: {_escape(value)}")
        out.print()


@app.command()
def plugins(as_json: JsonFlag = False) -> None:
    """List the plugins, what each registered, and what went wrong."""
    found = registry().plugins
    if as_json:
        print(json.dumps([vars(p) for p in found]))
    else:
        for plugin in found:
            version = f"{plugin.distribution} {plugin.version}"
            out.print(f"[bold]{plugin.name}[/bold]  {version}: {', '.join(plugin.names) or '—'}")
            for failure in plugin.failures:
                out.print(f"  [red]failed[/red] {_escape(failure)}", soft_wrap=True)
    if any(p.failures for p in found):
        raise typer.Exit(1)


@app.command(context_settings=_OPEN, options_metavar="NAME --data PATH --out FOLDER …")
def train(context: typer.Context) -> None:
    """Train the weights of a prior. Continues where it stopped when given again.

    NAME is a trainer, see [bold]priorkit list[/bold].
    --data FOLDER_OR_ZIP and --out FOLDER are required; [bold]priorkit show NAME[/bold] lists
    the other options.
    """
    from priorkit.training import run_trainer

    positional, options = _split(context.args)
    if len(positional) != 1:
        raise BadInputError(
            "Say which trainer, one name.", got=" ".join(positional) or None, try_="priorkit list"
        )
    with _TrainingBar() as bar:
        path = run_trainer(positional[0], options, bar)
    if path is None:
        out.print("Stopped before the end; the same command continues.")
    else:
        out.print(f"Wrote {path} and its card.")


def _split(args: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Positional arguments, and ``--name value`` pairs; several numbers in a row are a list.

    Values are read as JSON where they can be, else as text.
    """
    positional: list[str] = []
    options: dict[str, Any] = {}
    i = 0
    while i < len(args):
        word = args[i]
        i += 1
        if not (word.startswith("--") and len(word) > 2):
            positional.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if equals:
            values = [_value(value)]
        elif i < len(args) and not args[i].startswith("--"):
            values = [_value(args[i])]
            i += 1
            while i < len(args) and _is_number(values[0]) and _is_number(_value(args[i])):
                values.append(_value(args[i]))
                i += 1
        else:
            raise BadInputError(f"The option --{name} needs a value.")
        options[name.replace("-", "_")] = values[0] if len(values) == 1 else values
    return positional, options


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show_result(result: Any, folder: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.record | {"folder": str(folder)}))
    else:
        _table_of(result)
        out.print(f"Wrote {folder}: grid.png, report.html, record.json …")
    _exit_code(result)


def _exit_code(result: Any) -> None:
    """Leave with 130 after Ctrl-C, with 1 where an image diverged."""
    if result.interrupted:
        err.print("Interrupted: the best so far was kept.")
        raise typer.Exit(130)
    if "diverged" in result.status:
        err.print("Some images diverged; their best iterates were kept.")
        raise typer.Exit(1)


def _table_of(result: Any) -> None:
    images = result.record["images"]
    heads = [k for k in ("psnr", "ssim", "misfit") if k in images[0]]
    table = Table(box=None, pad_edge=False)
    table.add_column("image")
    for head in [*heads, "evaluations", "status"]:
        table.add_column(head.upper() if head in ("psnr", "ssim") else head, justify="right")
    for image in images[:40]:
        numbers = ["—" if image[k] is None else f"{image[k]:.4g}" for k in heads]
        table.add_row(image["name"], *numbers, str(image["evaluations"]), image["status"])
    out.print(table)
    psnr = result.psnr
    mean = f"mean PSNR [bold]{float(psnr.mean()):.2f} dB[/bold], " if psnr is not None else ""
    out.print(f"{mean}{result.seconds:.1f} s for {len(images)} image(s)")


def _comparison_table(result: Any) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("prior")
    for head in ("m", "PSNR", "of restarts", "SSIM", "evaluations", "seconds", "PSNR at T"):
        table.add_column(head, justify="right")
    for row in result.table():
        m = str(row["m"] or "")
        if "reason" in row:
            table.add_row(row["prior"], m, "—")
            continue
        at = "—" if row["psnr_at"] is None else f"{row['psnr_at']:.2f}"
        numbers = [f"{row['psnr']:.2f}", f"{row['mean_psnr']:.2f}", f"{row['ssim']:.3f}"]
        numbers += [f"{row['evaluations']:.0f}", f"{row['seconds']:.1f}", at]
        table.add_row(row["prior"], m, *numbers)
    out.print(table)
    for m, seconds in result.seconds.items():
        of = "" if m is None else f" for m = {m}"
        out.print(f"T{of} is {seconds:.1f} s, when the fastest was done or as asked for.")
    for row in result.rows:
        if row.reason is not None:
            out.print(f"{row.label}: {_escape(row.reason)}", soft_wrap=True)


def _escape(text: Any) -> str:
    from rich.markup import escape

    return escape(str(text))


class _Progress:
    """A bar over evaluations; callable as the ``progress`` of ``recover``."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.bar = Progress(
            TextColumn("recovering"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=err,
            disable=quiet or not err.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task("", total=None, note="")

    def __enter__(self) -> _Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, now: Any, done: int, label: str = "") -> None:
        count = int(now.evaluations.max())
        misfit = float(now.misfit.median())
        before = f"{label}: " if label else ""
        before += f"image {done + 1}…, " if done else ""
        self.bar.update(self.task, note=f"{before}{count} evaluations, misfit {misfit:.3g}")


class _TrainingBar:
    """A bar over training steps; callable as a trainer's ``progress``."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self.bar = Progress(*columns, TimeRemainingColumn(), console=err)
        self.task: Any = None

    def __enter__(self) -> _TrainingBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.task is not None:
            self.bar.stop()

    def __call__(self, step: int, total: int, message: str) -> None:
        if self.task is None:
            self.bar.start()
            self.task = self.bar.add_task("", total=total)
        if message.endswith("\n"):
            self.bar.console.print(f"{step}/{total}  {message.rstrip()}")
        self.bar.update(self.task, completed=step, total=total, description=message.rstrip())


if __name__ == "__main__":
    main()
