"""The folder of a session: it is removed with the session, or where that was killed by the next."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["Session", "sweep"]

PREFIX = "priorkit-app-"
UNLOCKED = "priorkit-new-"  # before it is locked


class Session:
    """A folder that nobody else can read, locked as long as this process lives.

    The system takes the lock away with the process, however that ends, so that a folder without
    one was left behind. Where the system (Windows) or the disk has no such locks, nothing is
    removed but one's own.
    """

    def __init__(self) -> None:
        made = Path(tempfile.mkdtemp(prefix=UNLOCKED)).resolve()
        self._handle = _locked(made)
        self.root = made.with_name(made.name.replace(UNLOCKED, PREFIX))
        made.rename(self.root)

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def sweep() -> list[Path]:
    """Remove the folders of this user's sessions that were killed; which they were."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process was faster
            told = folder.lstat()
            handle = _locked(folder) if stat.S_ISDIR(told.st_mode) else None
            if handle is None:
                continue
            if told.st_uid == os.getuid():  # which systems with locks have
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
            os.close(handle)
    return removed


def _locked(folder: Path) -> int | None:
    """A handle that holds the lock of a folder; None where another process has it, or there are no
    locks."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
