"""stdout and stderr as they may be: without Unicode, closed, a pipe that broke, a full disk."""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

__all__ = ["flush", "safe"]


class Unfailing:
    """stderr, where what can't be written is let go: no run ends because nobody listens."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def safe() -> Iterator[None]:
    """Streams that exist and take any character, those that an encoding lacks as "?"."""
    before = sys.stdout, sys.stderr, sys.unraisablehook
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr = Unfailing(sys.stderr)
    sys.unraisablehook = _again
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.unraisablehook = before


def _again(ignored: sys.UnraisableHookArgs) -> None:
    """Raise a Ctrl-C again that came while Python was where nothing can be raised."""
    if ignored.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(ignored)


def flush() -> OSError | None:
    """Write out both streams; the error of stdout where it can't be.

    What can't be written is let go, so that Python doesn't stumble over it once more at its end.
    """
    _let_go(getattr(sys.stderr, "stream", sys.stderr))
    return _let_go(sys.stdout)


def _let_go(stream: IO[str]) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    except ValueError:  # closed
        pass
    return None
