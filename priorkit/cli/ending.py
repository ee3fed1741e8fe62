"""Where the results of a command go, and how it ends: after Ctrl-C, or where something failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from priorkit.cli.console import err, escape
from priorkit.counted import counted
from priorkit.errors import BadInputError

if TYPE_CHECKING:
    from priorkit.results.audit import Audit
    from priorkit.results.comparison import Comparison
    from priorkit.results.recovery import Recovery

__all__ = ["FINISHED", "is_saved", "leave", "left_out", "results_folder", "resumable", "to_go_on"]

DEFAULT = Path("priorkit-out")
FINISHED = "what was finished is kept beside it"  # of a run that left its folder to another


@contextmanager
def results_folder(save: Path | None, resume: bool = False) -> Iterator[Path]:
    """The folder for results: as given, else that of the run to resume, else a new one, which no
    other command takes while the block runs."""
    from priorkit.io.folders import claimed

    if save is not None or resume:
        yield save or _to_resume()
        return
    import torch  # noqa: F401  # before it is there Ctrl-C ends the process, whatever it has begun

    with claimed(DEFAULT) as place:
        yield place


def _to_resume() -> Path:
    """The folder of the only run here that was cut short."""
    from priorkit.io.folders import unfinished

    suffix = unfinished(DEFAULT).suffix
    found = sorted(Path().glob(f"{DEFAULT}*{suffix}"))
    if len(found) != 1:
        raise BadInputError(
            "Say which run is to go on.",
            got=", ".join(str(path) for path in found) or "no unfinished run here",
            try_="--out FOLDER",
        )
    return found[0].with_suffix("")


def is_saved(result: Recovery | Comparison, folder: Path) -> bool:
    """Whether a result is in its folder: one that was cut short doesn't replace an earlier one."""
    from priorkit.io.folders import stays

    return not stays(folder, cut=result.interrupted)


@contextmanager
def resumable(save: Path | None, resume: bool) -> Iterator[Path]:
    """A block that runs into the folder for results, and which Ctrl-C may end before there are
    any: the command leaves with 130 then, and says how to go on."""
    with results_folder(save, resume) as folder:
        try:
            yield folder
        except KeyboardInterrupt:
            hint = to_go_on(folder, save is not None or resume)
            err.print(f"Interrupted.{hint}", soft_wrap=True)
            raise typer.Exit(130) from None


def to_go_on(folder: Path, named: bool) -> str:
    """How a run into ``folder`` that Ctrl-C cut short is continued, to be said behind that it was.
    Nothing is left of one that has finished nothing, unless its folder was ``named``: the same
    command with --resume is no error then."""
    from priorkit.io.folders import unfinished
    from priorkit.run.journal import Journal

    journal = Journal(unfinished(folder))
    if not journal.folder.exists():
        return ""
    if not named and not journal.holds:
        journal.clear()
        return ""
    anew = "" if journal.holds else ", which begins anew: nothing was finished"
    return f" To continue: the same with --resume --out {escape(folder)}{anew}"


def left_out(count: int, what: str = "left out", *, others: bool = True) -> str:
    """That so many files of a folder were left out, or what else they were, and whether there are
    others; nothing of none."""
    files = f"{counted(count, 'files')} of the folder {'was' if count == 1 else 'were'}"
    rest = "the others are done" if others else "there are no others"
    return f"{files} {what}, as said above; {rest}." if count else ""


def leave(
    result: Recovery | Comparison | Audit, kept: str, failed: str = "", hint: str = ""
) -> None:
    """Leave with 130 after Ctrl-C, saying what is ``kept`` and a ``hint`` how to go on, and with 1
    where a file was left out or where it is said what ``failed``."""
    if result.interrupted:
        err.print(f"Interrupted: {kept}.{hint}", soft_wrap=True)
        raise typer.Exit(130)
    failed = left_out(len(result.skipped)) or failed
    if failed:
        err.print(failed)
        raise typer.Exit(1)
