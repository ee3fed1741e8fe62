"""Files that are read together as those of a folder: what can't be read is left out, and said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from priorkit.counted import counted
from priorkit.errors import BadInputError, PriorkitError
from priorkit.io.brightness import BeyondError
from priorkit.io.listing import PICTURES, images_in, text
from priorkit.io.places import Files, Part, place

__all__ = ["in_folder", "left_out", "read_each", "said_once"]

log = logging.getLogger("priorkit")

T = TypeVar("T")
NAMED = 20  # files or reasons that a line names
NAME = "\0"  # of a file, where the same is said of several


def in_folder(folder: Path) -> tuple[Files, dict[str, str]]:
    """The files of a folder that may be read, and why its other pictures aren't. Raises
    BadInputError where there are none of the first."""
    files, others = images_in(folder)
    kinds = " ".join(PICTURES)
    left = {
        text(path.name): f"{path.suffix} files are not read out of a folder. Try: {kinds}"
        for path in others
    }
    return Files(map(str, files)), left


def read_each(
    files: Sequence[str], read: Callable[[str], T], left: dict[str, str]
) -> tuple[list[T], dict[str, str]]:
    """What ``read`` makes of each file, once, and the reasons of those that can't be read, after
    those that were ``left`` before, by the names of the files.

    What is left out is one warning that names it all, but of a Part. Where no file can be read, the
    error is that of the first if all are alike, else a BadInputError that names them; its ``each``
    has the reason of every file. What is advised of a range is for all files.
    """
    found, errors = [], dict[str, PriorkitError]()
    for file in files:
        try:
            found.append(read(file))
        except PriorkitError as error:
            errors[file] = error
    told = [(place(file)[0], _brief(file, error)) for file, error in errors.items()]
    reasons = {text(place(f)[0].name): str(error) for f, error in errors.items()}
    ranged = BeyondError.of_all(errors.values())
    if errors and not found:
        first = ranged or next(iter(errors.values()))
        kinds = ({e.what for e in errors.values()}, {_reason(f, e) for f, e in errors.items()})
        if 1 in map(len, kinds):
            first.each = reasons
            raise first
        usual = "files that are whole, or the settings that these need"
        none = BadInputError(
            f"None of the {len(errors)} files of {place(files[0])[0].parent} can be read.",
            got=_listed(said_once(told)),
            try_=ranged.try_ if ranged else usual,
        )
        none.each = reasons
        raise none from first
    skipped = left | reasons
    if skipped and not isinstance(files, Part):
        log.warning(
            "%s The run goes on with the others; its result "
            "has the whole reasons, and what is saved of it too. To have these too, %s; to stop "
            "for them, give a list of files in place of the folder.",
            left_out(place(files[0])[0].parent, len(files) + len(left), left, told),
            f"say {ranged.advice(*ranged.ends)}" if ranged and not left else "mend or convert them",
        )
    return found, skipped


def left_out(
    folder: Path, count: int, left: dict[str, str], told: Sequence[tuple[Path, str]] = ()
) -> str:
    """A line that says which of so many files of a folder are left out: those of which it is
    ``told`` in words, and those that were ``left``, by their names with the reason."""
    brief = ((Path(name), f"{name}: {reason.partition('. ')[0]}") for name, reason in left.items())
    every = [*told, *brief]
    files = counted(count, "files")
    return f"Left out, {len(every)} of the {files} of {folder}: {_listed(said_once(every))}."


def said_once(told: Sequence[tuple[Path, str]]) -> list[str]:
    """What is told of each file, once for all files of which the same is told.

    >>> said_once([(Path("a.png"), "a.png is empty."), (Path("b.png"), "b.png is empty.")])
    ['each of a.png, b.png is empty.']
    """
    files: dict[str, list[tuple[str, str]]] = {}
    for path, words in told:
        name = text(path.name)
        whole = words.replace(str(path), NAME)
        alike = words.replace(name, NAME, 1) if whole == words else whole
        files.setdefault(alike, []).append((name, words))
    return [_of_all(alike, own) for alike, own in files.items()]


def _of_all(alike: str, own: Sequence[tuple[str, str]]) -> str:
    """What is told of files of which the same is told."""
    if len(own) == 1:
        return own[0][1]
    names = _listed([name for name, _ in own], ", ")
    each = "" if alike.startswith(f"{NAME}:") else "each of "
    return alike.replace(NAME, each + names, 1).replace(NAME, "FILE")


def _reason(file: str, error: PriorkitError) -> str:
    """What is wrong with a file, without its name."""
    path = place(file)[0]
    return str(error).replace(str(path), "it").replace(path.name, "it")


def _brief(file: str, error: PriorkitError) -> str:
    """A file and what is wrong with it, in few words."""
    path = place(file)[0]
    name = text(path.name)
    what = error.what.removesuffix(".").replace(str(path), name)
    what = what if name in what else f"{name}: {what}"
    return what if error.got is None else f"{what} ({error.got})"


def _listed(said: Sequence[str], between: str = "; ") -> str:
    more = [f"and {len(said) - NAMED} more"] if len(said) > NAMED else []
    return between.join(" ".join(words.splitlines()) for words in (*said[:NAMED], *more))
