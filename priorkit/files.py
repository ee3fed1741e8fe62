"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from priorkit.errors import BadInputError

__all__ = ["require_writable", "write_atomic"]


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there in one step.

    Raises BadInputError where the place can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def require_writable(folder: Path) -> None:
    """Make the folder and prove that a file can be written in it, before any compute."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> BadInputError:
    return BadInputError(
        f"{path} can't be written.", got=error.strerror or str(error), try_="another --out folder"
    )
