"""What came back of a comparison: rows, their numbers, and the same as a table."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from priorkit.counted import counted
from priorkit.draw.svg import standalone
from priorkit.draw.tiles import png
from priorkit.interfaces import Shape
from priorkit.io.files import write_atomic
from priorkit.io.folders import replacing
from priorkit.io.pictures import dimensions
from priorkit.results import gallery, tally
from priorkit.results.board import Board
from priorkit.results.contender import Contender, apart, places
from priorkit.results.folder import write
from priorkit.settings.called import called_as

__all__ = ["Comparison"]


@dataclass(repr=False)
class Comparison:
    """Rows by growing m, then in the order of the priors. All saw the same images, A and noise.

    ``truth`` are the images in [0, 1]; None of measurements, whose truth nobody knows. ``seconds``
    is T per m: what was asked for, or what the slowest took; empty without a truth. ``skipped`` are
    files of a folder that were left out, with the reason.
    """

    rows: list[Contender]
    truth: Tensor | None
    names: list[str]
    seconds: dict[int | None, float]
    interrupted: bool = False
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = sorted(self.rows, key=lambda row: row.m or 0)

    def __repr__(self) -> str:
        priors = ", ".join(dict.fromkeys(row.label for row in self.rows))
        on, rows = self._counted, counted(len(self.rows), "rows")
        return f"<Comparison: {priors} on {on}, {rows}>"

    @property
    def _counted(self) -> str:
        return counted(len(self.names), "images" if self.truth is not None else "measurements")

    @property
    def shape(self) -> Shape | None:
        """Of an image; None where it isn't known and nothing was recovered."""
        found = gallery.first_of(self.rows)
        x = self.truth if found is None else found.x
        return None if x is None else tuple(x.shape[1:])

    @cached_property
    def apart(self) -> Tensor | None:
        """How far the recoveries of one y are apart, the standard deviation across priors at every
        value of the images, (B, *shape) in the user's units. None where there are several m, or
        fewer than two priors are finished."""
        return apart(self.rows) if len({row.m for row in self.rows}) == 1 else None

    @cached_property
    def _differ(self) -> gallery.Maps | None:
        """The same as pictures, where nobody knows the truth."""
        return gallery.maps(self.rows, self.apart) if self.truth is None else None

    def table(self) -> list[dict[str, Any]]:
        """A dict per row: means over the images, or the reason. Without a truth there is no PSNR,
        SSIM or error, but the misfit and what noise alone gives, ``noise``."""
        return [tally.summary(row, self.seconds.get(row.m, math.nan)) for row in self.rows]

    def cells(self) -> tally.Cells:
        """The table as text: a head, and a row of as many cells per prior and m.

        The mean PSNR of restarts is shown where there are any, and without a truth only what
        somebody knows.
        """
        return tally.cells(self.table(), known=self.truth is not None)

    def brief(self) -> tuple[tally.Cells, list[str]]:
        """The same for a narrow place: without columns that say nothing, and in words what all rows
        have in common."""
        return tally.brief(*self.cells())

    def summary(self) -> str:
        """What was compared, and how the numbers are to be read."""
        shape = "" if self.shape is None else f" of {dimensions(self.shape)}"
        if self.truth is not None:
            said = f"{self._counted}{shape}, one A and one noise for all priors."
            found = gallery.first_of(self.rows)
            if found is None or found.psnr is None:
                return said
            return (
                f"{said} “PSNR at T” is what each had reached when the slowest was done, or at the "
                "time asked for."
            )
        said = (
            f"{self._counted}, images{shape}, one A for all priors. Nobody knows the truth: "
            "the misfit is known, beside what noise alone would give, and how far the priors are "
            "apart."
        )
        differ, found = self.apart, gallery.first_of(self.rows)
        if differ is None or found is None:
            return said
        size = f"{float(differ.square().mean().sqrt()):.3g}"
        size += f" in {found.units.bounds}" if found.kind.bounded else ""
        return (
            f"{said} That is {size}, the root mean square of the standard deviation across "
            "them: where they disagree, the measurement doesn't decide."
        )

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
        """A PIL image: the truth or what was measured, then a row of images per prior and m; of
        measurements also where the priors disagree."""
        return gallery.pictures(self.rows, self.truth, self._differ)

    def plot(self) -> Any:
        """The same as a figure of matplotlib, drawn where it is called in a notebook."""
        from priorkit.draw.figure import pictures

        clear = gallery.pictures(self.rows, self.truth, self._differ, clear=True)
        return pictures([[("", clear)]], side=8.0).drawn()

    def _repr_png_(self) -> bytes:
        return png(self.grid())

    def _repr_html_(self) -> str:
        return self._board().fragment()

    @called_as('comparison.save("results")')
    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write grid.png, curve.svg, report.html, results.json and each recovery's folder."""
        place, digests = Path(folder), dict[str, str]()
        with replacing(place, digests, cut=self.interrupted) as stage:
            digests |= self.write(stage, place.resolve())
        return place

    def write(self, folder: Path, place: Path) -> dict[str, str]:
        """The same into a new ``folder``; the configs in it have the paths of ``place``, its final
        one. The sha256 of its arrays, by their names there."""
        digests: dict[str, str] = {}
        for row, part in zip(self.rows, places(self.rows), strict=True):
            if row.recovery is not None:
                own = write(row.recovery, folder / part, place / part)
                digests |= {f"{part}/{name}": digest for name, digest in own.items()}
        drawn = gallery.curve(self.rows, known=self.truth is not None)
        write_atomic(folder / "grid.png", png(self.grid()))
        write_atomic(folder / "curve.svg", standalone(drawn))
        write_atomic(folder / "report.html", self._board().page())
        rows = json.dumps(self.table(), indent=2, allow_nan=False)
        write_atomic(folder / "results.json", rows.encode())
        return digests

    def _board(self) -> Board:
        notes = [*self.reasons(), *self.skipped.values()]
        return Board(self.rows, self.truth, self._differ, self.summary(), self.cells(), notes)
