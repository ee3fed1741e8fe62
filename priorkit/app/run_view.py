"""A run as a page shows it: where it stands, its pictures, its numbers, and how to repeat it."""

from __future__ import annotations

import html

from nicegui import ui

from priorkit.app.repeat import command, python
from priorkit.app.result import Panel
from priorkit.app.runs import Run, Runs
from priorkit.draw.html import scale_bar, table
from priorkit.errors import PriorkitError

__all__ = ["RunView"]

EVERY = 0.4  # seconds between two looks at it


class RunView:
    """What is shown of one run, kept up to date."""

    def __init__(self, run: Run, runs: Runs) -> None:
        self.run, self.runs = run, runs
        self._seen: object = None
        with ui.element("section").classes("pk-card"):
            ui.html(f"<h2>{html.escape(run.title)}</h2>", sanitize=False)
            self.said = ui.label().classes("pk-soft").props('role="status" aria-live="polite"')
            self.wrong = ui.label().classes("pk-wrong").props('role="alert"')
            with ui.element("div").classes("pk-buttons"):
                self.stop = ui.button("Stop", on_click=self._stop).props("outline")
                self.budget = ui.number("evaluations", min=1, precision=0).props("dense")
                self.budget.style("width: 8rem")
                self.on = ui.button("Go on", on_click=self._go_on).props("outline")
                self.take = ui.link("Download the folder", f"/run/{run.id}/priorkit-out.zip")
                self.take.props("download")
            self.link = ui.element("div").classes("pk-soft")
        self.live = ui.element("section").classes("pk-card")
        with self.live:
            with ui.element("div").classes("pk-pictures large"):
                self.picture = ui.html("", sanitize=False)
                self.curve = ui.html("", sanitize=False).classes("pk-curve")
        self.results = ui.element("div").classes("pk-result")
        with ui.element("section").classes("pk-card"):
            with ui.expansion("Repeat it").props("dense header-class=text-weight-medium"):
                ui.label("From the folder in which the download is unpacked:").classes("pk-soft")
                ui.code(command(run.order), language="bash").classes("pk-code")
                ui.code(python(run.order), language="python").classes("pk-code")
        self.refresh()
        ui.timer(EVERY, self.refresh)

    def refresh(self) -> None:
        """Bring it up to date, where something has changed."""
        run = self.run
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
        self.live.set_visibility(run.watched.shown is not None or bool(run.watched.course))
        if run.watched.shown is not None:
            src = f"/run/{run.id}/now.png?{run.watched.version}"
            alt = "the iterate" if not run.over else "the last iterate that was drawn"
            self.picture.set_content(
                f'<figure><img alt="{alt}" src="{src}"><figcaption>{alt}</figcaption></figure>'
            )
        self.curve.set_content(run.watched.curve())
        if first or run.over:
            self._over()

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
        self.take.set_visibility(run.result is not None)
        how = run.goes_on() if run.over else None
        self.on.set_visibility(how is not None)
        self.budget.set_visibility(how == "start")
        self.link.clear()
        with self.link:
            for words, other in (("goes on from", run.follows), ("goes on in", run.followed)):
                if other is not None:
                    ui.link(f"{words} {other.title}", f"/run/{other.id}")
        self.results.clear()
        with self.results:
            several = len(run.panels) > 1
            if several:
                self._beside()
            for number, panel in enumerate(run.panels):
                with ui.element("section").classes("pk-card"):
                    self._panel(number, panel)

    def _panel(self, number: int, panel: Panel) -> None:
        if panel.label:
            ui.html(f"<h2>{html.escape(panel.label)}</h2>", sanitize=False)
        ui.label(panel.sentence).classes("pk-soft")
        for i, (name, cards) in enumerate(panel.images):
            self._wipe(number, i, panel)
            figures = "".join(
                f'<figure><img alt="{html.escape(f"{name}: {card.caption}")}" '
                f'src="{self._src(number, i, card.what)}">'
                f"<figcaption>{html.escape(_caption(card.what, card.caption))}</figcaption>"
                f"{scale_bar() if card.what in ('error', 'spread') else ''}</figure>"
                for card in cards
            )
            ui.html(f'<div class="pk-pictures">{figures}</div>', sanitize=False).classes("w-full")
        if panel.numbers:
            told = table(panel.head, panel.numbers)
            ui.html(told, sanitize=False).classes("pk-numbers")

    def _wipe(self, number: int, i: int, panel: Panel) -> None:
        """Before and after: the measurement where it is a picture of that size, or the truth, under
        the recovery."""
        after = panel.card(i, "recovery")
        found = [panel.card(i, what) for what in ("measurement", "truth")]
        under = [c for c in found if c and after and c.size == after.size]
        if not under or after is None:
            return
        name = panel.images[i][0]

        def content(what: str) -> str:
            label = html.escape(f"{name}: {what} or recovery")
            return (
                f'<figure><div class="pk-wipe"><img alt="{what}" src="{self._src(number, i, what)}">'
                f'<img class="over" alt="recovery" src="{self._src(number, i, "recovery")}"><i></i>'
                f'<input type="range" aria-label="{label}" value="50" oninput="this.parentElement'
                f".style.setProperty('--cut', this.value + '%')\"></div>"
                f"<figcaption>{what} | recovery</figcaption></figure>"
            )

        shown = ui.html(content(under[0].what), sanitize=False).classes("w-full")
        if len(under) > 1:
            words = {card.what: f"before: {card.what}" for card in under}
            toggle = ui.toggle(words, value=under[0].what).props("dense no-caps")
            toggle.on_value_change(lambda event: shown.set_content(content(event.value)))

    def _beside(self) -> None:
        """The recoveries of several priors, and their errors, side by side."""
        run = self.run
        with ui.element("section").classes("pk-card"):
            ui.html("<h2>Side by side</h2>", sanitize=False)
            first = next((n for n, p in enumerate(run.panels) if p.images), None)
            if first is None:
                return
            figures = [
                _figure(self._src(first, 0, what), what)
                for what in ("truth", "measurement")
                if run.panels[first].card(0, what)
            ]
            for what in ("recovery", "error"):
                figures += [
                    _figure(self._src(n, 0, what), f"{panel.label}: {card.caption}")
                    for n, panel in enumerate(run.panels)
                    if panel.images and (card := panel.card(0, what)) is not None
                ]
            ui.html(f'<div class="pk-pictures">{"".join(figures)}</div>', sanitize=False).classes(
                "w-full"
            )
            head, rows = run.cells
            ui.html(table(head, rows), sanitize=False).classes("pk-numbers")

    def _src(self, panel: int, image: int, what: str) -> str:
        return f"/run/{self.run.id}/{panel}/{image}/{what}.png"

    def _stop(self) -> None:
        self.runs.stop(self.run)
        self.refresh()

    def _go_on(self) -> None:
        try:
            budget = None if self.budget.value is None else int(self.budget.value)
            new = self.runs.go_on(self.run, budget)
        except PriorkitError as error:
            self.wrong.set_text(str(error))
            self.wrong.set_visibility(True)
            return
        ui.navigate.to(f"/run/{new.id}")


def _figure(src: str, caption: str) -> str:
    said = html.escape(caption)
    return f'<figure><img alt="{said}" src="{src}"><figcaption>{said}</figcaption></figure>'


def _caption(what: str, caption: str) -> str:
    return caption if what in ("truth", "measurement", "error", "spread") else f"{what}, {caption}"
