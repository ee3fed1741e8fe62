"""The command line: it calls the functions of the library. Starting it imports no torch."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import traceback
from types import FrameType

__all__ = ["main"]

PATIENCE = 500  # times that a Ctrl-C waits for an import, 0.02 s each
_late = itertools.count()


def main() -> None:
    """Entry point; see :mod:`priorkit.cli.application`."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, _interrupt) if ours else None
    try:
        from priorkit.cli.application import run

        run()
    except KeyboardInterrupt:  # before the run began, or a second one while it ended
        raise SystemExit(130) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C.

    Until torch is imported no run has begun, and the process ends at once: an interrupt inside
    the import of torch or numpy would crash. Later it waits until no module is being imported,
    whose code could take it for an error of its own.
    """
    torch = sys.modules.get("torch")
    if torch is None or getattr(torch.__spec__, "_initializing", False):
        os.write(2, b"Interrupted.\n")
        os._exit(130)
    frames = traceback.walk_stack(frame)
    importing = any(f.f_code.co_filename == "<frozen importlib._bootstrap>" for f, _ in frames)
    if importing and next(_late) < PATIENCE:
        waiting = threading.Timer(0.02, signal.raise_signal, [number])
        waiting.daemon = True
        waiting.start()
        return
    raise KeyboardInterrupt
