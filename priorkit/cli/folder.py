"""``priorkit recover FOLDER --engine …``: a folder in parts, by many processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from priorkit.cli.console import err, escape, logged, out, show_json, show_table
from priorkit.cli.ending import left_out
from priorkit.cli.words import said_here
from priorkit.counted import counted

if TYPE_CHECKING:
    from priorkit.studies.cell import Row
    from priorkit.studies.results import Results

__all__ = ["recover_folder"]

SHOWN = 20  # reasons of pictures without a result


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
    if count := len(found.left_out) + len(found.failed):
        what = "not recovered" if found.failed else "left out"
        err.print(left_out(count, what, others=count < len(found.rows)))
        raise typer.Exit(1)


def _show(found: Results) -> None:
    from priorkit.io.together import said_once
    from priorkit.studies.cell import FAILED, LEFT_OUT

    gone = {"Left out": found.left_out, "Failed": found.failed}
    done = [row for row in found.rows if row["status"] not in (LEFT_OUT, FAILED)]
    head, cells = ["pictures"], [str(len(done))]
    for word, rows in gone.items():
        head += [word.lower()] * bool(rows)
        cells += [str(len(rows))] * bool(rows)
    for name, word, form in (("psnr", "mean PSNR (dB)", ".2f"), ("ssim", "mean SSIM", ".3f")):
        values = [row[name] for row in done if row.get(name) is not None]
        head += [word] * bool(values)
        cells += [format(sum(values) / len(values), form)] if values else []
    show_table(head, [cells])
    for word, rows in gone.items():
        if rows:
            out.print(f"{word}, {len(rows)} of {counted(len(found.rows), 'files')}:")
        for reason in said_once([(Path(row["image"]), _reason(row)) for row in rows])[:SHOWN]:
            out.print(escape(said_here(reason)), soft_wrap=True)


def _reason(row: Row) -> str:
    """The reason of a row, with the file that it is of."""
    named = "" if row["image"] in row["reason"] else f"{row['image']}: "
    return f"{named}{row['reason']}"
