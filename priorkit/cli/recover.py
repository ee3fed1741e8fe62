"""``priorkit recover`` and ``replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from priorkit.cli.completion import names
from priorkit.cli.console import Bar, JsonFlag, escape, out, show_json, show_table
from priorkit.cli.ending import FINISHED, is_saved, leave, results_folder, resumable, to_go_on
from priorkit.cli.words import components, split
from priorkit.errors import BadInputError

if TYPE_CHECKING:
    from priorkit.results.recovery import Recovery

__all__ = [
    "OpOption",
    "OutOption",
    "PriorsOption",
    "ResumeFlag",
    "YOption",
    "given",
    "listed",
    "recover",
    "replay",
]

OutOption = Annotated[
    Path | None, typer.Option("--out", help="folder for the results; by default a new one")
]
ResumeFlag = Annotated[
    bool, typer.Option("--resume", help="continue an interrupted run, given by its --out")
]
PriorsOption = Annotated[
    str, typer.Option(help="names, separated by commas", autocompletion=names("prior"))
]
OpOption = Annotated[str | None, typer.Option(help="operator", autocompletion=names("operator"))]
YOption = Annotated[
    str | None, typer.Option("--y", help="real measurements: a .npy file, or a picture")
]
PriorOption = Annotated[
    str | None, typer.Option(help="name, or path to weights", autocompletion=names("prior"))
]
SHOWN = 40  # images of a table


def recover(
    context: typer.Context,
    prior: PriorOption = None,
    op: OpOption = None,
    y: YOption = None,
    config: Annotated[Path | None, typer.Option(help="settings from a TOML file")] = None,
    save: OutOption = None,
    resume: ResumeFlag = False,
    engine: Annotated[
        Literal["processes", "dask"] | None,
        typer.Option(help="recover a folder in parts: by processes here, or those of a cluster"),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="address of Dask's scheduler")] = None,
    jobs: Annotated[int | None, typer.Option(help="processes of an engine")] = None,
    batch: Annotated[int | None, typer.Option(help="pictures in a part")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recover pictures, from simulated measurements of them or from real ones.

    IMAGE is a picture file or a folder of them; without it, the sample photograph. Where neither
    a prior nor an operator is named, the default ones are taken; the settings are printed.
    With --engine a folder of any size is recovered in parts, each of which is kept as it ends.

    Every setting of priorkit.recover is an option too: --m 500 --gamma 0.1
    --penalty l2 --noise poisson --space pixel --sigma 0.1 --seed 3 --budget 200 …
    See priorkit show NAME for the options of a component.
    """
    image, settings = given(context.args)
    settings |= components(prior=prior, op=op) | {"y": y}
    own: dict[str, Any] = {"scheduler": scheduler, "jobs": jobs, "batch": batch}
    if engine is not None:
        from priorkit.cli.folder import recover_folder

        if save is None and resume:
            raise BadInputError("Say which run is to go on.", try_="--out FOLDER")
        own |= settings | {"engine": engine, "config": config}
        with results_folder(save) as place:
            recover_folder(image, place=place, resume=resume, as_json=as_json, **own)
        return
    for name, value in own.items():
        if value is not None:
            raise BadInputError(f"--{name} is for an engine.", try_="--engine processes")
    named = save is not None or resume
    with Bar(quiet=as_json) as progress, resumable(save, resume) as folder:
        from priorkit.verbs.recover import recover as run

        result = run(image, config=config, out=folder, resume=resume, progress=progress, **settings)
    saved = is_saved(result, folder)
    if as_json:
        show_json(result.record | {"folder": str(folder)})
    else:
        _show(result)
    if saved and not as_json:
        out.print(f"Wrote {escape(folder)}: grid.png, report.html, record.json …", soft_wrap=True)
    hint = to_go_on(folder, named) if result.interrupted else ""
    _exit_recovered(result, "the best so far was kept" if saved else FINISHED, hint)


def listed(names: str) -> list[str]:
    """The names in a text that separates them by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]


def replay(
    folder: Annotated[Path, typer.Argument(help="folder of a saved run")],
    as_json: JsonFlag = False,
) -> None:
    """Repeat a saved run from its stored measurements and compare the results."""
    import numpy as np

    from priorkit.io.saved import read
    from priorkit.verbs.replay import repeated

    saved = read(folder)
    with Bar(quiet=as_json) as progress:
        result = repeated(saved, progress)
    difference = float(np.abs(result.x.cpu().numpy() - saved.x).max())
    if as_json:
        show_json(result.record | {"largest_difference": difference})
    else:
        _show(result)
        told = f"Largest difference of a pixel from the saved result: {difference:.2e}"
        if not result.units.plain:
            told += f", {difference / result.units.range.scale:.2e} of the range"
        out.print(told)
    _exit_recovered(result)


def given(args: list[str]) -> tuple[str | None, dict[str, Any]]:
    """The picture or folder, and the other settings."""
    positional, settings = split(args)
    if len(positional) > 1:
        raise BadInputError(
            "One picture or folder at a time.",
            got=" ".join(positional),
            try_="the folder that holds them, or a command for each",
        )
    return (positional[0] if positional else None), settings


def _show(result: Recovery) -> None:
    from priorkit.results.numbers import numbers
    from priorkit.results.views import summary

    show_table(*numbers(result, most=SHOWN, brief=True))
    for line in (summary(result), f"With {_chosen(result.record['config'])}."):
        out.print(escape(line), soft_wrap=True)


def _chosen(config: dict[str, Any]) -> str:
    """The settings of a run, whether given or chosen by default."""
    from priorkit.settings.config import COMPONENTS

    told = []
    for key in COMPONENTS:
        for table in config[key] if isinstance(config[key], list) else [config[key]]:
            options = ", ".join(f"{k}={v}" for k, v in table.items() if k != "name")
            told.append(f"{key} {table['name']}" + (f" ({options})" if options else ""))
    if config["averaging"] > 1:
        told.append(f"averaging {config['averaging']}")
    for name in ("range", "space", "gamma", "sigma", "noise_norm", "budget", "seed"):
        if name in config:
            given = config[name]
            told.append(f"{name} {given:g}" if isinstance(given, float) else f"{name} {given}")
    return ", ".join(told)


def _exit_recovered(result: Recovery, kept: str = "", hint: str = "") -> None:
    diverged = "diverged" in result.status
    said = "Some images diverged; their best iterates were kept." if diverged else ""
    leave(result, kept or "nothing was written", said, hint)
