"""``priorkit recover FOLDER --engine …``: a folder in parts, by many processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from priorkit.cli.console import err, escape, logged, out, show_json, show_table
from priorkit.cli.words import said_here
from priorkit.counted import counted

if TYPE_CHECKING:
    from priorkit.studies.results import Results

__all__ = ["recover_folder"]

SHOWN = 20  # reasons of pictures that failed


def recover_folder(
    image: str | None, *, place: Path, resume: bool, as_json: bool, **settings: Any
) -> None:
    """Run :func:`priorkit.recover_folder`, and show how it goes and ends."""
    from priorkit.cli.filling import Filling
    from priorkit.io.manifest import PARTS
    from priorkit.studies.folder import recover_folder as run
    from priorkit.studies.plan import TABLE

    shown = Filling(quiet=as_json)
    with shown, logged():
        found = run(image, out=place, resume=resume, progress=shown, **settings)
    if as_json:
        show_json(found.rows)
    else:
        _show(found)
        runs = f", and in {PARTS} a saved run for each part" * (len(found.failed) < len(found.rows))
        out.print(f"Wrote {escape(place)}: {TABLE}{runs}.", soft_wrap=True)
    if found.interrupted:
        hint = f"To continue: the same with --resume --out {escape(place)}"
        err.print(f"Interrupted: what is finished was kept. {hint}", soft_wrap=True)
        raise typer.Exit(130)
    if found.failed:
        others = (
            "the others are done" if len(found.failed) < len(found.rows) else "there are no others"
        )
        err.print(f"{counted(len(found.failed), 'pictures')} failed; {others}.")
        raise typer.Exit(1)


def _show(found: Results) -> None:
    from priorkit.studies.cell import FAILED

    failed = found.failed
    done = [row for row in found.rows if row["status"] != FAILED]
    head, cells = ["pictures", "failed"], [str(len(done)), str(len(failed))]
    for name, word, form in (("psnr", "mean PSNR (dB)", ".2f"), ("ssim", "mean SSIM", ".3f")):
        values = [row[name] for row in done if row.get(name) is not None]
        head += [word] * bool(values)
        cells += [format(sum(values) / len(values), form)] if values else []
    show_table(head, [cells])
    if failed:
        out.print(f"Left out, {len(failed)} of {counted(len(found.rows), 'files')}:")
    for row in failed[:SHOWN]:
        named = "" if row["image"] in row["reason"] else f"{row['image']}: "
        out.print(escape(named + said_here(row["reason"])), soft_wrap=True)
