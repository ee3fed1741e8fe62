"""A recovery in the background: what it has reached, how to stop it, and its folder as a zip."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from shutil import make_archive
from typing import Any

from priorkit.discovery import describe
from priorkit.draw.tiles import png, tile
from priorkit.errors import PriorkitError
from priorkit.interfaces import Snapshot
from priorkit.interfaces.kinds import PICTURE
from priorkit.io.folders import replacing
from priorkit.results.folder import write
from priorkit.results.recovery import Recovery
from priorkit.verbs.recover import recover

__all__ = ["Job"]

EVERY = 0.3  # seconds between two iterates that are shown


class Job:
    """One recovery of one picture, in a thread.

    Parameters
    ----------
    picture : the bytes of a picture file, or None for the sample photograph
    settings : those of :func:`priorkit.recover`
    seconds : after which it is stopped, and the best so far kept

    ``shown`` is the latest iterate as a PNG, at the end the grid of the result; ``said`` is one
    line about it, ``result`` the recovery once it is ``done``, ``error`` the message if it failed.
    """

    def __init__(self, picture: bytes | None, settings: dict[str, Any], *, seconds: float) -> None:
        self.picture, self.settings, self.seconds = picture, settings, seconds
        self.shown: bytes | None = None
        self.said = "setting up"
        self.result: Recovery | None = None
        self.error: str | None = None
        self.done = False
        self._stop = False
        self._last = 0.0  # when an iterate was drawn
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._ends = time.monotonic() + self.seconds
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end at its next step; what it has reached is kept."""
        self._stop = True

    def archive(self) -> bytes:
        """The folder of the finished run as a zip file; paths in its config are relative."""
        assert self.result is not None, "there is no result yet"
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root) / "priorkit-out"
            with replacing(folder) as stage:
                write(self.result, stage, Path(folder.name))
            return Path(make_archive(f"{root}/run", "zip", root, folder.name)).read_bytes()

    def _run(self) -> None:
        source = None
        try:
            with tempfile.TemporaryDirectory() as root:
                if self.picture is not None:
                    source = Path(root) / "picture"
                    source.write_bytes(self.picture)
                result = recover(source, progress=self._watch, **self.settings)
            if source is not None:  # the temporary file is gone; the folder holds the truth
                result.record["config"].pop("image")
            self.result = result
            self.shown = png(self.result.grid())
            self.said = repr(self.result)[1:-1]
        except Exception as error:
            said = str(error) if isinstance(error, PriorkitError) else describe(error)
            self.error = said if source is None else said.replace(str(source), "The file")
        finally:
            self.done = True

    def _watch(self, now: Snapshot, _: int) -> None:
        """Note what is to be shown; ends the run as Ctrl-C does, which keeps the best so far."""
        moment = time.monotonic()
        if self._stop or moment > self._ends:
            raise KeyboardInterrupt
        self.said = f"{int(now.evaluations.max())} evaluations, misfit {float(now.misfit[0]):.3g}"
        if moment - self._last > EVERY:
            self._last = moment
            self.shown = png(tile(now.image()[0], PICTURE))
