"""What is made of files of weights, kept for the next run of the same process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Read", "Warm"]

T = TypeVar("T")

ROOM = 4  # that one family keeps; those asked for last stay

Stamp = tuple[int, ...]  # what changes with a file
Read = Callable[[Path], Path]  # says, before it is read, that a file belongs to what is made


class _Made(NamedTuple, Generic[T]):
    value: T
    stamps: dict[Path, Stamp]


class Warm(Generic[T]):
    """What a family makes of weights, made again only where one of their files has changed.

    To read a network, to verify it, to fold it and to copy it to a device takes longer than many a
    recovery, and what was recorded on a device lives no longer than the network it is of. What is
    kept must be frozen: every run of the process has the same.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[Hashable, _Made[T]] = OrderedDict()  # the last used at the end
        self._lock = Lock()

    def of(self, key: Hashable, make: Callable[[Read], T]) -> T:
        """What ``make`` returned for this key, or what it returns now.

        ``make`` calls its argument with the path of each weights file, before it reads it; the
        card beside is watched with it. What it raises goes through, and nothing is kept.
        """
        with self._lock:
            found = self._held.get(key)
            if found is None or any(_stamp(p) != stamp for p, stamp in found.stamps.items()):
                stamps: dict[Path, Stamp] = {}

                def read(path: Path) -> Path:
                    stamps[path] = _stamp(path)
                    return path

                self._held.pop(key, None)
                found = _Made(make(read), stamps)
                while len(self._held) >= ROOM:
                    self._held.popitem(last=False)
                self._held[key] = found
            self._held.move_to_end(key)
            return found.value


def _stamp(path: Path) -> Stamp:
    """Of a weights file and its card; where one is missing, of none."""
    found: list[int] = []
    for each in (path, path.with_suffix(".json")):
        try:
            about = os.stat(each)
        except OSError:
            found.append(-1)
        else:
            found += about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
    return tuple(found)
