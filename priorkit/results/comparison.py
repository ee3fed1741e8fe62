"""What came back of a comparison: rows, their numbers, and the same as a table."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from priorkit.draw.html import embedded, table
from priorkit.draw.tiles import png
from priorkit.io.files import write_atomic
from priorkit.io.folders import replacing
from priorkit.io.saved import number
from priorkit.results import gallery
from priorkit.results.contender import Contender

__all__ = ["Comparison"]

# What a column of numbers is called, its key in the table, and how it is written.
COLUMNS = (
    ("PSNR", "psnr", ".2f"),
    ("expected", "expected_psnr", ".2f"),
    ("of restarts", "mean_psnr", ".2f"),
    ("SSIM", "ssim", ".3f"),
    ("error", "error", ".2e"),
    ("evaluations", "evaluations", ".0f"),
    ("seconds", "seconds", ".1f"),
    ("PSNR at T", "psnr_at", ".2f"),
    ("T", "equal_seconds", ".1f"),
)


@dataclass(repr=False)
class Comparison:
    """Rows by growing m, then in the order of the priors. All saw the same images, A and noise.

    ``seconds`` is T per m: what was asked for, or what the slowest took. ``skipped`` are files
    of a folder that were left out, with the reason.
    """

    rows: list[Contender]
    truth: Tensor
    names: list[str]
    seconds: dict[int | None, float]
    interrupted: bool = False
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = sorted(self.rows, key=lambda row: row.m or 0)

    def __repr__(self) -> str:
        priors = ", ".join(dict.fromkeys(row.label for row in self.rows))
        return f"<Comparison: {priors} on {len(self.truth)} image(s), {len(self.rows)} rows>"

    def table(self) -> list[dict[str, Any]]:
        """A dict per row: means over the images, or the reason."""
        return [_summary(row, self.seconds.get(row.m, math.nan)) for row in self.rows]

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The table as text: a head, and a row of as many cells per prior and m.

        The mean PSNR of restarts is shown where there are any.
        """
        rows, table = [], self.table()
        several = any(row.get("mean_psnr") != row.get("psnr") for row in table)
        columns = [column for column in COLUMNS if several or column[1] != "mean_psnr"]
        for row in table:
            label = row["prior"] + (" (interrupted)" if row["status"] == "interrupted" else "")
            values = [(row.get(key), form) for _, key, form in columns]
            cells = ["—" if value is None else format(value, form) for value, form in values]
            if "reason" in row:
                cells = ["—", *[""] * (len(cells) - 1)]
            rows.append([label, "" if row["m"] is None else str(row["m"]), *cells])
        return ["prior", "m", *(head for head, _, _ in columns)], rows

    def reasons(self) -> list[str]:
        """A line for each row that has no result."""
        return [
            f"{row.label}{'' if row.m is None else f', m = {row.m}'}: {row.reason}"
            for row in self.rows
            if row.reason is not None
        ]

    def markdown(self) -> str:
        """The table. "PSNR at T" is what was reached when the slowest was done, or as asked."""
        head, rows = self.cells()
        lines = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
        lines.insert(1, ["---"] * len(head))
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n".join([text, *(f"\n{reason}" for reason in self.reasons())])

    def grid(self) -> Any:
        """A PIL image: the truth, then a row of images per prior and m."""
        return gallery.pictures(self.rows, self.truth)

    def plot(self) -> Any:
        """The same as a figure of matplotlib, drawn where it is called in a notebook."""
        from priorkit.draw.figure import pictures

        return pictures([[("", self.grid())]], side=8.0).drawn()

    def _repr_png_(self) -> bytes:
        return png(self.grid())

    def _repr_html_(self) -> str:
        return table(*self.cells()) + embedded(self.grid(), gallery.ALT, "max-width:100%")

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write grid.png, curve.svg, report.html, results.json and each recovery's folder."""
        place, digests = Path(folder), dict[str, str]()
        with replacing(place, digests) as stage:
            digests |= self.write(stage, place.resolve())
        return place

    def write(self, folder: Path, place: Path) -> dict[str, str]:
        """The same into a new ``folder``; the configs in it have the paths of ``place``, its final
        one. The sha256 of its arrays, by their names there."""
        digests = gallery.write_recoveries(self.rows, folder, place)
        notes = [*self.reasons(), *self.skipped.values()]
        gallery.write_page(self.rows, self.truth, self.cells(), notes, folder)
        rows = json.dumps(self.table(), indent=2, allow_nan=False)
        write_atomic(folder / "results.json", rows.encode())
        return digests


def _summary(row: Contender, equal: float) -> dict[str, Any]:
    status = "interrupted" if row.interrupted else "done"
    head: dict[str, Any] = {"prior": row.label, "m": row.m, "status": status}
    found = row.recovery
    if found is None or row.reason is not None:
        return head | {"status": "none" if found is None else "failed", "reason": row.reason}
    for name in ("psnr", "expected_psnr", "mean_psnr", "ssim", "error"):
        score = getattr(found, name)
        head[name] = None if score is None else number(score.mean())
    reached = None if math.isnan(equal) else row.psnr_at(equal)
    return head | {
        "evaluations": sum(found.evaluations) / len(found.evaluations),
        "seconds": number(row.seconds),
        "psnr_at": None if reached is None else number(reached),
        "equal_seconds": number(equal),
        "per_image": [] if found.psnr is None else [number(v) for v in found.psnr],
    }
