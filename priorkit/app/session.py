"""The folder of a session: it is removed with the session, or where that was killed by the next."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from priorkit.errors import BadInputError
from priorkit.io.folders import locked

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
        self._lock = ExitStack()
        self._lock.enter_context(locked(made))
        self.root = made.with_name(made.name.replace(UNLOCKED, PREFIX))
        made.rename(self.root)

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock.close()


def sweep() -> list[Path]:
    """Remove the folders of this user's sessions that were killed; which they were."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, BadInputError):  # of a session that runs, or that another swept
            told = folder.lstat()
            if not stat.S_ISDIR(told.st_mode):
                continue
            with locked(folder, surely=True):
                if told.st_uid == os.getuid():  # which systems with locks have
                    shutil.rmtree(folder, ignore_errors=True)
                    removed.append(folder)
    return removed
