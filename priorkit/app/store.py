"""The files of a session: what a browser sent, and the folders of its runs."""

from __future__ import annotations

import atexit
import re
import shutil
import threading
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from priorkit.app.session import Session
from priorkit.errors import BadInputError

__all__ = ["Store"]

ODD = re.compile(r"[^\w .,()+-]+")
LONGEST = 100  # characters of a name
UPLOADS = 20  # that are held at a time, each as large as one may be


class Store:
    """A folder of this process that nobody else can read, and that goes with it.

    Parameters
    ----------
    megabytes : of a file at most; all files together have ``UPLOADS`` times as many
    """

    def __init__(self, megabytes: float) -> None:
        self.most = int(megabytes * 2**20)
        self._session = Session()
        self.root = self._session.root
        self._numbers = count(1)
        self._lock = threading.Lock()  # files are kept in several threads
        self._given: set[Path] = set()
        atexit.register(self.clear)

    def keep(self, name: str, data: bytes) -> Path:
        """A file of that name, or as near to it as a name can safely be, in a folder of its own.

        Raises BadInputError where it is empty or too large, or there is no room for it.
        """
        if not data:
            raise BadInputError(f"{plain_name(name)} is empty.")
        if len(data) > self.most:
            raise BadInputError(
                "That file is too large.",
                got=f"{len(data) / 2**20:.3g} MB",
                try_=f"at most {self.most / 2**20:.3g} MB, or priorkit app --megabytes",
            )
        with self._lock:
            if self._held() + len(data) > UPLOADS * self.most:
                raise BadInputError("This session holds too many files.", try_="priorkit app anew")
            place = self.folder("file") / plain_name(name)
            place.write_bytes(data)
        return place

    def folder(self, what: str) -> Path:
        """A new folder."""
        place = self.root / f"{what}-{next(self._numbers)}"
        place.mkdir()
        return place

    def forget(self, folder: Path) -> None:
        """Remove a folder of this store."""
        if folder.is_relative_to(self.root) and folder != self.root:
            with self._lock:
                shutil.rmtree(folder, ignore_errors=True)

    def hold(self, files: Iterable[Path]) -> None:
        """Keep files that a run has been given."""
        self._given.update(files)

    def release(self, file: Path) -> None:
        """Remove a file, unless a run has been given it."""
        if file not in self._given:
            self.forget(file.parent)

    def hide(self, said: str) -> str:
        """A message with files called as the user called them, and no path of this machine.

        >>> store = Store(1)
        >>> store.hide(f"{store.keep('a.png', b'no picture')} is not a picture.")
        'a.png is not a picture.'
        """
        inside = re.escape(str(self.root)) + r"(?:/[\w.-]+-\d+)?/?"
        return re.sub(inside, "", said)

    def clear(self) -> None:
        """Remove everything."""
        self._session.close()

    def _held(self) -> int:
        return sum(path.stat().st_size for path in self.root.glob("file-*/*"))


def plain_name(name: str) -> str:
    """The name of a file without folders, of letters, digits and a few signs.

    >>> plain_name("../My photo (1).png")
    'My photo (1).png'
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    found = ODD.sub("-", base).strip(" .-") or "file"
    return found if len(found) <= LONGEST else found[-LONGEST:].lstrip(" .-")
