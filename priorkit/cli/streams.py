"""stdout and stderr that may lack Unicode, be closed, or fail: a broken pipe, a full disk."""

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
    """stderr that drops what can't be written, so that no run ends because of it."""

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
    """Make stdout and stderr exist and take any character, as "?" where their encoding lacks it."""
    before = sys.stdout, sys.stderr, sys.unraisablehook
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr = Unfailing(sys.stderr)
    sys.unraisablehook = _repeat_interrupt
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.unraisablehook = before


def _repeat_interrupt(ignored: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came where Python ignores exceptions, such as in a finaliser."""
    if ignored.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(ignored)


def flush() -> OSError | None:
    """Write out both streams; the error of stdout where it can't be.

    What can't be written is dropped, so that Python doesn't fail on it again at exit.
    """
    failed: OSError | None = None
    for stream in (getattr(sys.stderr, "stream", sys.stderr), sys.stdout):
        failed = None
        try:
            stream.flush()
        except OSError as error:
            failed = error
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except ValueError:  # closed
            pass
    return failed
