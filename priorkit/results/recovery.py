"""What came back of a run, and the ways to look at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from priorkit.counted import counted
from priorkit.draw.tiles import png, tile
from priorkit.errors import BadInputError, PluginError
from priorkit.io.folders import replacing
from priorkit.results import page, record, views
from priorkit.results.folder import write
from priorkit.results.notebook import fragment
from priorkit.results.recovered import Recovered
from priorkit.run.run import Outcome, Task
from priorkit.settings.called import called_as

__all__ = ["Recovery", "RunError"]


class Recovery(Recovered):
    """What came back: its attributes are those of
    :class:`~priorkit.results.recovered.Recovered`."""

    def __init__(self, outcome: Outcome, task: Task) -> None:
        super().__init__(outcome, task)
        self.record = record.make(outcome, self)

    @called_as('recovery.save("results")')
    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything of a run into a folder, all of it or nothing.

        The files: ``images/NAME.png``, the recoveries as they are shown (NAME made a possible file
        name); beside it ``NAME.tiff``, of spectra all bands and of volumes all slices, as pages of
        float32, and where ``range`` was given of every picture, in the user's units, and of a file
        of an instrument ``NAME`` in its format; ``grid.png``; ``report.html``; ``config.toml``,
        which starts a run with the same inputs and settings; ``trace.json``; ``y.npy``, ``x.npy``,
        and where there are any ``z.npy``, ``truth.npy``, ``start.npy`` and, of draws,
        ``samples.npy`` and of two and more ``spread.npy``; ``record.json``; and ``manifest.json``,
        a list of these. An earlier run in the folder is replaced in one step, with a warning; files
        that others added to it stay.
        Raises BadInputError where the folder can't be written, or holds files and isn't priorkit's.
        """
        place, digests = Path(folder), dict[str, str]()
        with replacing(place, digests, cut=self.interrupted) as stage:
            digests |= write(self, stage, place.resolve())
        return place

    def grid(self) -> Any:
        """A PIL image: one row per image with truth, measurement, recovery, error."""
        return views.grid(views.rows_of(self))

    def plot(self) -> Any:
        """The same as a figure of matplotlib, drawn where it is called in a notebook."""
        from priorkit.draw.figure import pictures

        return pictures([[shown[1:3] for shown in row] for row in views.rows_of(self)]).drawn()

    def _repr_png_(self) -> bytes:
        return png(self.grid())

    def _repr_html_(self) -> str:
        return fragment(self)

    @called_as('recovery.report("report.html")')
    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write a self-contained HTML page."""
        return page.write(self, Path(path), rows=views.rows_of(self))

    @called_as("recovery.image(0)")
    def image(self, i: int = 0) -> Any:
        """Recovered image ``i``, counted from 0, or with a number below it from the last, as a PIL
        image, as it is shown. Raises BadInputError where there is none of that number."""
        if not -len(self.x) <= i < len(self.x):
            counts = counted(len(self.x), "images")
            raise BadInputError(f"There is no image {i}: the run has {counts}.", try_="image(0)")
        return tile(views.inside(self, self.x[i]), self.kind)


class RunError(PluginError):
    """A component that failed while a run was on; ``recovery`` is what was done until then."""

    exit_code = 1

    def __init__(self, what: str, *, recovery: Recovery, try_: str | None = None) -> None:
        super().__init__(what, try_=try_)
        self.recovery = recovery
