"""A run as a page shows it: where it stands, its pictures, its numbers, and how to repeat it."""

from __future__ import annotations

import html

from nicegui import ui

from priorkit.app.panel_view import figure, show
from priorkit.app.repeat import command, python
from priorkit.app.run import Run
from priorkit.app.runs import Runs
from priorkit.errors import PriorkitError

__all__ = ["RunView"]

EVERY = 0.4  # seconds between two looks at it
TEETH = "Where the misfit leaps, the solver begins another draw, from noise."


class RunView:
    """What is shown of one run, kept up to date."""

    def __init__(self, run: Run, runs: Runs) -> None:
        self.run, self.runs, self.client = run, runs, ui.context.client
        self._seen: object = None
        with ui.element("section").classes("pk-card"):
            ui.html(f"<h2>{html.escape(run.title)}</h2>", sanitize=False)
            self.said = ui.label().classes("pk-soft").props('role="status" aria-live="polite"')
            self.wrong = ui.label().classes("pk-wrong").props('role="alert"')
            self.warned = ui.label().classes("pk-warned")
            with ui.element("div").classes("pk-buttons"):
                self.stop = ui.button("Stop", on_click=self._stop).props("outline no-caps")
                self.budget = ui.number("further evaluations", min=1, precision=0).props("dense")
                self.budget.style("width: 10rem")
                self.on = ui.button("Go on", on_click=self._go_on).props("outline no-caps")
                self.take = ui.link("Download the folder", f"/run/{run.id}/priorkit-out.zip")
                self.take.props("download")
                self.kept = ui.label("Kept until the app ends.").classes("pk-soft")
            self.link = ui.element("div").classes("pk-soft")
        self.results = ui.element("div").classes("pk-stack")
        self.live = ui.element("section").classes("pk-card")
        with self.live, ui.element("div").classes("pk-pictures large"):
            self.picture = ui.html("", sanitize=False)
            with ui.element("div").classes("pk-stack"):
                self.curve = ui.html("", sanitize=False).classes("pk-curve")
                self.teeth = ui.label(TEETH).classes("pk-soft")
        with (
            ui.element("section").classes("pk-card"),
            ui.expansion("Repeat it").props("dense header-class=text-weight-medium"),
        ):
            ui.label("From the folder in which the download is unpacked:").classes("pk-soft")
            ui.code(command(run.order), language="bash").classes("pk-code")
            ui.code(python(run.order), language="python").classes("pk-code")
        self.refresh()
        ui.timer(EVERY, self.refresh)

    def refresh(self) -> None:
        """Bring it up to date, where something has changed."""
        run = self.run
        if not self.client.has_socket_connection and self._seen is not None:
            return  # nobody looks
        place = self.runs.place(run)
        followed = None if run.followed is None else run.followed.id
        now = (run.state, run.watched.version, place, run.stopping, run.over and followed)
        if now == self._seen:
            return
        first = not isinstance(self._seen, tuple) or self._seen[0] != run.state
        self._seen = now
        self.said.set_text(self._words(place))
        self.stop.set_visibility(not run.over)
        self.stop.set_enabled(not run.stopping)
        curve = run.watched.curve()
        self.live.set_visibility(bool(curve or (run.watched.shown and not run.panels)))
        if run.watched.shown is not None:
            src = f"/run/{run.id}/now.png?{run.watched.pictures}"
            self.picture.set_content(figure(src, "the iterate"))
        self.picture.set_visibility(not run.panels)
        self.curve.set_content(curve)
        self.teeth.set_visibility(run.redraws)
        if first or run.over:
            self._over()
        if first:  # else the wipe and what is unfolded would be as at first again
            self.results.clear()
            with self.results:
                show(run)

    def _words(self, place: int) -> str:
        run = self.run
        if run.state == "queued":
            return f"queued: {place} before it" if place else "queued: it is next"
        if run.state == "running":
            return "stopping" if run.stopping else run.watched.said
        return "" if run.error else f"{run.state}, {run.seconds:.1f} s"

    def _over(self) -> None:
        """What there is once it is over."""
        run = self.run
        self.wrong.set_text(run.error or "")
        self.wrong.set_visibility(bool(run.error))
        warnings = run.warnings if run.over else []
        self.warned.set_text(" ".join(warnings))
        self.warned.set_visibility(bool(warnings))
        for part in (self.take, self.kept):
            part.set_visibility(run.result is not None)
        how = run.goes_on() if run.over else None
        self.on.set_visibility(how is not None)
        self.budget.set_visibility(how == "start")
        self.link.clear()
        with self.link:
            for words, other in (("goes on from", run.follows), ("goes on in", run.followed)):
                if other is not None:
                    ui.link(f"{words} {other.title}", f"/run/{other.id}")

    def _stop(self) -> None:
        self.runs.stop(self.run)
        self.refresh()

    def _go_on(self) -> None:
        if self.run.followed is not None:  # pressed twice
            return
        try:
            budget = None if self.budget.value is None else int(self.budget.value)
            new = self.runs.go_on(self.run, budget)
        except PriorkitError as error:
            self.wrong.set_text(str(error))
            self.wrong.set_visibility(True)
            return
        ui.navigate.to(f"/run/{new.id}")
