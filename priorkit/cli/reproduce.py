"""``priorkit reproduce``: the figures of the paper, each a script in examples/figures."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import priorkit
from priorkit.cli.completion import among
from priorkit.cli.console import err, escape, out, show_table
from priorkit.errors import BadInputError, UnknownNameError

__all__ = ["FigureScript", "reproduce", "scripts"]

DataOption = Annotated[Path, typer.Option(help="folder of test pictures")]
PaperOption = Annotated[Path, typer.Option(help="folder of the authors' results")]
FolderOption = Annotated[Path, typer.Option("--out", help="folder of plots, pictures and numbers")]


class FigureScript:
    """A script: its title, and the numbers of the figures that it makes."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.path, self.name = path, path.stem
        (self.title,) = re.findall(r'\A"""(.+?)(?:""")?$', text, re.MULTILINE)
        (self.said,) = re.findall(r'^FIGURES = "(.+)"$', text, re.MULTILINE)
        self.figures: set[int] = set()
        for part in self.said.split():  # a number, or a range such as 21-30
            first, _, last = part.partition("-")
            self.figures |= set(range(int(first), int(last or first) + 1))


def scripts() -> list[FigureScript]:
    """All scripts, by their first figures. Raises BadInputError where there are none."""
    inside = Path(priorkit.__file__).parent / "figures"  # of a wheel
    place = inside if inside.is_dir() else inside.parents[1] / "examples" / "figures"
    found = [FigureScript(p) for p in sorted(place.glob("*.py")) if p.name != "common.py"]
    if not found:
        raise BadInputError(f"The scripts of the figures aren't in {place}.")
    return sorted(found, key=lambda script: min(script.figures))


def reproduce(
    figures: Annotated[
        list[str] | None,
        typer.Argument(
            help="fig4, 4 or the name of a script; several",
            autocompletion=lambda incomplete: among(*(s.name for s in scripts()))(incomplete),
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="every figure")] = False,
    full: Annotated[
        bool, typer.Option("--full/--quick", help="as many runs as in the paper, or few")
    ] = False,
    data: DataOption = Path("../shared/data"),
    paper: PaperOption = Path("../shared/paper"),
    folder: FolderOption = Path("priorkit-figures"),
    jobs: Annotated[int | None, typer.Option(help="processes; by default one per core")] = None,
) -> None:
    """Reproduce figures of the paper: its data, its plot, and what of its claims holds.

    Without a figure, lists them. What was computed is kept: the same command continues, and
    --full adds to what --quick computed.
    """
    known = scripts()
    if not figures and not everything:
        show_table(["script", "figures", "shows"], [[s.name, s.said, s.title] for s in known])
        out.print("Run: priorkit reproduce fig4, or priorkit reproduce --all --quick")
        return
    words = ["--full" if full else "--quick", f"--data={data}", f"--paper={paper}"]
    words += [f"--out={folder}"] + ([f"--jobs={jobs}"] if jobs is not None else [])
    wanted = known if everything else _chosen(figures or [], known)
    failed = []
    for script in wanted:
        started = time.monotonic()
        code = subprocess.call([sys.executable, str(script.path), *words])
        if code in (130, -2):
            raise KeyboardInterrupt
        if code:
            failed.append(script.name)
        err.print(f"{script.name}: {time.monotonic() - started:.0f} s")
    wrote = "plots (.svg), pictures (.png), numbers (.csv), claims (.json)"
    out.print(f"Wrote {escape(folder)}: {wrote}")
    if failed:
        err.print(f"[red]error:[/red] failed: {', '.join(failed)}")
        raise typer.Exit(1)


def _chosen(figures: list[str], known: list[FigureScript]) -> list[FigureScript]:
    found: list[FigureScript] = []
    for name in figures:
        number = re.fullmatch(r"(?:fig(?:ure)?\.?)?\s*(\d+)", name, re.IGNORECASE)
        own = [s for s in known if s.name == name or (number and int(number[1]) in s.figures)]
        if not own:
            raise UnknownNameError(
                f"No script makes {name!r}.", try_="priorkit reproduce, which lists them"
            )
        found += [script for script in own if script not in found]
    return found
