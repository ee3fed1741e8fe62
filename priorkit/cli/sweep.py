"""``priorkit sweep``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table

from priorkit.cli.completion import among
from priorkit.cli.console import JsonFlag, err, escape, out, show_json, show_table
from priorkit.errors import BadInputError, PriorkitError

if TYPE_CHECKING:
    from priorkit.studies.results import Results

__all__ = ["Filling", "sweep"]

VALUES = ("psnr", "ssim", "error", "misfit", "objective", "evaluations", "seconds")
LINES = 30.0  # seconds between lines where there is no terminal to draw on


def _axes(context: typer.Context, incomplete: str) -> list[str]:
    """The axes of the study on the line that begin with what was typed, after a comma the last."""
    from priorkit.settings.config import from_file

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
    engine: Annotated[Literal["local", "dask"], typer.Option(help="of the processes")] = "local",
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
        str, typer.Option(help="column that is shown", autocompletion=among(*VALUES))
    ] = "psnr",
    as_json: JsonFlag = False,
) -> None:
    """Run a study: a grid over priors, operators, m, gamma, sigma, seeds, pictures …

    STUDY is a TOML file with the tables [settings], [grid] and [[variants]].
    Every run is kept as it ends: the same command continues an interrupted study, and runs
    what was added to it since.
    """
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
    found: Results, place: Path, across: str | None, by: str | None, value: str, *, draw: bool
) -> None:
    from priorkit.studies import report

    view = report.view(found.rows, across=across, by=by and by.split(","), value=value)
    show_table(*report.cells(found, view))
    for row in found.failed:
        out.print(f"{escape(row['label'])}: {escape(row['reason'])}", soft_wrap=True)
    out.print("Mean and 95% interval over pictures, or over the runs of a single one.")
    written = report.save(found, view, place) if draw else [place]
    out.print(f"Wrote {', '.join(escape(path) for path in written)}", soft_wrap=True)


class Filling(Live):
    """A table that fills while a study runs; callable as the ``progress`` of ``sweep``."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(console=err, refresh_per_second=4, transient=True)
        self.quiet, self.drawn = quiet, err.is_terminal and not quiet
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), Remaining())
        self.bar = Progress(*columns, console=err)
        self.task = self.bar.add_task("", total=None)
        self.runs: dict[str, list[list[dict[str, Any]]]] = {}
        self.said = time.monotonic()

    def start(self, refresh: bool = False) -> None:
        if self.drawn:
            super().start(refresh)

    def __call__(self, rows: list[dict[str, Any]], done: int, total: int) -> None:
        self.runs.setdefault(rows[0]["label"], []).append(rows)
        if self.drawn:
            self.bar.update(self.task, completed=done, total=total)
            self.update(Group(self._table(), self.bar))
        elif not self.quiet and time.monotonic() - self.said > LINES:
            self.said = time.monotonic()
            err.print(f"{done} of {total} runs")

    def _table(self) -> Table:
        table = Table("", "runs", "failed", "mean PSNR (dB)", "seconds per run", box=None)
        for label, runs in self.runs.items():
            psnrs = [row["psnr"] for rows in runs for row in rows if row.get("psnr") is not None]
            seconds = [sum(row.get("seconds", 0.0) for row in rows) for rows in runs]
            table.add_row(
                escape(label),
                str(len(runs)),
                str(sum(rows[0]["status"] == "failed" for rows in runs)),
                f"{sum(psnrs) / len(psnrs):.2f}" if psnrs else "—",
                f"{sum(seconds) / len(seconds):.2f}",
            )
        return table
