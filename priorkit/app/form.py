"""The form: what is measured, how, what is known of it, and how it is solved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui
from torch import Tensor

from priorkit.app.aside import in_turn
from priorkit.app.begin import Begin
from priorkit.app.chooser import Chooser
from priorkit.app.components import fields, plain, run_fields
from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.offered import KEYS, Offer, Offers
from priorkit.app.order import MOST_PRIORS
from priorkit.app.runs import Runs
from priorkit.app.source import Source
from priorkit.app.units import Units
from priorkit.app.warned import heard
from priorkit.app.words import said, warned
from priorkit.errors import PriorkitError

__all__ = ["Form"]

LATER = ("penalty", "solver", "start")  # kinds that the prior suggests
UNREAD = "There is no file that can be read."
UNKNOWN = (
    "The shape of the picture isn't known, and this measurement doesn't tell: "
    "fill it in above, or choose the operator."
)
QUIET = 0.25  # seconds without a change, after which it is asked what fits


class Form:
    """A form over a draft; its button queues a run and goes to its page."""

    def __init__(self, draft: Draft, runs: Runs, offers: Offers, *, megabytes: float) -> None:
        self.draft, self.runs, self.offers = draft, runs, offers
        self._asked, self._busy, self._painted = False, False, draft.painted
        self._begun = False
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
        verb = "Compare" if draft.beside else "Recover"
        self.begin = Begin(verb, self._begin)
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
        """Say what would be taken, and what fits what is filled in, once it has been left alone for
        a moment; a further change begins anew."""
        if not self._asked or self._busy:
            return
        self._asked, self._busy = False, True
        try:
            await self._ask()
        finally:
            self._busy = False

    async def _check(self) -> dict[str, Any] | None:
        """What would be taken, {} where that can't run, which is said beside the button; None where
        nobody can tell, and where it was asked anew meanwhile."""
        draft, shape, seen = self.draft, self.source.shape, self.source.preview
        wrong = draft.wrong()
        if wrong is None and seen is None:
            wrong = UNREAD
        if wrong is None and shape is None and seen is not None:
            kind = draft.run.get("kind")
            error = seen.complaint(draft.component("operator"), kind)
            wrong = UNKNOWN if error is None else said(error, self._options())
        if wrong is not None or shape is None:
            self.begin.say(wrong or UNKNOWN)
            return None
        y = None if seen is None else seen.y
        try:
            settings = self._settings()
            with_y = settings, shape, y
            chosen, warnings = await in_turn(_heard, self.offers.chosen, *with_y)
        except PriorkitError as error:
            self.begin.say(self.runs.store.hide(said(error, self._options())))
            self._warn([])
            return {}
        self.begin.say("")
        self._warn(warnings)
        return dict(chosen)

    def _settings(self) -> dict[str, Any]:
        settings, draft = dict(self.draft.order().settings), self.draft
        prior = draft.component("prior")
        return settings if prior is None else settings | {"prior": prior}

    def _options(self) -> set[str]:
        """The options that have fields."""
        named = [(kind, name) for kind, name in self.draft.names.items() if name is not None]
        return {one.name for kind, name in named for one in fields(kind, name)}

    async def _ask(self) -> None:
        draft = self.draft
        chosen = await self._check()
        if self.source.shape is None and self.source.preview is not None:
            self.choosers["operator"].offer(self.offers.every("operator"), None)
        if chosen is None or self._asked:
            return
        self._fill(chosen)
        shape, seen = self.source.shape, self.source.preview
        if shape is None or seen is None:
            return
        settings, y = self._settings(), seen.y
        for kind, chooser in self.choosers.items():
            offer = await in_turn(self.offers.offer, kind, settings, shape, y)
            if self._asked:  # it is of what was filled in before
                return
            chooser.offer(offer, _usual(chosen, kind, draft))
            if kind == "operator" and self._must_be(offer, y):
                draft.names[kind] = offer.fits[0]
                self._change()
                return
            if kind == "prior":
                first = draft.names.get(kind) or _usual(chosen, kind, draft)
                fits = [name for name in offer.fits if name != first]
                self.beside.set_options(fits, value=[n for n in draft.beside if n in fits])

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

    def _warn(self, warnings: list[str]) -> None:
        shown = [warned(line, self._options()) for line in warnings]
        self.begin.warn(self.runs.store.hide(" ".join(shown)))

    async def _begin(self) -> None:
        """Queue the run, once; or go to the reason why it can't be."""
        if self._begun:  # pressed twice
            return
        self._begun = True
        chosen = await self._check()
        if not chosen:
            self._begun = False
            self.begin.lead()
            return
        try:
            queued = self.runs.add(self.draft.order(_usual(chosen, "prior", self.draft)))
        except PriorkitError as error:
            self._begun = False
            self.begin.say(str(error))
            return
        ui.navigate.to(f"/run/{queued.id}")


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
