"""The command line: a thin skin over the same functions. Starting it imports no torch."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Entry point; see :mod:`priorkit.cli.application`."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, _interrupt) if ours else None
    try:
        from priorkit.cli.application import run

        run()
    except KeyboardInterrupt:  # before anything began, or once more while it was tidied up
        raise SystemExit(130) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C. Until torch is there, nothing has begun, and the process ends at once: an
    interrupt inside the import of torch or numpy would abort it, or leave it half imported."""
    torch = sys.modules.get("torch")
    if torch is None or getattr(torch.__spec__, "_initializing", False):
        os.write(2, b"Interrupted.\n")
        os._exit(130)
    raise KeyboardInterrupt
