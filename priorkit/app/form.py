"""The form: what is measured, how, what is known of it, and how it is solved."""

from __future__ import annotations

import asyncio
from typing import Any

from nicegui import ui

from priorkit.app.chooser import Chooser
from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.offered import KEYS, Offers, run_fields
from priorkit.app.order import MOST_PRIORS
from priorkit.app.runs import Runs
from priorkit.app.source import Source
from priorkit.errors import PriorkitError

__all__ = ["Form"]

LATER = ("penalty", "solver", "start")  # kinds that the prior suggests
UNITS = {"": "0 to 1", "8": "0 to 255", "auto": "as in the file", "own": "from … to …"}
BYTES = (0.0, 255.0)
UNKNOWN = "The shape of the picture isn't known, and this measurement doesn't tell."
QUIET = 0.25  # seconds without a change, after which it is asked what fits


class Form:
    """A form over a draft; its button queues a run and goes to its page."""

    def __init__(self, draft: Draft, runs: Runs, offers: Offers, *, megabytes: float) -> None:
        self.draft, self.runs, self.offers = draft, runs, offers
        self._asked, self._busy, self._painted = False, False, draft.painted
        self._usual: str | None = None  # the prior where none is named
        self.choosers: dict[str, Chooser] = {}
        self.controls: list[Control] = []
        with ui.element("section").classes("pk-card"):
            _heading("Picture")
            self.source = Source(draft, runs.store, self._change, megabytes=megabytes)
        with ui.element("section").classes("pk-card"):
            _heading("How it is measured")
            self._choose("operator", optional=False)
            with ui.element("div").classes("pk-fields"):
                self._fields("sigma")
                self.units = ui.select(UNITS, label="its values, and sigma, run", value="")
                self.low = ui.number("from")
                self.high = ui.number("to")
                for part in (self.units, self.low, self.high):
                    part.props("dense")
            self._choose("noise", optional=True)
        with ui.element("section").classes("pk-card"):
            _heading("What is known of it")
            self._choose("prior", optional=True)
            self.beside = (
                ui.select(
                    [],
                    label="and beside it, up to three more",
                    value=[],
                    multiple=True,
                    on_change=self._compare,
                )
                .props("use-chips dense")
                .classes("w-full")
            )
        with (
            ui.element("section").classes("pk-card"),
            ui.expansion("How it is solved").props("dense header-class=text-weight-medium"),
        ):
            for kind in LATER:
                self._choose(kind, optional=True)
            with ui.element("div").classes("pk-fields"):
                self._fields(*(field.name for field in run_fields() if field.name != "sigma"))
        self.wrong = ui.label().classes("pk-wrong").props('role="status" aria-live="polite"')
        verb = "Compare" if draft.beside else "Recover"
        self.button = ui.button(verb, on_click=self._begin).props("no-caps").classes("w-full")
        self._show_units()
        for part in (self.units, self.low, self.high):
            part.on_value_change(self._unit)
        self._fill({})
        ui.timer(QUIET, self._offer)
        ui.timer(0.0, self._read, once=True)

    def _fields(self, *names: str) -> None:
        for field in run_fields():
            if field.name in names:
                self.controls.append(Control(field, self.draft.run, self._change))

    def _choose(self, kind: str, *, optional: bool) -> None:
        self.choosers[kind] = Chooser(
            kind, self.draft, self._change, self.runs.store.keep, optional=optional
        )

    async def _read(self) -> None:
        await self.source.read()
        self._change()

    def _change(self) -> None:
        """Something else is filled in."""
        self._asked = True
        for chooser in self.choosers.values():
            chooser.show()
        if self.draft.painted != self._painted:
            self._painted = self.draft.painted
            self.source.painting.refresh()
        self._show_units()

    async def _offer(self) -> None:
        """Say what would be taken, and what fits what is filled in, once it has been left alone for
        a moment; a further change begins anew."""
        if not self._asked or self._busy:
            return
        self._asked, self._busy = False, True
        try:
            await self._ask()
        except PriorkitError as error:
            self._say(self.runs.store.hide(str(error)))
        finally:
            self._busy = False

    async def _ask(self) -> None:
        draft, shape, seen = self.draft, self.source.shape, self.source.preview
        settings = dict(draft.order().settings)
        if shape is None:
            self._say("" if seen is None else UNKNOWN)
            return
        y = None if seen is None else seen.y
        if draft.beside:
            settings["prior"] = draft.names.get("prior") or draft.beside[0]
        chosen: dict[str, Any] = {}
        said = ""
        try:
            chosen = await asyncio.to_thread(self.offers.chosen, settings, shape, y)
        except PriorkitError as error:
            said = str(error)
        self._say(self.runs.store.hide(said))
        self._fill(chosen)
        for kind, chooser in self.choosers.items():
            offer = await asyncio.to_thread(self.offers.offer, kind, settings, shape, y)
            if self._asked:  # it is of what was filled in before
                return
            chooser.offer(offer, _usual(chosen, kind, draft))
            if kind == "prior":
                self._usual = draft.names.get(kind) or _usual(chosen, kind, draft)
                fits = [name for name in offer.fits if name != self._usual]
                self.beside.set_options(fits, value=[n for n in draft.beside if n in fits])

    def _fill(self, chosen: dict[str, Any]) -> None:
        """What is filled in for the run by now, and beside it what would be taken."""
        for control in self.controls:
            control.refresh(chosen.get(control.field.name))

    def _show_units(self) -> None:
        """The range of the values as it is in the draft."""
        said = self.draft.run.get("range")
        if said is None and self.units.value == "own":  # it is being filled in
            return
        pair = tuple(said) if isinstance(said, (list, tuple)) else None
        self.units.set_value("8" if pair == BYTES else "own" if pair else said or "")
        if pair and pair != BYTES:
            self.low.set_value(pair[0])
            self.high.set_value(pair[1])
        self._unit()

    def _unit(self) -> None:
        """The range that is filled in, in whose units σ is said too."""
        own = self.units.value == "own"
        for part in (self.low, self.high):
            part.set_visibility(own)
        said: Any = {"8": BYTES, "auto": "auto"}.get(str(self.units.value))
        if own:
            if self.low.value is None or self.high.value is None:
                return
            said = (float(self.low.value), float(self.high.value))
        before = self.draft.run.get("range")
        if said == (tuple(before) if isinstance(before, list) else before):
            return
        self.draft.run["range"] = said
        self._change()

    def _compare(self) -> None:
        chosen = list(self.beside.value or [])[: MOST_PRIORS - 1]
        if chosen != list(self.beside.value or []):
            self.beside.set_value(chosen)
        if chosen != self.draft.beside:
            self.draft.beside = chosen
            if chosen and self.draft.names.get("prior") is None:  # said, since it is one of them
                self.draft.names["prior"] = self._usual
            self.button.set_text("Compare" if chosen else "Recover")
            self._change()

    def _say(self, said: str) -> None:
        self.wrong.set_text(f"This can't run: {said}" if said else "")
        self.wrong.set_visibility(bool(said))

    def _begin(self) -> None:
        try:
            queued = self.runs.add(self.draft.order())
        except PriorkitError as error:
            self._say(str(error))
            return
        ui.navigate.to(f"/run/{queued.id}")


def _usual(chosen: dict[str, Any], kind: str, draft: Draft) -> str | None:
    """What is taken of a kind of which nothing is named; None where that isn't known."""
    table = chosen.get(KEYS[kind])
    known = isinstance(table, dict) and draft.names.get(kind) is None
    return str(table["name"]) if known and table is not None else None


def _heading(text: str) -> None:
    ui.html(f"<h2>{text}</h2>", sanitize=False)
