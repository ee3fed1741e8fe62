"""The terminal: tables, bars, and messages on stderr."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.markup import escape as _escape
from rich.table import Table

from priorkit.cli.words import said_here

__all__ = [
    "Bar",
    "JsonFlag",
    "TrainingBar",
    "err",
    "escape",
    "logged",
    "out",
    "show_json",
    "show_table",
]

out = Console(emoji=False)  # ":x:" in the name of a file is no picture
err = Console(stderr=True, emoji=False)

UNBOUNDED = 1_000_000  # columns of a pipe or a file, for which rich would assume 80
for stream in (out, err):
    if not stream.is_terminal:
        stream.width = UNBOUNDED

GAP = 2  # between the columns of a table
WORD = 12  # the length beyond which a word may be folded
NUMBER = re.compile(r"(?:[-+]?\d[\d.,e+-]*(?: ± [\d.e+-]+)?|nan|inf|—)?")

JsonFlag = Annotated[bool, typer.Option("--json", help="machine-readable output")]


def escape(text: Any) -> str:
    """Text without markup, and without control characters."""
    return _escape("".join(c if c.isprintable() or c in "\n\t" else "?" for c in str(text)))


def show_json(found: Any) -> None:
    """A result for machines, alone on stdout."""
    print(json.dumps(found, default=str))


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of plain text, numbers to the right of the first column.

    Where a terminal is too narrow, heads and words are folded, but numbers aren't; where that
    isn't enough, each row is a line of "head cell, head cell …".
    """
    columns = list(zip(head, *rows, strict=True))
    widths = [_narrowest(*column) for column in columns]
    spare = out.width - sum(widths) - GAP * (len(widths) - 1)
    if spare < 0:
        for row in rows:
            told = (f"{name} {cell}" for name, cell in zip(head, row, strict=True) if cell)
            out.print(escape(", ".join(told)))
        return
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        more = min(max(map(cell_len, column)) - width, spare)
        spare -= more
        justify: JustifyMethod = "right" if table.columns else "left"
        table.add_column(column[0], justify=justify, overflow="fold", width=width + more)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    out.print(table)


def _narrowest(head: str, *cells: str) -> int:
    """The least width of a column: of its longest number, or of its longest word up to ``WORD``."""
    if all(NUMBER.fullmatch(cell) for cell in cells):
        return max(map(cell_len, [*head.split(), *cells]), default=1)
    return min(max(cell_len(word) for text in (head, *cells) for word in text.split()), WORD)


class _Log(logging.Handler):
    """Shows what priorkit logs on stderr, in the words of the command line."""

    def emit(self, record: logging.LogRecord) -> None:
        err.print(escape(said_here(record.getMessage())), soft_wrap=True, highlight=False)


@contextmanager
def logged() -> Iterator[None]:
    """A block whose warnings are shown so."""
    log, shown = logging.getLogger("priorkit"), _Log(logging.WARNING)
    log.addHandler(shown)
    try:
        yield
    finally:
        log.removeHandler(shown)


class Bar(_Log):
    """A bar over the steps of a solver; callable as the ``progress`` of ``recover``.

    While it is open, what priorkit logs and what components print goes to stderr.
    """

    def __init__(self, *, quiet: bool) -> None:
        # Bars take a tenth of the time of a command that shows none.
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        super().__init__(logging.INFO)
        self.quiet = quiet
        self.printed = redirect_stdout(sys.stderr)  # stdout is for the result alone
        self.bar = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=err,
            disable=quiet or not err.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task("", total=None, note="setting up")

    def __enter__(self) -> Bar:
        self.printed.__enter__()
        log = logging.getLogger("priorkit")
        self.level_before = log.level
        log.addHandler(self)
        log.setLevel(logging.WARNING if self.quiet else logging.INFO)
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.bar.disable:  # an older rich ends a line that was never drawn
            self.bar.stop()
        self.printed.__exit__(None, None, None)
        log = logging.getLogger("priorkit")
        log.removeHandler(self)
        log.setLevel(self.level_before)

    def __call__(self, now: Any, done: int, label: str = "") -> None:
        from priorkit.results.numbers import reached

        note = f"{escape(label)}: " if label else ""
        note += f"image {done + 1}…, " if done else ""
        self.bar.update(self.task, note=note + reached(now))


class TrainingBar:
    """A bar over training steps; callable as a trainer's ``progress``."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self.bar = Progress(*columns, Remaining(), console=err)
        self.task = self.bar.add_task("", total=None)

    def __enter__(self) -> TrainingBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar.live.is_started:
            self.bar.stop()

    def __call__(self, step: int, total: int, message: str) -> None:
        self.bar.start()
        said = escape(message.rstrip())
        if message.endswith("\n"):
            self.bar.console.print(f"{step}/{total}  {said}")
        self.bar.update(self.task, completed=step, total=total, description=said)
