"""Folders of results that are whole: written beside their place and moved there in one step.

A folder without a manifest isn't priorkit's, and is never written into. Files that somebody added
to a folder stay in it.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from priorkit.counted import few
from priorkit.errors import BadInputError
from priorkit.io.files import file_sha256, require_writable, unwritable
from priorkit.io.listing import ENDS
from priorkit.io.manifest import MANIFEST, is_whole, list_files, listed_in, of_an_engine

__all__ = [
    "claimed",
    "discard",
    "gives_way",
    "locked",
    "replacing",
    "require_named_as_folder",
    "require_place",
    "set_aside",
    "stays",
    "unfinished",
]

UNFINISHED = ".unfinished"
PAGES = (".html", ".json", ".toml", ".csv", ".pdf", ".svg", ".zip")  # ends of what else is a file
NOTES = ("settings.json", ".partial")  # of what a run keeps that is nothing to go on with
BEGINS = 60.0  # seconds within which a run that has claimed its folder works in it
log = logging.getLogger("priorkit")


def unfinished(folder: Path) -> Path:
    """Where a run keeps what is finished until it is saved to ``folder``."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}{UNFINISHED}")


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """``folder``, or the first of ``folder-2``, ``folder-3`` … that no run has taken, and that none
    takes until the block ends: what a run keeps beside it is made here, by one process alone, and
    goes where it is empty then."""
    place = _free(folder, lambda place: not _claims(place))
    try:
        yield place
    finally:
        with suppress(OSError):  # it is gone, or holds a run that is to go on
            unfinished(place).rmdir()


def _claims(place: Path) -> bool:
    """Whether ``place`` is free, and now this process's. One that can't be made is nobody's: why
    is said where it is written to."""
    beside = unfinished(place)
    try:
        beside.mkdir()
    except FileExistsError:
        return _cleared(beside) and _claims(place)
    except OSError:
        return not place.exists()
    if not place.exists():  # which another may have saved to since
        return True
    with suppress(OSError):
        beside.rmdir()
    return False


def _cleared(beside: Path) -> bool:
    """Whether what a killed process kept beside its folder had nothing that was finished, and is
    gone now. An empty one may be of a run that begins this minute; any other is locked by its
    process. Where no locks are nothing is touched."""
    with suppress(OSError, BadInputError), locked(beside, surely=True):
        held = [path for path in beside.rglob("*") if not path.is_dir()]
        young = time.time() - beside.stat().st_mtime < BEGINS
        kept = [path for path in held if not path.name.endswith(NOTES)]
        if kept or (young and not held):
            return False
        discard(beside)
        return not beside.exists()
    return False


def require_place(folder: Path, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse, before any compute, a folder that results can't or mustn't be written to.

    Raises BadInputError where it has the name of a file, where it holds files and isn't a folder of
    results, where it holds one of the ``inputs``, where it can't be replaced, or where its parent
    can't be written.
    """
    try:
        place = folder.resolve()
        if place.exists() and not place.is_dir():
            raise BadInputError(f"{folder} is a file.", try_="another folder")
        if place == Path.cwd() or os.path.ismount(place):
            kind = "where you are" if place == Path.cwd() else "where a disk is mounted"
            raise BadInputError(
                f"{folder} is the folder {kind}, which can't be replaced in one step.",
                try_=f"the folder {place / 'run'}",
            )
        if of_an_engine(place):
            raise BadInputError(
                f"{folder} holds a run of an engine, and this one is of none: it isn't replaced.",
                try_="another folder",
            )
        held = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        if held and listed_in(place) is None:
            raise BadInputError(
                f"{folder} holds files that a run like this did not write: "
                "nothing in it is replaced.",
                got=few(held),
                try_="another folder",
            )
        for given in inputs:
            if Path(given).resolve().is_relative_to(place):
                raise BadInputError(
                    f"{folder} holds an input of this run, {Path(given).name}.",
                    try_="another folder",
                )
        require_named_as_folder(folder)
        unfinished(place).exists()  # raises for a name that is too long
    except (OSError, ValueError, RuntimeError) as error:  # for names that no file can have
        raise unwritable(folder, error) from error
    require_writable(place.parent)


def require_named_as_folder(folder: Path) -> None:
    """Refuse the name of a file for a folder that isn't there: whoever gives one wants a picture,
    or an array. Raises BadInputError."""
    if folder.name.lower().endswith((*ENDS, *PAGES)) and not os.path.isdir(folder):
        raise BadInputError(
            "Results go to a folder, and this is the name of a file.",
            got=folder.name,
            try_=f"the folder {folder.with_name(folder.name.partition('.')[0] or 'results')}",
        )


def stays(folder: Path, *, cut: bool) -> bool:
    """Whether the result in ``folder`` is whole, and that of a run that was ``cut`` short isn't."""
    return cut and is_whole(folder)


def gives_way(folder: Path, *, cut: bool) -> bool:
    """Whether the result of a run goes to ``folder``, or another one :func:`stays`, which is
    said."""
    if stays(folder, cut=cut):
        log.warning("%s keeps the result of the earlier run, as this one was cut short.", folder)
        return False
    return True


@contextmanager
def replacing(
    folder: Path, known: Mapping[str, str] | None = None, *, cut: bool = False
) -> Iterator[Path]:
    """A folder to write into that takes the place of ``folder`` when the block ends.

    What is ``known`` when the block ends, the sha256 of files by their names there, goes into the
    manifest as it is; other files are read for it. It also says of a run that it was ``cut`` short.

    Until then, and where the block raises, ``folder`` is as it was. (Where the file system can't
    exchange two folders, for an instant the old one is ``….before`` and the new one nowhere.)
    What is replaced is said, unless the run whose result this is did so when it began.
    Raises BadInputError as :func:`require_place`, or where the disk is full.
    """
    require_place(folder)
    place = folder.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        stage = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=place.parent))
        stage.chmod(0o755)
    except OSError as error:
        raise unwritable(folder, error) from error
    ours = os.stat(stage)
    untold = listed_in(place) is not None and not unfinished(place).exists()
    with locked(stage):
        try:
            yield stage
            list_files(stage, known or {}, cut=cut)
            _swap(stage, place)
            if untold:
                log.warning("The earlier result in %s was replaced.", folder)
        except (OSError, BadInputError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError):  # name the user's folder, not the temporary one
                raise unwritable(folder, cause) from error
            raise
        finally:  # the stage's name now has nothing, our files, or the files that were replaced
            if stage.exists() and os.path.samestat(os.stat(stage), ours):
                shutil.rmtree(stage, ignore_errors=True)
            elif stage.exists():
                _retire(stage, place)


def discard(folder: Path) -> None:
    """Remove a folder of our own. It is renamed first, so that a process killed half-way leaves no
    incomplete folder under the old name."""
    if not folder.exists():
        return
    aside = folder
    with suppress(OSError):  # a full disk
        aside = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
        os.rename(folder, aside)
    for path in (aside, folder):
        shutil.rmtree(path, ignore_errors=True)


def set_aside(folder: Path) -> None:
    """Move a folder that isn't known to be our own to ``….before``, which is said."""
    kept = _free(folder.with_name(f"{folder.name}.before"))
    os.rename(folder, kept)
    log.warning("What was in %s is kept in %s.", folder, kept)


@contextmanager
def locked(folder: Path, *, surely: bool = False) -> Iterator[None]:
    """Lock a folder while this process works in it; the lock goes with the process.

    Raises BadInputError where another process has it. Where the system (Windows) or the disk has
    no such locks, none is taken, unless it is to be locked ``surely``: that is refused then too.
    """
    in_use = BadInputError(
        f"Another process is working in {folder}.", try_="another folder, or wait for it"
    )
    try:
        import fcntl
    except ImportError as error:  # pragma: no cover
        if surely:
            raise in_use from error
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise in_use from error
        except OSError as error:  # a disk without locks
            if surely:
                raise in_use from error
            log.debug("%s can't be locked.", folder)
        if not (folder.exists() and os.path.samestat(os.fstat(handle), os.stat(folder))):
            raise in_use  # another process just finished, and removed it
        yield
    finally:
        os.close(handle)


def _swap(stage: Path, place: Path) -> None:
    """Put the stage where ``place`` is, and what was there where the stage was."""
    try:
        os.rename(stage, place)  # nothing there, or an empty folder
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    require_place(place)  # another program may have written to it in the meantime
    if not _exchange(stage, place):
        before = _free(place.with_name(f"{place.name}.before"))
        os.rename(place, before)
        try:
            os.rename(stage, place)
        except OSError:
            os.rename(before, place)
            raise
        os.rename(before, stage)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders in one step; False where the system or the disk can't."""
    names = os.fsencode(a), os.fsencode(b)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return bool(libc.renamex_np(*names, 2) == 0)
        here = -100  # AT_FDCWD: paths are taken as they are
        return bool(libc.renameat2(here, names[0], here, names[1], 2) == 0)
    except (OSError, AttributeError, TypeError):
        return False


def _retire(old: Path, place: Path) -> None:
    """Remove what priorkit wrote in a folder that was replaced; keep what others added.

    A file that was added, or changed since it was written, goes to the same name in ``place``,
    or where that is taken stays in a folder ``….before``.
    """
    for name, digest in (listed_in(old) or {}).items():
        path = old / name
        if file_sha256(path) == digest:
            path.unlink()
    added = [p for p in sorted(old.rglob("*")) if p.is_symlink() or not p.is_dir()]
    added.remove(old / MANIFEST)
    for path in added:
        target = place / path.relative_to(old)
        with suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(target):
                os.rename(path, target)
    for folder in sorted((p for p in old.rglob("*") if p.is_dir()), reverse=True):
        with suppress(OSError):  # not empty
            folder.rmdir()
    if [p.name for p in old.iterdir()] == [MANIFEST]:
        shutil.rmtree(old)
    else:
        kept = _free(place.with_name(f"{place.name}.before"))
        os.rename(old, kept)
        names = [path.relative_to(old).as_posix() for path in added]
        others = few(name for name in names if os.path.lexists(kept / name))
        log.warning("Files that the earlier run did not write are kept in %s: %s.", kept, others)


def _sweep(place: Path) -> None:
    """Clear what a killed process left while it saved to ``place``."""
    for stage in place.parent.glob(f"{glob.escape(_prefix(place))}*"):
        with suppress(OSError, BadInputError), locked(stage):  # that of a running process stays
            if listed_in(stage) is not None and place.exists():
                _retire(stage, place)
            else:
                shutil.rmtree(stage)


def _prefix(place: Path) -> str:
    short = os.fsdecode(os.fsencode(place.name.removesuffix(UNFINISHED))[:100])
    return f".{short}.saving-"


def _free(path: Path, taken: Callable[[Path], bool] = Path.exists) -> Path:
    candidate, count = path, 1
    while taken(candidate):
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate
