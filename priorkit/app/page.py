"""The pages: the form, a run where there is one, and the list of all runs."""

from __future__ import annotations

from pathlib import Path

from nicegui import ui

from priorkit.app.draft import Draft
from priorkit.app.drafts import Drafts
from priorkit.app.form import Form
from priorkit.app.offered import Offers
from priorkit.app.run import Run
from priorkit.app.run_view import RunView
from priorkit.app.runs import MOST_KEPT, Runs
from priorkit.draw.viewer import WIPE

__all__ = ["Pages"]

HERE = Path(__file__).parent
EVERY = 0.5  # seconds between two looks at the list
KEPT = f"Runs are kept until the app ends, the last {MOST_KEPT}: download what you need later."


class Pages:
    """All pages of a session."""

    def __init__(self, runs: Runs, drafts: Drafts, offers: Offers, *, megabytes: float) -> None:
        self.runs, self.drafts, self.offers, self.megabytes = runs, drafts, offers, megabytes

    def show(self, run: Run | None, draft: Draft, form: str, *, missing: bool = False) -> None:
        """A page, of one run or of none, and the form of an id.

        Parameters
        ----------
        missing : whether its address is of a run that isn't there
        """
        client = ui.context.client
        self.drafts.opened(form, lambda: client.has_socket_connection)
        ui.add_css("\n".join([*WIPE, (HERE / "style.css").read_text(encoding="utf-8")]))
        ui.add_body_html(f"<script>{(HERE / 'paint.js').read_text(encoding='utf-8')}</script>")
        ui.colors(primary="#1b6ca8")
        ui.query(".nicegui-content").classes("p-0 items-stretch")
        with ui.element("div").classes(f"pk-page {'pk-run' if run else ''}"):
            with ui.element("header").classes("pk-head"):
                ui.html('<h1><a href="/">priorkit</a></h1>', sanitize=False)
                ui.label("Pictures from few, noisy or missing measurements").classes("pk-soft")
            with ui.element("div").classes("pk-form"):
                Form(draft, self.runs, self.offers, megabytes=self.megabytes)
            with ui.element("div").classes("pk-result"):
                if missing:
                    ui.label("There is no such run in this session.").classes("pk-wrong")
                if run is not None:
                    RunView(run, self.runs)
                with ui.element("section").classes("pk-card"):
                    ui.html("<h2>Runs of this session</h2>", sanitize=False)
                    _List(self.runs, run)
                    ui.label(KEPT).classes("pk-soft")


class _List:
    """All runs, the latest first, each with its address and where it stands."""

    def __init__(self, runs: Runs, here: Run | None) -> None:
        self.runs, self.here, self.client = runs, here, ui.context.client
        self._seen: object = None
        self._rows: dict[str, _Row] = {}  # which stay, so that what is pressed meanwhile does too
        self.none = ui.label("None yet.").classes("pk-soft")
        self.list = ui.element("ul").classes("pk-runs")
        self.refresh()
        ui.timer(EVERY, self.refresh)

    def refresh(self) -> None:
        """Bring it up to date, where something has changed."""
        if not self.client.has_socket_connection and self._seen is not None:
            return  # nobody looks
        every = list(self.runs)
        now = [(run.id, run.state, self.runs.place(run), run.stopping) for run in every]
        if now == self._seen:
            return
        self._seen = now
        self.none.set_visibility(not every)
        for id in self._rows.keys() - {run.id for run in every}:
            self._rows.pop(id).item.delete()
        for run in every:
            if run.id not in self._rows:
                with self.list:
                    self._rows[run.id] = _Row(run, self.runs, here=run is self.here)
                self._rows[run.id].item.move(target_index=0)
            self._rows[run.id].show()


class _Row:
    """A run of the list."""

    def __init__(self, run: Run, runs: Runs, *, here: bool) -> None:
        self.run, self.runs = run, runs
        with ui.element("li").classes(f"pk-row {'here' if here else ''}") as self.item:
            ui.link(run.title, f"/run/{run.id}")
            self.said = ui.label().classes("pk-state")
            self.stop = ui.button("Stop", on_click=lambda: runs.stop(run))
            self.stop.props(f'flat dense no-caps aria-label="Stop run {run.number}"')

    def show(self) -> None:
        """Where it stands."""
        place = self.runs.place(self.run)
        said = f"queued, {place} before it" if place else self.run.state
        self.said.set_text("stopping" if self.run.stopping and not self.run.over else said)
        self.stop.set_visibility(not self.run.over)
