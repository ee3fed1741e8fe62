"""A run of a session: what was asked for, where it stands, and what came of it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from priorkit.app.order import Order
from priorkit.app.result import Panel, archive, panels
from priorkit.app.store import Store
from priorkit.app.warned import heard
from priorkit.app.watched import Watched
from priorkit.app.words import said, warned
from priorkit.interfaces import Snapshot
from priorkit.io.folders import unfinished
from priorkit.registry import registry
from priorkit.results.comparison import Comparison
from priorkit.results.recovery import Recovery, RunError
from priorkit.run.journal import Journal
from priorkit.settings.options import option_fields
from priorkit.settings.select import class_of
from priorkit.verbs.compare import compare
from priorkit.verbs.recover import recover

__all__ = ["Run"]

State = Literal["queued", "running", "done", "stopped", "failed"]


class Run:
    """A recovery or a comparison with an address.

    ``result`` is what came back once it is done or stopped, with its ``panels``; ``error`` why
    nothing did; ``warnings`` what the library said besides. ``follows`` is the run that it goes on
    from, and ``followed`` the one that goes on from it.
    """

    def __init__(self, number: int, order: Order, out: Path, follows: Run | None = None) -> None:
        self.id, self.number = secrets.token_hex(4), number
        self.order, self.out, self.follows = order, out, follows
        self.followed: Run | None = None
        self.resumes = False
        self.state: State = "queued"
        self.watched = Watched(order.settings.get("kind"))
        self.result: Recovery | Comparison | None = None
        self.panels: list[Panel] = []
        self.error: str | None = None
        self.warnings: list[str] = []
        self.seconds = 0.0
        self.stopping = False
        self.ended = threading.Event()

    @property
    def title(self) -> str:
        """Its number, and what it recovers from what with what."""
        settings = self.order.settings
        priors = (
            ", ".join(map(_name, self.order.priors))
            or _name(settings.get("prior"))
            or "the usual prior"
        )
        source = self.order.source.name if self.order.source else "sample photograph"
        op = _name(settings.get("op"))
        return f"{self.number} · {source}{f' · {op}' if op else ''} · {priors}"

    @property
    def redraws(self) -> bool:
        """Whether its misfit leaps where its solver, as far as it is known, begins another draw."""
        named = self.order.settings.get("solver")
        if isinstance(self.result, Recovery):
            named = self.result.record["config"]["solver"]
        entry = None if named is None else registry().find("solver", _name(named))
        draws = entry is not None and "draws" in option_fields(class_of(entry))
        return draws and self.watched.jumps

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")

    @property
    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The table of a comparison, a head and rows."""
        found = self.result
        return found.cells() if isinstance(found, Comparison) else ([], [])

    def picture(self, panel: int, image: int, what: str) -> bytes | None:
        """A picture of its result as a PNG; None where there is none."""
        if not 0 <= panel < len(self.panels) or not 0 <= image < len(self.panels[panel].images):
            return None
        card = self.panels[panel].card(image, what)
        return None if card is None else card.picture

    def archive(self) -> bytes:
        """The folder of a run that has a result as a zip file."""
        assert self.result is not None, "there is no result yet"
        return archive(self.order, self.result)

    def goes_on(self) -> str | None:
        """How it would go on: "resume" the very run, "start" another where it has come to; None
        where neither can be."""
        if self.followed is not None or not isinstance(self.result, Recovery):
            return None
        if self.state == "stopped" and Journal(unfinished(self.out)).holds:
            return "resume"
        config = self.result.record["config"]
        entry = registry().find("solver", config["solver"]["name"])
        descends = entry is not None and class_of(entry).descends
        stands = "stopped" in self.result.status and config["averaging"] == 1
        return "start" if descends and stands else None

    def do(self, seconds: float, store: Store) -> None:
        """Run it, in the thread that calls."""
        self.state, begun = "running", time.monotonic()
        ends = begun + seconds
        self.watched.say("setting up")

        def progress(now: Snapshot, done: int, label: str) -> None:
            """Ends the run as Ctrl-C does, which keeps the best so far."""
            if self.stopping or time.monotonic() > ends:
                raise KeyboardInterrupt
            self.watched(now, done, label)

        found: Recovery | Comparison | None = None
        cut = False
        try:
            with heard() as self.warnings:
                found = self._computed(progress)
            cut = found.interrupted
        except KeyboardInterrupt:  # before there was anything to keep
            cut = True
        except Exception as error:
            self.error = store.hide(said(error))
            found = error.recovery if isinstance(error, RunError) else None
        try:
            self.panels = [] if found is None else panels(found)
            self.result = found
        except Exception as error:  # of a plugin that draws
            self.error = store.hide(said(error))
        self.warnings = [store.hide(warned(line)) for line in self.warnings]
        self.seconds = time.monotonic() - begun
        state: State = "failed" if self.error else "stopped" if cut else "done"
        self.watched.say(self.error or state)
        self.state = state  # last: a page that looks then has everything
        self.ended.set()

    def _computed(self, progress: Callable[[Snapshot, int, str], None]) -> Recovery | Comparison:
        order, keywords = self.order, self.order.keywords()
        x = None if order.measured else order.source
        if order.priors:

            def named(label: str, now: Snapshot, done: int) -> None:
                progress(now, done, label)

            return compare(x, progress=named, **keywords)

        def alone(now: Snapshot, done: int) -> None:
            progress(now, done, "")

        return recover(x, out=self.out, resume=self.resumes, progress=alone, **keywords)

    def reached(self) -> torch.Tensor:
        """Where a recovery has come to: its latents, or in pixel space its images."""
        assert isinstance(self.result, Recovery), "there is no recovery yet"
        found = self.result.x if self.result.z is None else self.result.z
        return found.detach().cpu()


def _name(component: Any) -> str:
    """What a component in settings is called."""
    return str(component.get("name", "")) if isinstance(component, dict) else str(component or "")
