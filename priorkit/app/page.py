"""The page: choose a picture, a prior, an operator and m, watch the recovery, download it."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

from nicegui import app, events, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from priorkit.app.job import Job
from priorkit.errors import PriorkitError
from priorkit.registry import registry
from priorkit.settings.options import option_fields
from priorkit.settings.select import class_of

__all__ = ["serve"]

HOST = "127.0.0.1"
LARGEST_M = 5000


def serve(*, port: int, seconds: float, megabytes: float) -> None:
    """Serve the page to this machine alone, until Ctrl-C.

    Parameters
    ----------
    seconds : after which a run ends; the best so far is kept
    megabytes : largest size of an uploaded picture
    """
    # Other host names are refused, so that another site can't reach it by DNS rebinding.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    ui.page("/", title="priorkit")(lambda: _Page(seconds, megabytes))
    ui.run(host=HOST, port=port, show=False, reload=False, show_welcome_message=False)


def _choice(kind: str) -> ui.select:
    """A list of the components that can be imported, and need no option but ``m``."""
    ready = []
    for entry in registry().entries(kind):
        with suppress(PriorkitError):
            options = option_fields(class_of(entry))
            if {n for n, f in options.items() if f.is_required()} <= {"m", *entry.preset}:
                ready.append(entry.name)
    return ui.select(ready, label=kind, value=registry().fallback(kind).name)


def _with_m(operator: str) -> bool:
    return "m" in option_fields(class_of(registry().get("operator", operator)))


class _Page:
    """What one visitor sees; one run at a time."""

    def __init__(self, seconds: float, megabytes: float) -> None:
        self.seconds = seconds
        self.picture: bytes | None = None
        self.job: Job | None = None
        self.sent: bytes | None = None  # the picture that the browser has
        with ui.column().classes("w-full max-w-3xl mx-auto p-2"):
            ui.label("priorkit").classes("text-2xl")
            ui.upload(
                label=f"A picture of at most {megabytes:g} MB; without one, the sample photograph",
                max_file_size=int(megabytes * 2**20),
                auto_upload=True,
                on_upload=self._take,
                on_rejected=self._refuse,
            ).props("accept=image/* flat bordered").classes("w-full")
            with ui.row().classes("w-full"):
                self.prior, self.operator = _choice("prior"), _choice("operator")
                self.m = ui.number("m", value=500, min=1, max=LARGEST_M, precision=0)
                self.m.bind_visibility_from(self.operator, "value", backward=_with_m)
            with ui.row():
                self.begin = ui.button("Recover", on_click=self._begin)
                self.end = ui.button("Stop", on_click=self._stop).props("flat")
                self.take = ui.button("Download", on_click=self._download).props("flat")
            self.said = ui.label("").classes("break-words w-full")
            self.shown = ui.image().classes("w-full").style("image-rendering: pixelated")
            self.shown.style("max-width: 44rem")
        self.timer = ui.timer(0.3, self._refresh)
        self._refresh()

    def _refuse(self) -> None:
        self.said.set_text("That file is too large.")

    async def _take(self, event: events.UploadEventArguments) -> None:
        self.picture = await event.file.read()

    def _begin(self) -> None:
        settings: dict[str, Any] = {"prior": self.prior.value, "op": self.operator.value}
        if _with_m(self.operator.value):
            settings["m"] = int(self.m.value or 1)
        self.job = Job(self.picture, settings, seconds=self.seconds)
        self.job.start()

    def _stop(self) -> None:
        if self.job is not None:
            self.job.stop()

    def _download(self) -> None:
        if self.job is not None and self.job.result is not None:
            ui.download(self.job.archive(), "priorkit-out.zip")

    def _refresh(self) -> None:
        job = self.job
        running = job is not None and not job.done
        self.begin.set_enabled(not running)
        self.end.set_visibility(running)
        self.take.set_visibility(job is not None and job.result is not None)
        if job is None:
            return
        self.said.set_text(job.error or job.said)
        if job.shown is not None and job.shown is not self.sent:
            self.sent = job.shown
            self.shown.style(f"width: {'24rem' if job.result is None else '100%'}")
            data = base64.b64encode(job.shown).decode()
            self.shown.set_source(f"data:image/png;base64,{data}")
