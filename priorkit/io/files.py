"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from priorkit.errors import BadInputError

__all__ = [
    "complaint",
    "distinct",
    "file_names",
    "file_sha256",
    "json_sha256",
    "numbered",
    "require_writable",
    "unwritable",
    "write_atomic",
    "write_hashed",
]

PIECE = 1 << 20  # bytes that stay in the cache from when they are hashed until they are written


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there in one step.

    Raises BadInputError where the place can't be written.
    """
    with _written(path) as file:
        file.write(data)


def write_hashed(path: Path, parts: Iterable[bytes | memoryview]) -> str:
    """The same of a file in parts, none of which is copied; the sha256 of the whole."""
    found = hashlib.sha256()
    with _written(path) as file:
        for part in parts:
            for start in range(0, len(part), PIECE):
                piece = part[start : start + PIECE]
                found.update(piece)
                file.write(piece)
    return found.hexdigest()


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file beside its place to write to, which is moved there at the end of the block."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            with suppress(FileNotFoundError):  # Ctrl-C after it was moved
                os.unlink(partial)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def require_writable(folder: Path) -> None:
    """Prove, before any compute, that files can be written in the folder; leave no trace.

    A folder that isn't there is made elsewhere, under a name of its own: at its own name one of
    two processes could remove what the other has just begun to use.
    """
    try:
        there = next((p for p in (folder, *folder.parents) if os.path.lexists(p)), folder)
        if there == folder:
            with tempfile.TemporaryFile(dir=folder):
                return
        missing = folder.relative_to(there)
        beside = f".{os.fsdecode(os.fsencode(missing.parts[0])[:100])}."
        with tempfile.TemporaryDirectory(dir=there, prefix=beside, suffix=".partial") as stage:
            made = Path(stage) / missing
            made.mkdir(parents=True)
            with tempfile.TemporaryFile(dir=made):
                pass
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise unwritable(folder, error) from error


def file_sha256(path: Path) -> str:
    """sha256 of what is in a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_sha256(value: Any) -> str:
    """sha256 of a value as JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def distinct(names: list[str]) -> list[str]:
    """The names, with a number added to repeated ones, as results are saved under them.

    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a-2']
    """
    found: dict[str, None] = {}
    for name in names:
        candidate, count = name, 1
        while candidate in found:
            count += 1
            candidate = f"{name}-{count}"
        found[candidate] = None
    return list(found)


def numbered(count: int, alone: str) -> list[str]:
    """Names of a batch of which nothing is known but what one ``alone`` is called.

    >>> numbered(1, "image"), numbered(2, "image")
    (['image'], ['0000', '0001'])
    """
    return [alone] if count == 1 else [f"{i:04d}" for i in range(count)]


def file_names(names: list[str]) -> list[str]:
    """A file name for each name, whatever it holds: no folders, no dots in front, no two alike.

    >>> file_names(["../../x", "γ = 1e-3", "", "a/b", "a b"])
    ['x', 'γ-=-1e-3', 'image', 'a-b', 'a-b-2']
    """
    found = []
    for name in names:
        kept = "".join(c if c.isalnum() or c in "-_.=+" else "-" for c in name)
        short = kept.encode("utf-8", "replace")[:100].decode("utf-8", "ignore")
        found.append(short.strip(".-") or "image")
    return distinct(found)


def complaint(path: Path, error: Exception) -> str:
    """What a library says of a file that it can't read, without its advice to programmers."""
    with suppress(OSError, ValueError):  # a name that no file can have
        if path.is_file() and not path.stat().st_size:
            return "an empty file"
    told = str(error).strip().replace(f" {str(path)!r}", "")  # whoever asks names the file
    said = re.split(r"\.\s|\.$|\s-\s|\n", told)[0] or "no reason is told"
    said = textwrap.shorten(said, 150, placeholder=" …")
    return f"{type(error).__name__}: {said}"


def unwritable(path: Path, error: Exception) -> BadInputError:
    """The error for a place that can't be written, with the system's reason."""
    reason = error.strerror if isinstance(error, OSError) else None
    return BadInputError(
        f"{path} can't be written.", got=reason or str(error), try_="another folder"
    )
