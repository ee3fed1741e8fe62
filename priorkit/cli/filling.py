"""A table that fills while a study or a folder runs. Only a command that shows one imports it."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table

from priorkit.cli.console import err, escape
from priorkit.counted import counted

__all__ = ["Filling"]

LINES = 30.0  # seconds between lines where there is no terminal to draw on


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
            err.print(f"{done} of {counted(total, 'runs')}")

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
