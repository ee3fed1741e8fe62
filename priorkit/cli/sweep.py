"""``priorkit sweep``."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from priorkit.cli.completion import among
from priorkit.cli.console import JsonFlag, err, escape, out, show_json, show_table
from priorkit.counted import counted
from priorkit.errors import BadInputError, PriorkitError
from priorkit.studies.columns import NUMBERS

if TYPE_CHECKING:
    from priorkit.studies.results import Results

__all__ = ["sweep"]

Engine = Literal["processes", "dask", "local"]  # as that of priorkit.studies, which loads too much
SHOWN = 20  # reasons why runs failed


def _axes(context: typer.Context, incomplete: str) -> list[str]:
    """The axes of the study on the line that begin with what was typed, after a comma the last."""
    from priorkit.settings.files import from_file

    before, comma, last = incomplete.rpartition(",")
    # Behind an option without its value, words stay unparsed.
    words = [context.params.get("study"), *context.args]
    studies = [word for word in words if word and str(word).endswith((".toml", ".json"))]
    try:
        grid = from_file(studies[0]).get("grid", {})
    except (PriorkitError, IndexError):
        return []
    found = ["label", *grid] if isinstance(grid, dict) else []
    return [before + comma + axis for axis in found if axis.startswith(last)]


def sweep(
    study: Annotated[Path, typer.Argument(help="a study, or with --summary its results")],
    save: Annotated[
        Path | None, typer.Option("--out", help="Parquet file; by default the study's name")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="processes; by default one per core")] = None,
    engine: Annotated[Engine, typer.Option(help="of the processes")] = "processes",
    scheduler: Annotated[str | None, typer.Option(help="address of Dask's scheduler")] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="run nothing: tables and plots of what is there")
    ] = False,
    across: Annotated[
        str | None, typer.Option(help="setting of the horizontal axis", autocompletion=_axes)
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="settings of a line, by commas", autocompletion=_axes)
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            help="column that is shown; by default psnr, or misfit", autocompletion=among(*NUMBERS)
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a study: a grid over priors, operators, m, gamma, sigma, seeds, pictures …

    STUDY is a TOML file with the tables [settings], [grid] and [[variants]].
    Every run is kept as it ends: the same command continues an interrupted study, and runs
    what was added to it since.
    """
    from priorkit.cli.filling import Filling
    from priorkit.studies.results import Results
    from priorkit.studies.study import Study
    from priorkit.studies.sweep import sweep as run

    place = save or Path(f"{study.stem}.parquet")
    if not summary:
        shown = Filling(quiet=as_json)
        with shown:
            found = run(
                study, out=place, jobs=jobs, engine=engine, scheduler=scheduler, progress=shown
            )
    elif study.suffix == ".parquet":
        found = Results.read(study)
        place = save or study
    elif os.path.exists(place):
        found = Results.read(place).of(Study.read(study).cells())
    else:
        raise BadInputError(f"There are no results {place} yet.", try_=f"priorkit sweep {study}")
    if as_json:
        show_json([{k: v for k, v in row.items() if k != "png"} for row in found.rows])
    else:
        _show(found, place, across, by, value, draw=summary)
    if found.interrupted:
        err.print("Interrupted: the same command continues.")
        raise typer.Exit(130)
    if found.failed:
        raise typer.Exit(1)


def _show(
    found: Results,
    place: Path,
    across: str | None,
    by: str | None,
    value: str | None,
    *,
    draw: bool,
) -> None:
    from priorkit.studies import report

    written = [place] if found.rows and not draw else []
    if len(found.failed) < len(found.rows):
        view = report.view(found.rows, across=across, by=by and by.split(","), value=value)
        show_table(*report.cells(found, view))
        out.print("Mean and 95% interval over pictures, or over the runs of a single one.")
        written = report.save(found, view, place) if draw else written
    reasons = Counter(f"{row['label']}: {row['reason']}" for row in found.failed)
    for reason, count in reasons.most_common(SHOWN):
        more = f" ({counted(count, 'runs')})" if count > 1 else ""
        out.print(f"{escape(reason)}{more}", soft_wrap=True)
    if len(reasons) > SHOWN:
        out.print(f"… and {len(reasons) - SHOWN} other reasons, in the column 'reason'.")
    if written:
        out.print(f"Wrote {', '.join(escape(path) for path in written)}", soft_wrap=True)
