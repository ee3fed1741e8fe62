"""``priorkit recover``, ``compare`` and ``replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from priorkit.cli.console import Bar, JsonFlag, err, escape, out, show_table
from priorkit.cli.words import split, value
from priorkit.errors import BadInputError

if TYPE_CHECKING:
    from priorkit.engine.result import Recovery

__all__ = ["compare", "recover", "replay"]

OutOption = Annotated[Path | None, typer.Option("--out", help="folder for the results")]


def recover(
    context: typer.Context,
    prior: Annotated[str | None, typer.Option(help="name, or path to weights")] = None,
    op: Annotated[str | None, typer.Option(help="operator")] = None,
    y: Annotated[
        str | None, typer.Option("--y", help="real measurements: a .npy file, or a picture")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="settings from a TOML file")] = None,
    save: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Recover pictures, from simulated measurements of them or from real ones.

    IMAGE is a picture file or a folder of them; without it, the sample photograph.
    Every setting of [bold]priorkit.recover[/bold] is an option too: --m 500 --gamma 0.1
    --penalty l2 --noise poisson --space pixel --sigma 0.1 --seed 3 --budget 200 …
    See [bold]priorkit show NAME[/bold] for the options of a component.
    """
    from priorkit.engine.recover import recover as run
    from priorkit.io.files import require_writable

    image, settings = _image(context.args)
    tables = {"prior": prior, "op": op}  # a name, or a table as JSON
    settings |= {k: value(v) for k, v in tables.items() if v is not None}
    settings |= {"y": y} if y is not None else {}
    folder = save or Path("priorkit-out")
    require_writable(folder)
    with Bar(quiet=as_json) as progress:
        result = run(image, config=config, progress=progress, **settings)
    result.save(folder)
    if as_json:
        print(json.dumps(result.record | {"folder": str(folder)}))
    else:
        _show(result)
        out.print(f"Wrote {folder}: grid.png, report.html, record.json …")
    _exit_code(result)


def compare(
    context: typer.Context,
    priors: Annotated[str, typer.Option(help="names, separated by commas")],
    op: Annotated[str | None, typer.Option(help="operator")] = None,
    save: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Recover the same measurements with several priors, and see who wins.

    --ms 500 1000 2500 compares at several numbers of measurements. Other settings of the
    measurement are options too: --sigma 0.1 --mask random --seed 3 …
    --seconds 10 also says what each had reached after that time.
    """
    from priorkit.engine.compare import compare as run
    from priorkit.io.files import require_writable
    from priorkit.io.pictures import dimensions

    image, settings = _image(context.args)
    settings |= {"op": value(op)} if op is not None else {}
    if isinstance(settings.get("ms"), int):
        settings["ms"] = [settings["ms"]]
    folder = save or Path("priorkit-out")
    require_writable(folder)
    names = [name.strip() for name in priors.split(",") if name.strip()]
    with Bar(quiet=as_json) as progress:
        result = run(
            image,
            priors=names,
            progress=lambda label, now, done: progress(now, done, label),
            **settings,
        )
    result.save(folder)
    if as_json:
        print(json.dumps(result.table(), allow_nan=False))
    else:
        show_table(*result.cells())
        shape = dimensions(result.truth.shape[1:])
        out.print(f"{len(result.truth)} image(s) of {shape}. At T the slowest was done, or asked.")
        for reason in result.reasons():
            out.print(escape(reason), soft_wrap=True)
        out.print(f"Wrote {folder}: grid.png, curve.svg, report.html, results.json …")
    if result.interrupted:
        err.print("Interrupted: what was done is kept.")
        raise typer.Exit(130)


def replay(
    folder: Annotated[Path, typer.Argument(help="folder of a saved run")],
    as_json: JsonFlag = False,
) -> None:
    """Repeat a saved run from its stored measurements and compare the results."""
    import numpy as np

    from priorkit.engine.recover import replay as run
    from priorkit.io.records import read

    before = read(folder).x
    with Bar(quiet=as_json) as progress:
        result = run(folder, progress=progress)
    difference = float(np.abs(result.x.cpu().numpy() - before).max())
    if as_json:
        print(json.dumps(result.record | {"largest_difference": difference}))
    else:
        _show(result)
        out.print(f"Largest difference of a pixel from the saved result: {difference:.2e}")
    _exit_code(result)


def _image(args: list[str]) -> tuple[str | None, dict[str, Any]]:
    """The picture or folder, and the other settings."""
    positional, settings = split(args)
    if len(positional) > 1:
        raise BadInputError("One picture or folder at a time.", got=" ".join(positional))
    return (positional[0] if positional else None), settings


def _show(result: Recovery) -> None:
    from priorkit.report.grid import summary

    images = result.record["images"]
    heads = [k for k in ("psnr", "ssim", "misfit") if k in images[0]]
    words = {"psnr": "PSNR", "ssim": "SSIM"}
    head = ["image", *(words.get(k, k) for k in heads), result.record["unit"], "status", "reason"]
    rows = []
    for image in images[:40]:
        numbers = ["—" if image[k] is None else f"{image[k]:.4g}" for k in heads]
        ends = [str(image["evaluations"]), image["status"], image["reason"]]
        rows.append([image["name"], *numbers, *ends])
    show_table(head, rows)
    out.print(escape(summary(result)), soft_wrap=True)


def _exit_code(result: Recovery) -> None:
    """Leave with 130 after Ctrl-C, with 1 where an image diverged or a file wasn't read."""
    if result.interrupted:
        err.print("Interrupted: the best so far was kept.")
        raise typer.Exit(130)
    if result.skipped:
        err.print(f"{len(result.skipped)} file(s) could not be read; the others are done.")
        raise typer.Exit(1)
    if "diverged" in result.status:
        err.print("Some images diverged; their best iterates were kept.")
        raise typer.Exit(1)
