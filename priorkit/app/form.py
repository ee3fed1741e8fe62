"""The form: what is measured, how, what is known of it, and how it is solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from torch import Tensor

from priorkit.app.aside import in_turn
from priorkit.app.begin import Begin
from priorkit.app.choice import Choice
from priorkit.app.chooser import Chooser
from priorkit.app.components import fields, plain, run_fields
from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.offered import Offer, Offers
from priorkit.app.order import MOST_PRIORS
from priorkit.app.reading import Reading
from priorkit.app.run import Run
from priorkit.app.runs import Runs
from priorkit.app.source import Source
from priorkit.app.turns import Turns
from priorkit.app.units import Units
from priorkit.app.warned import heard
from priorkit.app.words import said, warned
from priorkit.errors import PriorkitError
from priorkit.settings.config import KEYS

__all__ = ["Form"]

LATER = ("penalty", "solver", "start")  # kinds that the prior suggests
UNKNOWN = (
    "The shape of the picture isn't known, and this measurement doesn't tell: "
    "fill it in above, or choose the operator."
)
QUIET = 0.25  # seconds without a change, after which it is asked what fits


class Form:
    """A form over a draft; its button queues a run and goes to its page."""

    def __init__(self, draft: Draft, runs: Runs, offers: Offers, *, megabytes: float) -> None:
        self.draft, self.runs, self.offers = draft, runs, offers
        self._changes, self._busy = Turns(), False
        self._answered = self._changes.now()
        self._painted = draft.painted
        self._begun = self._left = False
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
                self.units = Units(draft, self._change)
            self._choose("noise", optional=True)
        with ui.element("section").classes("pk-card"):
            _heading("What is known of it")
            self._choose("prior", optional=True)
            label = "and beside it, up to three more"
            self.beside = Choice({}, label=label, value=[], multiple=True, on_change=self._compare)
            self.beside.props("use-chips dense").classes("w-full")
        with (
            ui.element("section").classes("pk-card"),
            ui.expansion("How it is solved").props("dense header-class=text-weight-medium"),
        ):
            for kind in LATER:
                self._choose(kind, optional=True)
            with ui.element("div").classes("pk-fields"):
                self._fields(*(field.name for field in run_fields() if field.name != "sigma"))
        verb = "Compare" if draft.beside else "Recover"
        self.begin = Begin(verb, self._begin)
        self._fill({})
        ui.timer(QUIET, self._offer)
        ui.timer(0.0, self.source.reading.read, once=True)
        ui.context.client.on_connect(self._here)

    def _fields(self, *names: str) -> None:
        for field in run_fields():
            if field.name in names:
                self.controls.append(Control(field, self.draft.run, self._change))

    def _choose(self, kind: str, *, optional: bool) -> None:
        self.choosers[kind] = Chooser(
            kind, self.draft, self._change, self.runs.store.keep, optional=optional
        )

    def _change(self) -> None:
        """Something else is filled in."""
        self._changes.begin()
        self.begin.wait(True)
        wrong = self.draft.wrong()
        if wrong is not None:  # which needn't be asked
            self.begin.say(wrong)
        for chooser in self.choosers.values():
            chooser.show()
        if self.draft.painted != self._painted:
            self._painted = self.draft.painted
            self.source.painting.refresh()
        self.units.show()

    async def _offer(self) -> None:
        """Say what would be taken, and what fits what is filled in; a further change begins
        anew."""
        if self._busy or self._answered():
            return
        self._answered, self._busy = self._changes.now(), True
        try:
            await self._ask()
        finally:
            self._busy = False
            self.begin.wait(not self._answered() or self.source.reading.on)

    async def _check(self) -> dict[str, Any] | None:
        """What would be taken, {} where that can't run, which is said beside the button; None where
        nobody can tell, and where something else was filled in meanwhile."""
        shape, seen = self.source.reading.shape, self.source.reading.preview
        last, wrong = self._changes.now(), self._lacking()
        if wrong is not None or shape is None or seen is None:
            self._tell(wrong or UNKNOWN)
            return None
        try:
            given = self._settings(), shape, seen.y
            chosen, warnings = await in_turn(_heard, self.offers.chosen, *given)
        except PriorkitError as error:
            if not last():
                return None
            self._tell(self.runs.store.hide(said(error, self._options())))
            return {}
        if not last():
            return None
        self._tell("", warnings)
        return dict(chosen)

    def _lacking(self) -> str | None:
        """What can't be, or isn't there, of what is filled in; None where nothing is known of
        that."""
        draft, reading = self.draft, self.source.reading
        wrong = draft.wrong() or self.units.lacking or reading.lacking
        if wrong is not None or reading.preview is None or reading.shape is not None:
            return wrong
        error = reading.preview.complaint(draft.component("operator"), draft.run.get("kind"))
        return UNKNOWN if error is None else said(error, self._options())

    def _settings(self) -> dict[str, Any]:
        settings, draft = dict(self.draft.order().settings), self.draft
        prior = draft.component("prior")
        return settings if prior is None else settings | {"prior": prior}

    def _options(self) -> set[str]:
        """The options that have fields."""
        named = [(kind, name) for kind, name in self.draft.names.items() if name is not None]
        return {one.name for kind, name in named for one in fields(kind, name)}

    async def _ask(self) -> None:
        draft, reading, last = self.draft, self.source.reading, self._changes.now()
        chosen = await self._check()
        if not last():
            return
        shape, seen = reading.shape, reading.preview
        if chosen is None or shape is None or seen is None:
            self._none(reading)
            return
        self._fill(chosen)
        settings, y = self._settings(), seen.y
        for kind, chooser in self.choosers.items():
            offer = await in_turn(self.offers.offer, kind, settings, shape, y)
            if not last():  # it is of what was filled in before
                return
            chooser.offer(offer, _usual(chosen, kind, draft))
            if kind == "operator" and self._must_be(offer, y):
                draft.names[kind] = offer.fits[0]
                self._change()
                return
            if kind == "prior":
                first = draft.names.get(kind) or _usual(chosen, kind, draft)
                fits = [name for name in offer.fits if name != first]
                kept = [name for name in draft.beside if name in fits]
                self.beside.offer({name: name for name in fits}, kept)

    def _none(self, reading: Reading) -> None:
        """Say nothing of what would be taken, which nobody knows. Where a file can't be read, or
        doesn't tell its shape, what is offered isn't of the one before either."""
        self._fill({})
        if reading.on or reading.shape is not None or self.draft.wrong() is not None:
            return
        for kind, chooser in self.choosers.items():
            every = kind == "operator" and reading.preview is not None
            chooser.offer(self.offers.every(kind) if every else Offer([], {}), None)

    def _must_be(self, offer: Offer, y: Tensor | None) -> bool:
        """Whether y can't be of the operator that is chosen where nobody says one, and is likely of
        the first that is offered."""
        unsaid = self.draft.names.get("operator") == plain()
        return y is not None and unsaid and plain() in offer.reasons and offer.likely > 0

    def _fill(self, chosen: dict[str, Any]) -> None:
        """What is filled in for the run by now, and beside it what would be taken."""
        for control in self.controls:
            control.refresh(chosen.get(control.field.name))

    def _compare(self) -> None:
        chosen = list(self.beside.value or [])[: MOST_PRIORS - 1]
        if chosen != list(self.beside.value or []):
            self.beside.set_value(chosen)
        if chosen != self.draft.beside:
            self.draft.beside = chosen
            self.begin.button.set_text("Compare" if chosen else "Recover")
            self._change()

    def _tell(self, wrong: str, warnings: Sequence[str] = ()) -> None:
        """Say why it can't run, "" where it can, and what the library warns of."""
        self.begin.say(wrong)
        shown = [warned(line, self._options()) for line in warnings]
        self.begin.warn(self.runs.store.hide(" ".join(shown)))

    def _here(self) -> None:
        """A browser has the page before it, which it may have left for that of a run."""
        self._left = False

    async def _begin(self) -> None:
        """Queue the run, once; or go to the reason why it can't be."""
        if self._begun or self._left:  # pressed twice
            return
        self._begun = True
        try:
            queued = await self._queued()
        finally:
            self._begun = False
        if queued is None:
            self.begin.lead()
            return
        self._left = True
        ui.navigate.to(f"/run/{queued.id}")

    async def _queued(self) -> Run | None:
        """The run of what is filled in, in the queue; None where it can't be, which is said."""
        while True:
            last = self._changes.now()
            chosen = await self._check()
            if last():  # else nobody has looked at what is filled in by now
                break
        if not chosen:
            return None
        try:
            return self.runs.add(self.draft.order(_usual(chosen, "prior", self.draft)))
        except PriorkitError as error:
            self.begin.say(str(error))
            return None


def _heard(chosen: Callable[..., dict[str, Any]], *given: Any) -> tuple[dict[str, Any], list[str]]:
    """What would be taken, and what the library warns of."""
    with heard() as warnings:
        return chosen(*given), warnings


def _usual(chosen: dict[str, Any], kind: str, draft: Draft) -> str | None:
    """What is taken of a kind of which nothing is named; None where that isn't known."""
    table = chosen.get(KEYS[kind])
    known = isinstance(table, dict) and draft.names.get(kind) is None
    return str(table["name"]) if known and table is not None else None


def _heading(text: str) -> None:
    ui.html(f"<h2>{text}</h2>", sanitize=False)
